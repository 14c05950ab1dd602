"""An evaluation as text, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Iterator

from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import (
    Calibration,
    Evaluation,
    HardPredictions,
    Survival,
    Threshold,
)
from ...evaluation.classifier.table import format_name
from ...statistics.text import format_estimate, format_interval, format_number, format_p


def as_text(evaluation: Evaluation) -> str:
    """Format an evaluation for the terminal."""
    return "\n".join(_lines(evaluation))


def auc_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the rows of AUC, baselines and average precision."""
    discrimination = evaluation.discrimination
    if discrimination is None:
        return []
    rows = [("AUC", f"{format_estimate(discrimination.auc)}, {discrimination.auc.method}")]
    for baseline in evaluation.baselines:
        same = f"the score on the same {baseline.n} rows {format_number(baseline.score_auc.value)}"
        rows.append(
            (f"AUC of {format_name(baseline.name)}", f"{format_estimate(baseline.auc)}; {same}")
        )
        rows.append(
            ("  difference", f"{format_estimate(baseline.difference)}, {format_p(baseline.p)}")
        )
    precision = format_estimate(discrimination.average_precision)
    return [
        *rows,
        ("Average precision", f"{precision}; prevalence {discrimination.prevalence:.3f}"),
    ]


def calibration_rows(calibration: Calibration) -> list[tuple[str, str]]:
    """Return the rows of Brier score, calibration line, errors and temperature."""
    brier = (
        f"{format_estimate(calibration.brier)}; of the prevalence {calibration.brier_reference:.3f}"
    )
    rows = [
        ("Brier score", brier),
        ("Calibration slope", f"{format_estimate(calibration.slope)}; ideal 1"),
        ("Calibration intercept", f"{format_number(calibration.intercept)}; ideal 0"),
        ("Calibration in the large", f"{format_estimate(calibration.in_the_large)}; ideal 0"),
        ("Expected calibration error", format_number(calibration.ece)),
        ("Log loss", format_number(calibration.log_loss)),
    ]
    after = calibration.temperature
    if after is not None:
        effect = f"{after.value:.2f}; with it Brier score {after.brier:.3f}, calibration error "
        rows.append(("Temperature", f"{effect}{after.ece:.3f}, log loss {after.log_loss:.3f}"))
    return rows


def survival_rows(survival: Survival) -> list[tuple[str, str]]:
    """Return the rows of concordance and log-rank test."""
    test = survival.log_rank
    return [
        ("Concordance", f"{format_estimate(survival.concordance)}, of high scores, early events"),
        (
            "Log-rank test",
            f"chi-square {test.chi2:.2f}, {format_p(test.p)}; parted "
            f"at {survival.cut:.3g}, {survival.how}",
        ),
    ]


def threshold_rows(thresholds: tuple[Threshold, ...]) -> list[tuple[str, ...]]:
    """Return a header, and sensitivity, specificity and predictive values at each threshold."""
    rows: list[tuple[str, ...]] = [
        ("Threshold", "Sensitivity", "Specificity", "PPV", "NPV", "Chosen by")
    ]
    for threshold in thresholds:
        measures = threshold.measures
        proportions = (measures.sensitivity, measures.specificity, measures.ppv, measures.npv)
        cells = (
            "-"
            if proportion.value is None
            else format_interval(proportion.value, proportion.low, proportion.high)
            for proportion in proportions
        )
        rows.append((f"{threshold.value:.4g}", *cells, threshold.how))
    return rows


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield sample(evaluation)
    if evaluation.hard_predictions is not None:
        yield ""
        yield from _hard_predictions(evaluation.hard_predictions, evaluation.classes)
    rows = auc_rows(evaluation)
    rows += calibration_rows(evaluation.calibration) if evaluation.calibration else []
    rows += survival_rows(evaluation.survival) if evaluation.survival else []
    if rows:
        width = max(len(name) for name, _ in rows)
        yield from ("", *(f"{name:<{width}}  {value}" for name, value in rows))
    if evaluation.thresholds:
        yield ""
        yield from _columns(threshold_rows(evaluation.thresholds))
    for title, sentences in (
        ("", evaluation.headline),
        ("Cautions:", evaluation.cautions),
        ("Notes:", evaluation.notes),
    ):
        if sentences:
            yield from ("", *([title] if title else []), *sentences)


def _hard_predictions(hard: HardPredictions, classes: tuple[str, ...]) -> Iterator[str]:
    yield f"Predicted classes: {hard.source}"
    yield hard.report.text()
    yield "Confusion matrix (rows true, columns predicted)"
    names = [format_name(name, 20) for name in classes]
    rows = [("", *names)]
    rows += [
        (name, *map(str, row)) for name, row in zip(names, hard.confusion.tolist(), strict=True)
    ]
    yield from _columns(rows)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
