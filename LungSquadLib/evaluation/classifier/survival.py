"""Survival of patients above and below a score."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...statistics.bootstrap import bootstrap
from ...statistics.intervals import Measure, Predictions
from ...statistics.survival import concordance, kaplan_meier, log_rank
from .results import Survival
from .rows import Rows, Selection


def survival(chosen: Selection, intervals: Predictions) -> Survival:
    """Patients of the test rows in two groups, parted by the median score.

    The median is that of the validation rows where there are some. A patient with several rows
    counts once, with the mean of the scores. The concordance is of pairs within a fold and repeat.

    Raises:
        InputError: times or events are missing for all, or no patient is on one side.
    """
    rows = chosen.test.where(~np.isnan(chosen.test.time) & ~np.isnan(chosen.test.event))
    score, time, event = _by_patient(rows)
    if not len(time) or not event.any():
        raise InputError("Survival cannot be shown: no row with a time has an event.")
    if chosen.validation is None:
        cut, how = float(np.median(score)), "median of the scores"
    else:
        cut, how = float(np.median(chosen.validation.score)), "median of the validation scores"
    high = score > cut
    if high.all() or not high.any():
        raise InputError(f"Survival cannot be shown: no score lies on one side of the {how}.")
    return Survival(
        n=len(time),
        events=int(event.sum()),
        cut=cut,
        how=how,
        low=kaplan_meier(time[~high], event[~high]),
        high=kaplan_meier(time[high], event[high]),
        log_rank=log_rank(time, event, high.astype(int)),
        concordance=_concordance(rows, intervals),
    )


def _concordance(rows: Rows, intervals: Predictions) -> Measure:
    """Of pairs of patients whom one network scored; the bootstrap draws patients."""
    every = rows.predictions().strata
    strata = np.zeros(len(rows), int) if every is None else every
    parts = [_by_patient(rows.where(strata == one)) for one in np.unique(strata)]
    score, time, event = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    stratum = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    whose = (
        [rows.group[strata == one] for one in np.unique(strata)] if rows.group is not None else []
    )
    groups = np.concatenate([np.unique(its) for its in whose]) if whose else None
    try:
        found = bootstrap(
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
    except ValueError as error:  # of patients who were all watched equally long, say
        raise InputError(f"Survival cannot be shown: {error}.") from error
    within = "" if every is None else ", within folds" if rows.fold is not None else ", of repeats"
    return Measure(found.value, found.low, found.high, f"bootstrap of patients{within}")


def _by_patient(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, times and events, one of each patient."""
    if rows.group is None:
        return rows.score, rows.time, rows.event.astype(int)
    _, first, patient = np.unique(rows.group, return_index=True, return_inverse=True)
    score = np.bincount(patient, rows.score) / np.bincount(patient)
    for values in (rows.time, rows.event):
        if np.any(values != values[first][patient]):
            raise InputError("One patient has two different times or events.")
    return score, rows.time[first], rows.event[first].astype(int)
