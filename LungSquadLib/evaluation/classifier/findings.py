"""The findings of an evaluation in sentences: headline, cautions, notes on the methods."""

from __future__ import annotations

from collections.abc import Iterator

from ...statistics.text import format_estimate, format_p, format_percent
from .results import Baseline, Evaluation
from .table import format_name

_FEW, _FEW_EVENTS, _MANY_LEFT_OUT = 50, 10, 0.2


def sample(evaluation: Evaluation) -> str:
    """Return the numbers of rows, patients, repeats and folds on one line."""
    counts = evaluation.counts
    classes = zip(counts.per_class, evaluation.classes, strict=True)
    parts = [f"{counts.used} rows"]
    parts += [", ".join(f"{n} of class '{format_name(name)}'" for n, name in classes)]
    parts += [f"{counts.patients} patients"] if counts.patients is not None else []
    parts += [f"{counts.repeats} repeats"] if counts.repeats is not None else []
    parts += [f"{counts.folds} folds"] if counts.folds is not None else []
    return "; ".join(parts) + "."


def headline(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the findings, the most important first."""
    return tuple(_headline(evaluation))


def _headline(evaluation: Evaluation) -> Iterator[str]:
    discrimination, calibration = evaluation.discrimination, evaluation.calibration
    if discrimination is not None:
        area = f"AUC {format_estimate(discrimination.auc)}"
        if discrimination.auc.low > 0.5:
            better = "The score separates the classes better than chance"
            unbeaten = [each for each in evaluation.baselines if each.difference.low <= 0]
            if unbeaten:
                names = " or ".join(f"'{format_name(baseline.name)}'" for baseline in unbeaten)
                better += f", but not demonstrably better than {names} alone"
            yield f"{better}: {area}."
        elif discrimination.auc.high < 0.5:
            yield f"The score is higher for the other class than for the positive one: {area}."
        else:
            yield f"The score is not shown to separate the classes better than chance: {area}."
    yield from map(_comparison, evaluation.baselines)
    if calibration is not None:
        brier, reference = calibration.brier, calibration.brier_reference
        prevalence = "predicting the prevalence for every patient"
        if brier.high < reference:
            verdict = f"Its probabilities are better than {prevalence}"
        elif brier.low > reference:
            verdict = f"Its probabilities are worse than {prevalence}"
        else:
            verdict = f"Its probabilities are not shown to be better than {prevalence}"
        scores = f"Brier score {format_estimate(brier)}, of the prevalence {reference:.3f}"
        yield f"{verdict}: {scores} (lower is better)."
    if discrimination is None and evaluation.hard_predictions is not None:
        correct, n = evaluation.hard_predictions.confusion.trace(), evaluation.counts.used
        yield f"{correct} of {n} predicted classes are correct ({format_percent(correct / n)})."


def _comparison(baseline: Baseline) -> str:
    name = format_name(baseline.name)
    difference = f"difference of AUC {format_estimate(baseline.difference)}"
    difference += f", {format_p(baseline.p)}"
    if baseline.difference.low > 0:
        return f"The score separates the classes better than '{name}' alone: {difference}."
    if baseline.difference.high < 0:
        return f"'{name}' alone separates the classes better: {difference}."
    return f"No difference to '{name}' alone is shown: {difference}."


def cautions(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the limitations of the evaluation."""
    return tuple(_cautions(evaluation))


def _cautions(evaluation: Evaluation) -> Iterator[str]:
    counts = evaluation.counts
    n = counts.used if counts.patients is None else counts.patients
    if n < _FEW:
        unit = "rows" if counts.patients is None else "patients"
        yield (
            f"Only {n} {unit} were evaluated: intervals are wide, and another {n} {unit} may give "
            "quite different results."
        )
    left_out = sum(count for _, count in counts.left_out)
    if left_out > _MANY_LEFT_OUT * counts.rows:
        reasons = "; ".join(why for why, _ in counts.left_out)
        yield (
            f"{left_out} of {counts.rows} rows were left out ({reasons}): the results hold for the "
            "remaining rows only."
        )
    rarest = min(counts.per_class)
    events = rarest // (counts.repeats or 1)
    if events < _FEW_EVENTS:
        name = format_name(evaluation.classes[counts.per_class.index(rarest)])
        yield (
            f"Only {events} rows are of class '{name}': too few for reliable calibration or "
            "thresholds."
        )
    if counts.folds_of_one_class:
        yield (
            f"{counts.folds_of_one_class} folds have rows of one class only: they add nothing to "
            "the AUC, for which scores of one network are compared."
        )
    comparisons = len(evaluation.baselines)
    if comparisons > 1:
        yield (
            f"The score was compared with {comparisons} baselines; the p values are not corrected "
            "for multiple comparisons, so one of them may be small by chance."
        )
    if len(evaluation.thresholds) > 1:
        yield (
            f"{len(evaluation.thresholds)} thresholds are listed; choose one before looking at the "
            "results."
        )


def notes(evaluation: Evaluation) -> tuple[str, ...]:
    """Return how the measures were computed, where the table or the options left a choice."""
    return tuple(_notes(evaluation))


def _notes(evaluation: Evaluation) -> Iterator[str]:
    counts, columns = evaluation.counts, evaluation.columns
    for why, count in counts.left_out:
        yield f"{count} of {counts.rows} rows were left out: {why}."
    if columns.score is None:
        return
    positive = format_name(evaluation.classes[1])
    yield f"The positive class is '{positive}': scores should be high for it."
    if columns.group is None:
        yield (
            "Each row is counted as a different patient. If that is wrong, name the patient's "
            "column (--group)."
        )
    if columns.part is None:
        used = ", ".join(f"{each.value:.3g} ({each.how})" for each in evaluation.thresholds)
        yield (
            "There are no validation rows (--part), so no threshold and no temperature was chosen; "
            f"threshold used: {used or 'none'}."
        )
    else:
        yield (
            f"Thresholds and temperature were chosen on {counts.validation} validation rows; "
            f"everything is measured on {counts.used} test rows."
        )
    if counts.repeats is not None:
        yield (
            "Measures with an interval are computed within each repeat and averaged; curves and "
            "tables pool the repeats."
        )
    if counts.folds is not None:
        yield (
            "AUC, its differences and the concordance are of pairs of patients in the same fold, "
            "since scores of two folds' networks have no common scale. Curves, average precision, "
            "calibration and thresholds pool the scores of all folds."
        )
    discrimination = evaluation.discrimination
    if discrimination is not None and evaluation.calibration is None:
        yield (
            f"'{format_name(columns.score)}' is no probability (it ranges from "
            f"{discrimination.lowest:.3g} to {discrimination.highest:.3g}), so calibration, Brier "
            "score and decision curve are not given."
        )
    for baseline in evaluation.baselines:
        yield from _notes_on_baseline(baseline, evaluation)


def _notes_on_baseline(baseline: Baseline, evaluation: Evaluation) -> Iterator[str]:
    name = format_name(baseline.name)
    if baseline.n < evaluation.counts.used:
        yield (
            f"'{name}' is known for {baseline.n} of {evaluation.counts.used} rows; the "
            "comparison is made on these."
        )
    if baseline.inverted:
        rows = "on validation rows" if evaluation.columns.part is not None else "on these rows"
        yield (
            f"'{name}' is lower for the positive class ({rows}), so it is compared with its sign "
            f"inverted: AUC {baseline.auc.value:.3f} instead of {1 - baseline.auc.value:.3f}."
        )
