"""What an evaluation says in words: what was found, what to mind, what was done."""

from __future__ import annotations

from collections.abc import Iterator

from ...statistics.text import format_estimate, format_p, format_percent
from .results import Baseline, Evaluation
from .table import shown

_FEW, _FEW_EVENTS, _MANY_LEFT_OUT = 50, 10, 0.2


def sample(evaluation: Evaluation) -> str:
    """Who was evaluated, on one line."""
    counts = evaluation.counts
    each = zip(counts.per_class, evaluation.classes, strict=True)
    parts = [f"{counts.used} rows", ", ".join(f"{n} of class '{shown(name)}'" for n, name in each)]
    parts += [f"{counts.patients} patients"] if counts.patients is not None else []
    parts += [f"{counts.repeats} repeats"] if counts.repeats is not None else []
    parts += [f"{counts.folds} folds"] if counts.folds is not None else []
    return "; ".join(parts) + "."


def headline(evaluation: Evaluation) -> tuple[str, ...]:
    """What was found, first things first."""
    return tuple(_headline(evaluation))


def _headline(evaluation: Evaluation) -> Iterator[str]:
    found, calibration = evaluation.discrimination, evaluation.calibration
    if found is not None:
        area = f"AUC {format_estimate(found.auc)}"
        if found.auc.low > 0.5:
            better = "The score separates the classes better than chance"
            beaten = [one for one in evaluation.baselines if one.difference.low > 0]
            if len(beaten) < len(evaluation.baselines):
                names = [shown(one.name) for one in evaluation.baselines if one not in beaten]
                some = " or ".join(f"'{name}'" for name in names)
                better += f", but not shown to do so better than {some} alone"
            yield f"{better}: {area}."
        elif found.auc.high < 0.5:
            yield f"The score is higher for the other class than for the positive one: {area}."
        else:
            yield f"The score is not shown to separate the classes better than chance: {area}."
    yield from map(_against, evaluation.baselines)
    if calibration is not None:
        brier, reference = calibration.brier, calibration.brier_reference
        everybody = "giving everybody the prevalence"
        if brier.high < reference:
            told = f"Its probabilities are better than {everybody}"
        elif brier.low > reference:
            told = f"Its probabilities are worse than {everybody}"
        else:
            told = f"Its probabilities are not shown to be better than {everybody}"
        scores = f"Brier score {format_estimate(brier)}, of the prevalence {reference:.3f}"
        yield f"{told}: {scores} (lower is better)."
    if found is None and evaluation.answers is not None:
        right, all_of_them = evaluation.answers.confusion.trace(), evaluation.counts.used
        yield f"{right} of {all_of_them} answers are right ({format_percent(right / all_of_them)})."


def _against(baseline: Baseline) -> str:
    name = shown(baseline.name)
    difference = f"difference of AUC {format_estimate(baseline.difference)}"
    difference += f", {format_p(baseline.p)}"
    if baseline.difference.low > 0:
        return f"The score separates the classes better than '{name}' alone: {difference}."
    if baseline.difference.high < 0:
        return f"'{name}' alone separates the classes better: {difference}."
    return f"No difference to '{name}' alone is shown: {difference}."


def cautions(evaluation: Evaluation) -> tuple[str, ...]:
    """What to mind before believing the numbers."""
    return tuple(_cautions(evaluation))


def _cautions(evaluation: Evaluation) -> Iterator[str]:
    counts = evaluation.counts
    people = counts.used if counts.patients is None else counts.patients
    if people < _FEW:
        what = "rows" if counts.patients is None else "patients"
        yield (
            f"Only {people} {what} were evaluated: intervals are wide, and the next {people} may "
            "look quite different."
        )
    left = sum(count for _, count in counts.left_out)
    if left > _MANY_LEFT_OUT * counts.rows:
        reasons = "; ".join(why for why, _ in counts.left_out)
        yield (
            f"{left} of {counts.rows} rows were left out ({reasons}): the numbers hold for the "
            "others alone."
        )
    rarest = min(counts.per_class)
    events = rarest // (counts.repeats or 1)
    if events < _FEW_EVENTS:
        name = shown(evaluation.classes[counts.per_class.index(rarest)])
        yield (
            f"Only {events} rows are of class '{name}': too few for calibration or thresholds to "
            "be trusted."
        )
    if counts.folds_of_one_class:
        yield (
            f"{counts.folds_of_one_class} folds have rows of one class only: they add nothing to "
            "the AUC, for which scores of one network are compared."
        )
    looks = len(evaluation.baselines)
    if looks > 1:
        yield (
            f"The score was compared with {looks} baselines; the p values are not corrected for "
            "several looks, so one of them may be small by chance."
        )
    if len(evaluation.thresholds) > 1:
        yield (
            f"{len(evaluation.thresholds)} thresholds are shown; decide beforehand which counts."
        )


def notes(evaluation: Evaluation) -> tuple[str, ...]:
    """What was done, where the table or the options left a choice."""
    return tuple(_notes(evaluation))


def _notes(evaluation: Evaluation) -> Iterator[str]:
    counts, columns = evaluation.counts, evaluation.columns
    for why, count in counts.left_out:
        yield f"{count} of {counts.rows} rows were left out: {why}."
    if columns.score is None:
        return
    yield f"The positive class is '{shown(evaluation.classes[1])}': scores should be high for it."
    if columns.group is None:
        yield "Every row is taken for another patient; name the patient's column (--group) if not."
    if columns.part is None:
        used = ", ".join(f"{one.value:.3g} ({one.how})" for one in evaluation.thresholds) or "none"
        yield (
            "There are no validation rows (--part), so no threshold and no temperature was chosen; "
            f"threshold used: {used}."
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
            "for scores of two folds' networks have no common scale. Curves, average precision, "
            "calibration and thresholds take the scores of all folds together."
        )
    found = evaluation.discrimination
    if found is not None and evaluation.calibration is None:
        yield (
            f"'{shown(columns.score)}' is no probability (it goes from {found.lowest:.3g} to "
            f"{found.highest:.3g}), so calibration, Brier score and decision curve are not given."
        )
    for baseline in evaluation.baselines:
        yield from _of_baseline(baseline, evaluation)


def _of_baseline(baseline: Baseline, evaluation: Evaluation) -> Iterator[str]:
    name = shown(baseline.name)
    if baseline.n < evaluation.counts.used:
        yield (
            f"'{name}' is there for {baseline.n} of {evaluation.counts.used} rows; the "
            "comparison is made on these."
        )
    if baseline.turned:
        where = "on validation rows" if evaluation.columns.part is not None else "on these rows"
        yield (
            f"'{name}' is lower for the positive class ({where}), so it is compared with "
            f"its sign turned, as a predictor the other way: AUC {baseline.auc.value:.3f} instead "
            f"of {1 - baseline.auc.value:.3f}."
        )
