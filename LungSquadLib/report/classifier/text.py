"""An evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import Answers, Calibration, Evaluation, Survival, Threshold
from ...evaluation.classifier.table import shown
from ...statistics.text import format_estimate, format_interval, format_number, format_p


def as_text(evaluation: Evaluation) -> str:
    """The report of hard answers, and below it what else was measured."""
    return "\n".join(_lines(evaluation))


def auc_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name and value, with its interval and what to hold it against, of AUC and precision."""
    found = evaluation.discrimination
    if found is None:
        return []
    rows = [("AUC", f"{format_estimate(found.auc)}, {found.auc.method}")]
    for one in evaluation.baselines:
        same = f"the score on the same {one.n} rows {format_number(one.score_auc.value)}"
        rows.append((f"AUC of {shown(one.name)}", f"{format_estimate(one.auc)}; {same}"))
        rows.append(("  difference", f"{format_estimate(one.difference)}, {format_p(one.p)}"))
    precision = format_estimate(found.average_precision)
    return [*rows, ("Average precision", f"{precision}; prevalence {found.prevalence:.3f}")]


def calibration_rows(found: Calibration) -> list[tuple[str, str]]:
    """Brier score, calibration line and errors, and what temperature does to them."""
    brier = f"{format_estimate(found.brier)}; of the prevalence {found.brier_reference:.3f}"
    rows = [
        ("Brier score", brier),
        ("Calibration slope", f"{format_estimate(found.slope)}; ideal 1"),
        ("Calibration intercept", f"{format_number(found.intercept)}; ideal 0"),
        ("Calibration in the large", f"{format_estimate(found.in_the_large)}; ideal 0"),
        ("Expected calibration error", format_number(found.ece)),
        ("Log loss", format_number(found.log_loss)),
    ]
    after = found.temperature
    if after is not None:
        told = f"{after.value:.2f}; with it Brier score {after.brier:.3f}, calibration error "
        rows.append(("Temperature", f"{told}{after.ece:.3f}, log loss {after.log_loss:.3f}"))
    return rows


def survival_rows(survival: Survival) -> list[tuple[str, str]]:
    """Concordance and log-rank test."""
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
    """A header, and sensitivity, specificity and predictive values at each threshold."""
    rows: list[tuple[str, ...]] = [
        ("Threshold", "Sensitivity", "Specificity", "PPV", "NPV", "Found by")
    ]
    for one in thresholds:
        found = one.measures
        shares = (found.sensitivity, found.specificity, found.ppv, found.npv)
        cells = (
            "-" if share.value is None else format_interval(share.value, share.low, share.high)
            for share in shares
        )
        rows.append((f"{one.value:.4g}", *cells, one.how))
    return rows


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield sample(evaluation)
    if evaluation.answers is not None:
        yield ""
        yield from _answers(evaluation.answers, evaluation.classes)
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
        ("Mind:", evaluation.cautions),
        ("Notes:", evaluation.notes),
    ):
        if sentences:
            yield from ("", *([title] if title else []), *sentences)


def _answers(answers: Answers, classes: tuple[str, ...]) -> Iterator[str]:
    yield f"Answers: {answers.source}"
    yield answers.report.text()
    yield "Confusion matrix (rows true, columns answered)"
    names = [shown(name, 20) for name in classes]
    rows = [("", *names)]
    rows += [
        (name, *map(str, row)) for name, row in zip(names, answers.confusion.tolist(), strict=True)
    ]
    yield from _columns(rows)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
