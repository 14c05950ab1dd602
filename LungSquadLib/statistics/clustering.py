"""Agreement of two clusterings of the same patients: adjusted Rand index, mutual information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .intervals import permutation_test


@dataclass(frozen=True)
class ClusterAgreement:
    """Agreement of two clusterings of `n` patients, each measure with its permutation p."""

    n: int
    ari: float
    ari_p: float
    nmi: float
    nmi_p: float


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Return the adjusted Rand index: 1 for equal clusterings, around 0 by chance.

    Hubert and Arabie, J Classif 1985;2:193-218, equation 5.

    Args:
        first: (N,) the cluster of each patient, any values.
        second: likewise.

    Raises:
        ValueError: they are of different numbers of patients, or of none.
    """
    return _adjusted_rand(_contingency(_codes(first), _codes(second)))


def cluster_agreement(
    first: np.ndarray, second: np.ndarray, *, n: int = 2000, seed: int = 0
) -> ClusterAgreement:
    """Return ARI and NMI of two clusterings, each with the p of a permutation test.

    Args:
        first: (N,) the cluster of each patient, any values; these are permuted.
        second: (N,) likewise.
        n: number of permutations.
        seed: seed of the permutations.

    Raises:
        ValueError: they are of different numbers of patients, or of none.
    """
    first, second = _codes(first), _codes(second)
    rand, information = (
        permutation_test(lambda a, b, of=of: of(_contingency(a, b)), first, second, n=n, seed=seed)
        for of in (_adjusted_rand, _information)
    )
    return ClusterAgreement(len(first), rand.value, rand.p, information.value, information.p)


def _codes(clusters: np.ndarray) -> np.ndarray:
    """Clusters as numbers 0, 1, ..."""
    clusters = np.asarray(clusters)
    if clusters.ndim != 1 or not len(clusters):
        raise ValueError(f"clusters {clusters.shape} are none of patients")
    return np.unique(clusters, return_inverse=True)[1]


def _contingency(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The number of patients in each cluster of the first (row) and of the second (column)."""
    if first.shape != second.shape:
        raise ValueError(f"clusters of {len(first)} and of {len(second)} patients")
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    counts = np.bincount(first * columns + second, minlength=rows * columns)
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
    """Return the mutual information over the mean entropy; 1 for two of one cluster each.

    Strehl and Ghosh, J Mach Learn Res 2002;3:583, with the arithmetic mean.
    """
    rows, columns = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    mutual = rows + columns - _entropy(table.ravel())
    return max(mutual, 0.0) / ((rows + columns) / 2) if rows + columns else 1.0


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
