"""Do two groupings of the same patients agree, and better than by chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .intervals import permutation_test


@dataclass(frozen=True)
class Likeness:
    """How alike two groupings of `n` patients are, each measure with its permutation p."""

    n: int
    ari: float
    ari_p: float
    nmi: float
    nmi_p: float


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """Adjusted Rand index: 1 where two groupings are the same, round 0 by chance.

    Hubert and Arabie, J Classif 1985;2:193-218, equation 5.

    Args:
        one: (N,) groups, any values.
        other: likewise.

    Raises:
        ValueError: they are not of the same patients, or there are none.
    """
    return _adjusted_rand(_together(_codes(one), _codes(other)))


def normalised_information(one: np.ndarray, other: np.ndarray) -> float:
    """Mutual information over the mean of both entropies: 0 to 1; by chance it is above 0.

    Strehl and Ghosh, J Mach Learn Res 2002;3:583, with the arithmetic mean. Two groupings of one
    group each are the same: 1.

    Args:
        one: (N,) groups, any values.
        other: likewise.

    Raises:
        ValueError: they are not of the same patients, or there are none.
    """
    return _information(_together(_codes(one), _codes(other)))


def likeness(one: np.ndarray, other: np.ndarray, *, n: int = 2000, seed: int = 0) -> Likeness:
    """Both measures of two groupings, and how often chance gives as much.

    Args:
        one: (N,) groups, any values; they are dealt out anew.
        other: (N,) likewise.
        n: shuffles.
        seed: of the shuffles.

    Raises:
        ValueError: they are not of the same patients, or there are none.
    """
    first, second = _codes(one), _codes(other)
    rand, information = (
        permutation_test(lambda a, b, of=of: of(_together(a, b)), first, second, n=n, seed=seed)
        for of in (_adjusted_rand, _information)
    )
    return Likeness(len(first), rand.value, rand.p, information.value, information.p)


def _codes(groups: np.ndarray) -> np.ndarray:
    """Groups as numbers 0, 1, ..."""
    groups = np.asarray(groups)
    if groups.ndim != 1 or not len(groups):
        raise ValueError(f"groups {groups.shape} are none of patients")
    return np.unique(groups, return_inverse=True)[1]


def _together(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many patients are in a group of the one (row) and of the other (column)."""
    if one.shape != other.shape:
        raise ValueError(f"groups of {len(one)} and of {len(other)} patients")
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    counts = np.bincount(one * columns + other, minlength=rows * columns)
    return counts.reshape(rows, columns)


def _adjusted_rand(table: np.ndarray) -> float:
    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1)).sum()) / 2

    n = int(table.sum())
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / max(n * (n - 1) / 2, 1)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _information(table: np.ndarray) -> float:
    rows, columns = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    shared = rows + columns - _entropy(table.ravel())
    return max(shared, 0.0) / ((rows + columns) / 2) if rows + columns else 1.0


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
