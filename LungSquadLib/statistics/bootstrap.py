"""Intervals of any statistic, by drawing the patients again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .checks import patients

Statistic = Callable[..., float]
SAMPLES = 1000  # drawn, wherever nobody asks for another number


@dataclass(frozen=True)
class Estimate:
    """A statistic, its percentile interval, and how many of the samples gave a value."""

    value: float
    low: float
    high: float
    n_ok: int


def bootstrap(
    statistic: Statistic,
    y: np.ndarray,
    *columns: np.ndarray,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    level: float = 0.95,
    stratify: bool = True,
) -> Estimate:
    """A statistic with the percentile interval of a bootstrap over patients.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; whole patients are
    drawn, with all their rows: Davison and Hinkley, Bootstrap Methods, 1997, section 3.8.

    Args:
        statistic: called with `y` and `columns` resampled together; a sample of which it says
            ValueError or NaN (one class only, say) is left out, and not counted in `n_ok`.
        y: (N,) class labels.
        columns: each (N, ...).
        groups: (N,) the patient of each row; without it each row is one.
        n: samples drawn.
        seed: of the draws.
        level: of the interval.
        stratify: draw as many patients of each label as there are. Right for what does not depend
            on how common the labels are; pass False where `y` holds no classes (times).

    Raises:
        ValueError: the statistic cannot be had of the data themselves, lengths differ, labels are
            as many as patients, or no sample gave a value.
    """
    y, columns = np.asarray(y), tuple(np.asarray(column) for column in columns)
    if any(len(column) != len(y) for column in columns):
        raise ValueError("columns of different lengths")
    value = float(statistic(y, *columns))
    rows = _rows_of_patients(patients(groups, len(y)))
    strata = _strata(y, rows) if stratify else [np.arange(len(rows))]
    random = np.random.default_rng(seed)
    values = []
    for _ in range(n):
        drawn = np.concatenate(
            [stratum[random.integers(0, len(stratum), len(stratum))] for stratum in strata]
        )
        sample = np.concatenate([rows[patient] for patient in drawn])
        try:
            values.append(float(statistic(y[sample], *(column[sample] for column in columns))))
        except ValueError:
            continue
    values = [value for value in values if not np.isnan(value)]
    if not values:
        raise ValueError("no sample gave a value")
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Estimate(value, float(low), float(high), len(values))


def repeated(
    statistic: Statistic,
    y: np.ndarray,
    score: np.ndarray,
    repeat: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    level: float = 0.95,
    stratify: bool = True,
) -> Estimate:
    """A statistic averaged over repeats of a cross-validation, each computed within its repeat.

    Repeats share their patients: a sample draws the same patients in all of them, so that ten
    repeats do not count for ten times the patients.

    Args:
        statistic: called with `y` and `score` of one repeat.
        y: (N,) class labels.
        score: (N, ...) such as one of several models' scores a column.
        repeat: (N,) which repeat a row belongs to.
        groups: (N,) the patient of each row.
        n: samples drawn.
        seed: of the draws.
        level: of the interval.
        stratify: as in `bootstrap`.

    Raises:
        ValueError: as `bootstrap`, or several repeats and no groups.
    """
    if groups is None and len(np.unique(repeat)) > 1:
        raise ValueError("repeats share patients, so groups must say which row is whose")

    def averaged(y: np.ndarray, score: np.ndarray, repeat: np.ndarray) -> float:
        each = [statistic(y[repeat == one], score[repeat == one]) for one in np.unique(repeat)]
        return float(np.mean(each))

    return bootstrap(
        averaged, y, score, repeat, groups=groups, n=n, seed=seed, level=level, stratify=stratify
    )


def _rows_of_patients(patient: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(patient, kind="stable")
    return np.split(order, np.cumsum(np.bincount(patient))[:-1])


def _strata(y: np.ndarray, rows: list[np.ndarray]) -> list[np.ndarray]:
    """Patients by their label; those with rows of several labels by the lowest and highest."""
    labels = np.array([(y[of].min(), y[of].max()) for of in rows])
    stratum = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    strata = _rows_of_patients(stratum)
    if len(strata) > len(rows) / 2:  # each drawn from itself: an interval of no width
        raise ValueError(f"{len(strata)} labels among {len(rows)} patients cannot be stratified")
    return strata
