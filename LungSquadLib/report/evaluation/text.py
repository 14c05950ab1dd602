"""An evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import one_line
from .results import Answers, Evaluation, Survival, Threshold
from .sentences import p_value, sample, with_interval


def as_text(evaluation: Evaluation) -> str:
    """The report of hard answers, and below it what else was measured."""
    return "\n".join(_lines(evaluation))


def measures(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name and value, with its interval and what to hold it against, of each measure."""
    rows = []
    found, calibration = evaluation.discrimination, evaluation.calibration
    if found is not None:
        rows.append(("AUC", f"{with_interval(found.auc, 3)}, {found.auc.method}"))
        for one in evaluation.baselines:
            same = f"the score on the same {one.n} rows {one.score_auc.value:.3f}"
            rows.append((f"AUC of {shown(one.name)}", f"{with_interval(one.auc, 3)}; {same}"))
            p = f", {p_value(one.p)}" if one.p is not None else ""
            rows.append(("  difference", f"{with_interval(one.difference, 3)}{p}"))
        precision = with_interval(found.average_precision, 3)
        rows.append(("Average precision", f"{precision}; prevalence {found.prevalence:.3f}"))
    if calibration is not None:
        brier = f"{with_interval(calibration.brier, 3)}; of the prevalence"
        rows.append(("Brier score", f"{brier} {calibration.brier_reference:.3f}"))
        rows.append(("Calibration slope", f"{with_interval(calibration.slope)}; ideal 1"))
        rows.append(("Calibration intercept", f"{calibration.intercept:.2f}; ideal 0"))
        rows.append(("Calibration in the large", f"{with_interval(calibration.in_the_large)}; ideal 0"))
        rows.append(("Expected calibration error", f"{calibration.ece:.3f}"))
        rows.append(("Log loss", f"{calibration.log_loss:.3f}"))
        if calibration.temperature is not None:
            after = calibration.temperature
            told = f"{after.value:.2f}; with it Brier score {after.brier:.3f}, "
            told += f"calibration error {after.ece:.3f}, log loss {after.log_loss:.3f}"
            rows.append(("Temperature", told))
    return rows + (survival_rows(evaluation.survival) if evaluation.survival else [])


def survival_rows(survival: Survival) -> list[tuple[str, str]]:
    """Concordance and log-rank test."""
    test = survival.log_rank
    return [
        ("Concordance", f"{with_interval(survival.concordance, 3)}, of high scores, early events"),
        ("Log-rank test", f"chi-square {test.chi2:.2f}, {p_value(test.p)}; cut at {survival.cut:.3g}, "
         f"{survival.how}"),
    ]  # fmt: skip


def threshold_rows(thresholds: tuple[Threshold, ...]) -> list[tuple[str, ...]]:
    """A header, and sensitivity, specificity and predictive values at each threshold."""
    rows: list[tuple[str, ...]] = [
        ("Threshold", "Sensitivity", "Specificity", "PPV", "NPV", "Found by")
    ]
    for one in thresholds:
        found = one.measures
        shares = (found.sensitivity, found.specificity, found.ppv, found.npv)
        cells = ("-" if share.value is None else f"{share.value:.2f} ({share.low:.2f} to "
                 f"{share.high:.2f})" for share in shares)  # fmt: skip
        rows.append((f"{one.value:.4g}", *cells, one.how))
    return rows


def shown(name: str, most: int = 40) -> str:
    """A name from a table, cut where it would fill the line."""
    plain = one_line(name)
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield sample(evaluation)
    if evaluation.answers is not None:
        yield ""
        yield from _answers(evaluation.answers, evaluation.classes)
    rows = measures(evaluation)
    if rows:
        width = max(len(name) for name, _ in rows)
        yield from ("", *(f"{name:<{width}}  {value}" for name, value in rows))
    if evaluation.thresholds:
        yield ""
        yield from _columns(threshold_rows(evaluation.thresholds))
    for title, sentences in (("", evaluation.headline), ("Mind:", evaluation.cautions),
                             ("Notes:", evaluation.notes)):  # fmt: skip
        if sentences:
            yield from ("", *([title] if title else []), *sentences)


def _answers(answers: Answers, classes: tuple[str, ...]) -> Iterator[str]:
    yield f"Answers: {answers.source}"
    yield answers.report.text()
    yield "Confusion matrix (rows true, columns answered)"
    names = [shown(name, 20) for name in classes]
    rows = [("", *names)]
    rows += [(name, *map(str, row)) for name, row in zip(names, answers.confusion.tolist(), strict=True)]
    yield from _columns(rows)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join((row[0].ljust(widths[0]), *cells)).rstrip()
