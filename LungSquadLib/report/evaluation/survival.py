"""Survival of patients above and below a score."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...statistics.bootstrap import bootstrap
from ...statistics.survival import concordance, kaplan_meier, log_rank
from .intervals import Intervals
from .results import Measure, Survival
from .rows import Rows, Selection


def survival(chosen: Selection, intervals: Intervals) -> Survival:
    """Patients of the test rows in two groups, parted by the median score.

    The median is that of the validation rows where there are some. A patient with several rows
    counts once, with the mean of the scores.

    Raises:
        InputError: times or events are missing for all, or no patient is on one side.
    """
    score, time, event = _by_patient(chosen.test)
    if not len(time) or not event.any():
        raise InputError("Survival cannot be shown: no row with a time has an event.")
    if chosen.validation is None:
        cut, how = float(np.median(score)), "median of the scores"
    else:
        cut, how = float(np.median(chosen.validation.score)), "median of the validation scores"
    high = score > cut
    if high.all() or not high.any():
        raise InputError(f"Survival cannot be shown: no score lies on one side of the {how}.")
    try:
        found = bootstrap(
            concordance,
            time,
            event,
            score,
            n=intervals.samples,
            seed=intervals.seed,
            stratify=False,
        )
    except ValueError as error:  # of patients who were all watched equally long, say
        raise InputError(f"Survival cannot be shown: {error}.") from error
    return Survival(
        n=len(time),
        events=int(event.sum()),
        cut=cut,
        how=how,
        low=kaplan_meier(time[~high], event[~high]),
        high=kaplan_meier(time[high], event[high]),
        log_rank=log_rank(time, event, high.astype(int)),
        concordance=Measure(found.value, found.low, found.high, "bootstrap of patients"),
    )


def _by_patient(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, times and events, one of each patient."""
    rows = rows.where(~np.isnan(rows.time) & ~np.isnan(rows.event))
    if rows.group is None:
        return rows.score, rows.time, rows.event.astype(int)
    _, first, patient = np.unique(rows.group, return_index=True, return_inverse=True)
    score = np.bincount(patient, rows.score) / np.bincount(patient)
    for values in (rows.time, rows.event):
        if np.any(values != values[first][patient]):
            raise InputError("One patient has two different times or events.")
    return score, rows.time[first], rows.event[first].astype(int)
