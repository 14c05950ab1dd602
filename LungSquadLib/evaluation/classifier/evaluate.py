"""Evaluate a classifier from a table of labels and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...statistics import calibration as calibrating
from ...statistics.classification import (
    at_sensitivity,
    at_threshold,
    classification_report,
    confusion,
    decision_curve,
    youden,
)
from ...statistics.discrimination import auc, average_precision, pr_curve, roc_curve
from ...statistics.intervals import SAMPLES, Estimate, bootstrap
from ...statistics.labelled_rows import LabelledRows
from ...statistics.survival import concordance, kaplan_meier, log_rank
from .findings import cautions, headline, notes
from .results import (
    Baseline,
    Calibration,
    Counts,
    Discrimination,
    Distribution,
    Evaluation,
    HardPredictions,
    Survival,
    Temperature,
    Threshold,
)
from .rows import Columns, Rows, Selection, check_classes, check_folds, select
from .table import Table, format_name

_DECISIONS = np.linspace(0.01, 0.99, 99)  # threshold probabilities of the decision curve
_FOLDS = {"fold", "folds", "cv_fold", "fold_id"}  # what columns of folds are called
_BINS = 24  # of the scores' distribution
_DISTINCT = 20  # scores: fewer are repeated by chance
_SLOW = 400  # samples of what is fitted anew in each


def evaluate(
    table: Table,
    columns: Columns,
    *,
    positive: str | None = None,
    threshold: float | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
) -> Evaluation:
    """Evaluate a score, predicted classes, or both against labels.

    Args:
        table: labels, scores and what goes with them.
        columns: which column is what.
        positive: the label's value that scores are high for; the last in order if left out.
        threshold: an operating point that was fixed beforehand.
        seed: of the bootstrap.
        samples: how many the bootstrap draws.

    Raises:
        InputError: the table cannot be evaluated; the message says why.
    """
    if threshold is not None and not np.isfinite(threshold):
        raise InputError(f"The threshold must be a finite number, not {threshold}.")
    if not 0 <= seed < 2**32:
        raise InputError(f"The seed must be 0 to 4294967295, not {seed}.")
    chosen = select(table, columns, positive=positive)
    evaluation = _measured(chosen, columns, threshold, {"seed": seed, "samples": samples})
    warnings = (*cautions(evaluation), *_repeated(chosen.test), *_unread_folds(table, columns))
    return replace(
        evaluation,
        headline=headline(evaluation),
        cautions=warnings,
        notes=(*chosen.notes, *notes(evaluation)),
    )


def _repeated(rows: Rows) -> tuple[str, ...]:
    """A caution where many rows repeat another and each counts as a different patient."""
    if rows.group is not None or np.isnan(rows.score).any():
        return ()
    distinct = len(np.unique(np.column_stack([rows.label, rows.score]), axis=0))
    if 2 * distinct > len(rows) or distinct < _DISTINCT:
        return ()
    sentence = (
        f"{len(rows) - distinct} of {len(rows)} rows have the label and the score of another: if "
        "they are the same patients, name their column (--group), or intervals are too narrow."
    )
    return (sentence,)


def _unread_folds(table: Table, columns: Columns) -> Iterator[str]:
    """A caution where a table has a column of folds that was not named."""
    if columns.fold is None and columns.score is not None:
        for name in sorted(name for name in table.unread if name.casefold() in _FOLDS):
            yield (
                f"The table has a column '{format_name(name)}'. If the scores of its folds come "
                f"from different networks, name it (--fold {format_name(name)}): ranked together "
                "as here, a shift between the folds lowers the AUC."
            )


def _measured(
    chosen: Selection, columns: Columns, threshold: float | None, drawn: dict[str, int]
) -> Evaluation:
    test, counts = chosen.test, _counts(chosen)
    intervals = test.labelled(**drawn)
    if columns.score is None:
        return Evaluation(
            columns, test.classes, counts, hard_predictions=_hard_predictions(test, columns, ())
        )
    probability = _is_probability(chosen)
    thresholds = _thresholds(chosen, threshold, probability)
    return Evaluation(
        columns,
        test.classes,
        counts,
        discrimination=_discrimination(test, intervals),
        baselines=tuple(_baseline(name, chosen, columns, drawn) for name in columns.baselines),
        calibration=_calibration(chosen, intervals) if probability else None,
        decision=decision_curve(test.label, test.score, _DECISIONS) if probability else None,
        thresholds=thresholds,
        hard_predictions=_hard_predictions(test, columns, thresholds),
        survival=survival(chosen, intervals) if columns.time is not None else None,
        distribution=_distribution(test),
    )


def _counts(chosen: Selection) -> Counts:
    test, validation = chosen.test, chosen.validation
    return Counts(
        rows=chosen.total,
        used=len(test),
        per_class=tuple(np.bincount(test.label, minlength=len(test.classes)).tolist()),
        patients=None if test.group is None else len(np.unique(test.group)),
        repeats=None if test.repeat is None else len(np.unique(test.repeat)),
        folds=None if test.fold is None else len(np.unique(test.fold)),
        folds_of_one_class=_of_one_class(test),
        validation=None if validation is None else len(validation),
        left_out=chosen.left_out,
    )


def _of_one_class(rows: Rows) -> int:
    """The number of folds, of all repeats, whose rows are of one class."""
    strata = rows.labelled().strata if rows.fold is not None else None
    if strata is None:
        return 0
    return sum(len(np.unique(rows.label[strata == stratum])) < 2 for stratum in np.unique(strata))


def _is_probability(chosen: Selection) -> bool:
    parts = [part.score for part in (chosen.test, chosen.validation) if part is not None]
    return all(bool(np.all((score >= 0) & (score <= 1))) for score in parts)


def _discrimination(rows: Rows, intervals: LabelledRows) -> Discrimination:
    return Discrimination(
        auc=intervals.auc(rows.score),
        average_precision=intervals.bootstrap(average_precision, rows.score),
        prevalence=float(rows.label.mean()),
        roc=roc_curve(rows.label, rows.score),
        pr=pr_curve(rows.label, rows.score),
        lowest=float(rows.score.min()),
        highest=float(rows.score.max()),
    )


def _baseline(name: str, chosen: Selection, columns: Columns, drawn: dict[str, int]) -> Baseline:
    """A baseline; its direction is that of the validation rows if any, else of the test rows."""
    rows = chosen.test.where(~np.isnan(chosen.test.baselines[name]))
    direction_rows = rows
    if chosen.validation is not None:
        direction_rows = chosen.validation.where(~np.isnan(chosen.validation.baselines[name]))
    for checked in (rows, direction_rows):
        if not len(checked):
            raise InputError(f"The baseline '{format_name(name)}' has no value in any row.")
        check_classes(checked, f"The rows with the baseline '{format_name(name)}'")
    check_folds(rows, f"The rows with the baseline '{format_name(name)}'", columns.fold)
    inverted = _is_lower(direction_rows, direction_rows.baselines[name])
    values = -rows.baselines[name] if inverted else rows.baselines[name]
    intervals = rows.labelled(**drawn)
    difference, p = intervals.auc_difference(rows.score, values)
    return Baseline(
        name=name,
        inverted=inverted,
        n=len(rows),
        auc=intervals.auc(values),
        score_auc=intervals.auc(rows.score),
        difference=difference,
        p=p,
        roc=roc_curve(rows.label, values),
    )


def _is_lower(rows: Rows, score: np.ndarray) -> bool:
    """Whether a score is lower for the positive class, within folds where these have both."""
    try:
        return auc(rows.label, score, rows.labelled().strata) < 0.5
    except ValueError:  # few validation rows: no fold has both classes
        return auc(rows.label, score) < 0.5


def _calibration(chosen: Selection, intervals: LabelledRows) -> Calibration:
    y, p = chosen.test.label, chosen.test.score
    line = calibrating.calibration_line
    return Calibration(
        brier=intervals.bootstrap(calibrating.brier, p),
        brier_reference=calibrating.brier_reference(y),
        brier_skill=calibrating.brier_skill(y, p),
        log_loss=calibrating.log_loss(y, p),
        ece=calibrating.ece(y, p),
        intercept=line(y, p).intercept,
        slope=intervals.bootstrap(lambda y, p: line(y, p).slope, p, most=_SLOW),
        in_the_large=intervals.bootstrap(lambda y, p: line(y, p).in_the_large, p, most=_SLOW),
        curve=calibrating.calibration_curve(y, p),
        temperature=None if chosen.validation is None else _temperature(chosen.validation, y, p),
    )


def _temperature(validation: Rows, y: np.ndarray, p: np.ndarray) -> Temperature:
    logits = _log_odds(validation.score)
    value = calibrating.fit_temperature(
        np.stack([np.zeros_like(logits), logits], 1), validation.label
    )
    after = 1 / (1 + np.exp(-_log_odds(p) / value))
    return Temperature(
        value,
        calibrating.brier(y, after),
        calibrating.ece(y, after),
        calibrating.log_loss(y, after),
    )


def _log_odds(p: np.ndarray) -> np.ndarray:
    inside = np.clip(p, calibrating.BOUND, 1 - calibrating.BOUND)  # 0 and 1 have none
    return np.log(inside / (1 - inside))


def _thresholds(chosen: Selection, given: float | None, probability: bool) -> tuple[Threshold, ...]:
    """Thresholds chosen on validation rows; else the given one; else one half."""
    test, validation = chosen.test, chosen.validation
    points = [] if given is None else [(given, "given")]
    if validation is not None:
        y, score = validation.label, validation.score
        points += [
            (youden(y, score), "largest sensitivity + specificity on validation rows"),
            (at_sensitivity(y, score, 0.9), "sensitivity of 0.90 on validation rows"),
        ]
    elif given is None and probability:
        points = [(0.5, "one half, not chosen on data")]
    return tuple(
        Threshold(float(value), how, at_threshold(test.label, test.score, value))
        for value, how in points
    )


def _hard_predictions(
    rows: Rows, columns: Columns, thresholds: tuple[Threshold, ...]
) -> HardPredictions | None:
    """The predicted classes of a column, or of the score at the first threshold."""
    if rows.predicted is not None:
        predicted, source = rows.predicted, f"column '{format_name(str(columns.predicted))}'"
    elif thresholds:
        first = thresholds[0]
        predicted = (rows.score >= first.value).astype(int)
        source = f"'{format_name(str(columns.score))}' at {first.value:.3g} or more ({first.how})"
    else:
        return None
    counts = confusion(rows.label, predicted, range(len(rows.classes)))
    return HardPredictions(
        source, counts, classification_report(counts, [format_name(name) for name in rows.classes])
    )


def _distribution(rows: Rows) -> Distribution:
    edges = np.histogram_bin_edges(rows.score, bins=_BINS)
    negative, positive = (np.histogram(rows.score[rows.label == k], edges)[0] for k in (0, 1))
    return Distribution(edges, negative, positive)


def survival(chosen: Selection, intervals: LabelledRows) -> Survival:
    """Analyse the survival of test patients above and below the median score.

    The median is that of the validation rows where there are some. A patient with several rows
    counts once, with the mean of the scores. The concordance is of pairs within a fold and repeat.

    Raises:
        InputError: times or events are missing for all, or no patient is on one side.
    """
    rows = chosen.test.where(~np.isnan(chosen.test.time) & ~np.isnan(chosen.test.event))
    score, time, event = _by_patient(rows)
    if not len(time) or not event.any():
        raise InputError("Survival cannot be analysed: no row with a time has an event.")
    if chosen.validation is None:
        cut, cut_source = float(np.median(score)), "median of the scores"
    else:
        cut, cut_source = (
            float(np.median(chosen.validation.score)),
            "median of the validation scores",
        )
    high = score > cut
    if high.all() or not high.any():
        raise InputError(
            f"Survival cannot be analysed: no score lies on one side of the {cut_source}."
        )
    return Survival(
        n=len(time),
        events=int(event.sum()),
        cut=cut,
        how=cut_source,
        low=kaplan_meier(time[~high], event[~high]),
        high=kaplan_meier(time[high], event[high]),
        log_rank=log_rank(time, event, high.astype(int)),
        concordance=_concordance(rows, intervals),
    )


def _concordance(rows: Rows, intervals: LabelledRows) -> Estimate:
    """The concordance of pairs of patients scored by one network, by a bootstrap of patients."""
    known_strata = rows.labelled().strata
    strata = np.zeros(len(rows), int) if known_strata is None else known_strata
    parts = [_by_patient(rows.where(strata == number)) for number in np.unique(strata)]
    score, time, event = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    stratum = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    per_stratum = (
        [rows.group[strata == number] for number in np.unique(strata)]
        if rows.group is not None
        else []
    )
    groups = (
        np.concatenate([np.unique(numbers) for numbers in per_stratum]) if per_stratum else None
    )
    try:
        estimate = bootstrap(
            concordance,
            time,
            event,
            score,
            stratum,
            groups=groups,
            n=intervals.samples,
            seed=intervals.seed,
            stratify=False,
        )
    except ValueError as error:  # all patients have the same follow-up, for example
        raise InputError(f"Survival cannot be analysed: {error}.") from error
    within = (
        ""
        if known_strata is None
        else ", within folds"
        if rows.fold is not None
        else ", of repeats"
    )
    return replace(estimate, method=f"bootstrap of patients{within}")


def _by_patient(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, times and events of each patient."""
    if rows.group is None:
        return rows.score, rows.time, rows.event.astype(int)
    _, first, patient = np.unique(rows.group, return_index=True, return_inverse=True)
    score = np.bincount(patient, rows.score) / np.bincount(patient)
    for values in (rows.time, rows.event):
        if np.any(values != values[first][patient]):
            raise InputError("One patient has two different times or events.")
    return score, rows.time[first], rows.event[first].astype(int)
