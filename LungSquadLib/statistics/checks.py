"""Checks of the input of statistics: binary labels, no missing values, equal lengths."""

from __future__ import annotations

import numpy as np


def labelled(
    y: np.ndarray, values: np.ndarray, *, both: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return binary labels as bool (N,) and their values as float64 (N, ...).

    Args:
        y: (N,) 0 or 1.
        values: (N, ...) no NaN; infinite is a number too.
        both: both classes must occur.

    Raises:
        ValueError: lengths differ, there are no rows, or a condition of the arguments fails.
    """
    y, values = np.asarray(y), np.asarray(values, np.float64)
    if y.ndim != 1 or not len(y) or len(values) != len(y):
        raise ValueError(f"labels {y.shape} and values {values.shape} do not go together")
    positive = y == 1
    if not (positive | (y == 0)).all():
        raise ValueError("a label is neither 0 nor 1")
    if np.isnan(values).any():
        raise ValueError("a value is missing (NaN)")
    if both and (positive.all() or not positive.any()):
        raise ValueError("both classes are needed")
    return positive, values


def with_probabilities(
    y: np.ndarray, p: np.ndarray, *, both: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities as `labelled`; every value must lie in 0..1."""
    positive, p = labelled(y, p, both=both)
    if p.min() < 0 or p.max() > 1:
        raise ValueError("a probability is below 0 or above 1")
    return positive, p


def patients(groups: np.ndarray | None, rows: int) -> np.ndarray:
    """Number the patients 0, 1, ...: (rows,); without groups each row is a patient."""
    if groups is None:
        return np.arange(rows)
    groups = np.asarray(groups)
    if groups.shape != (rows,):
        raise ValueError(f"{len(groups)} groups for {rows} rows")
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ValueError("a group is missing (NaN)")
    return np.unique(groups, return_inverse=True)[1]
