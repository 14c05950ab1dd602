"""Guards against answers that come from where they must not: columns that tell, patients twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from ..cohort.tables.matrix import Matrix
from ..errors import InputError, one_line
from ..statistics.discrimination import auc

TELLING = 0.995  # AUC from which on one column is taken for the label itself
FEWEST = 20  # patients without which nothing is said of a column
PURE = 0.97  # share of equal values with equal labels that no honest column of many values has
WIDE = 50  # columns from which on equal rows are no accident
SAME = 0.9999  # correlation of two patients' rows that are taken for one
_EXACT = 1e-6  # of what varies between groups, left over by a function of their mean labels


def check_telling(sources: Sequence[Matrix], label: str, y: np.ndarray) -> None:
    """Refuse columns that are the label in disguise.

    That is the label's own column; one that alone separates the classes almost perfectly, by its
    values or by where they are missing; and one that was made from the labels of patients who
    share a value (target encoding, Micci-Barreca, SIGKDD Explorations 2001;3:27), with those
    patients' own labels or without.

    Args:
        sources: of the same patients.
        label: the name of what is to be told.
        y: (N,) class indices.

    Raises:
        InputError: names the first such column.
    """
    for source in sources:
        for column, values in zip(source.columns, source.values.T, strict=True):
            why = "is the label" if column.split("=")[0] == label else telling(values, y)
            if why:
                raise InputError(
                    f"The column '{one_line(column, most=100)}' of '{source.name}' {why}: a "
                    f"network that reads it learns nothing else. Leave it out (--leave-out "
                    f"'{one_line(column, most=100)}'), or pass --allow-telling if you know that "
                    "it was measured without knowing the label."
                )


def telling(values: np.ndarray, y: np.ndarray) -> str | None:
    """Why a column (N,), NaN where missing, is the label in disguise; None where it is not."""
    known = ~np.isnan(values)
    if known.any() and not known.all() and _separates(known.astype(np.float64), y):
        return "is missing where the label says so"
    values, y = values[known], y[known]
    if len(y) < FEWEST:
        return None
    if _separates(values, y):
        return "alone separates the classes almost perfectly"
    if _is_encoded(values, y):
        return "was made from the labels of patients who share a value"
    return None


def _separates(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether each two of the classes lie apart, whichever is higher."""
    classes = np.unique(y)
    if len(y) < FEWEST or len(classes) < 2:
        return False
    for one, other in combinations(classes, 2):
        pair = (y == one) | (y == other)
        area = auc((y[pair] == one).astype(int), values[pair])
        if max(area, 1 - area) < TELLING:
            return False
    return True


def _is_encoded(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether groups of equal values have values that follow from the group's labels."""
    distinct, group, count = np.unique(values, return_inverse=True, return_counts=True)
    repeated = count > 1
    if count[repeated].sum() < FEWEST or repeated.sum() < 3:
        return False
    if np.ptp(np.diff(distinct)) < 1e-4 * np.ptp(distinct):
        return False  # 1, 2, 3, ...: the code of an order
    targets = [(y == one).astype(np.float64) for one in np.unique(y)]
    pure = (
        sum(np.maximum.reduce([np.bincount(group, target) for target in targets])[repeated])
        / count[repeated].sum()
    )
    if pure >= PURE and repeated.sum() > len(targets):
        return True
    return any(
        _follows(distinct, count, np.bincount(group, target)) for target in [*targets, y * 1.0]
    )


def _follows(values: np.ndarray, count: np.ndarray, total: np.ndarray) -> bool:
    """Whether values are an affine function of groups' mean labels, smoothed or not.

    A smoothed mean, (total + a prior) / (count + a), moved and stretched, solves one equation that
    is linear in `a` and in how it was moved and stretched; that needs more groups than unknowns.
    """
    mean, ones = total / count, np.ones(len(values))
    if len(values) >= 4 and _explained(values, np.column_stack([ones, mean])):
        return True
    unknowns = np.column_stack([ones, count, total, values])
    return len(values) >= 7 and _explained(values * count, unknowns)


def _explained(target: np.ndarray, columns: np.ndarray) -> bool:
    columns = columns / np.maximum(np.abs(columns).max(axis=0), 1e-300)
    weights, _, rank, _ = np.linalg.lstsq(columns, target, rcond=1e-9)
    left = ((target - columns @ weights) ** 2).sum()
    return rank < len(target) - 1 and left <= _EXACT**2 * ((target - target.mean()) ** 2).sum()


def twins(sources: Sequence[Matrix]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Patients who have the same row in a wide source: its name, and two indices.

    Columns are standardised first, or the largest would make all rows alike.
    """
    for source in sources:
        rows = np.flatnonzero(~np.isnan(source.values).all(axis=1))
        if len(source.columns) < WIDE or len(rows) < 3:
            continue
        x = source.values[rows].astype(np.float64)
        known = ~np.isnan(x)
        count = np.maximum(known.sum(axis=0), 1)
        x = np.where(known, x - np.where(known, x, 0).sum(axis=0) / count, 0)
        spread = np.sqrt((x**2).sum(axis=0) / count)
        x = x[:, spread > 0] / spread[spread > 0]
        x -= x.mean(axis=1, keepdims=True)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
        for one, other in np.argwhere(np.triu(x @ x.T > SAME, 1)):
            yield source.name, (int(rows[one]), int(rows[other]))
