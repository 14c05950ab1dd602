"""How much of what varies in a column lies between the classes."""

from __future__ import annotations

import numpy as np


def variance_ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fisher's F of a one-way analysis of variance of each column, on what is there of it.

    Fisher, Statistical Methods for Research Workers, 1925, chapter 7.

    Args:
        x: (N, D), NaN where a number is missing.
        y: (N,) class labels.

    Returns:
        (D,), 0 or more; 0 for a column that is constant, or of which too little is there.
    """
    x, known = np.asarray(x, np.float64), ~np.isnan(x)
    count = known.sum(axis=0)
    filled = np.where(known, x, 0)
    filled = np.where(known, filled - filled.sum(axis=0) / np.maximum(count, 1), 0)
    between, groups = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for label in np.unique(y):
        its = known[y == label].sum(axis=0)
        between += filled[y == label].sum(axis=0) ** 2 / np.maximum(its, 1)
        groups += its > 0
    whole = (filled**2).sum(axis=0)
    within = np.maximum(whole - between, 1e-12 * whole)
    free = np.maximum(count - groups, 0) / np.maximum(groups - 1, 1)
    told = (groups > 1) & (within > 0)
    return np.where(told, between * free / np.where(told, within, 1), 0)
