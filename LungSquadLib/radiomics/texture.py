"""Texture features from the entries of matrices, one value for each matrix.

All functions take the number (n,) of the matrix that each entry belongs to, from 0 on without gaps,
and return an array (features, matrices), in the standard's order.
"""

from __future__ import annotations

import numpy as np

from .matrices import Entries

_DENSE = 1 << 22  # keys that are counted in an array; more are sorted


class _Sums:
    """Sums over the entries of each matrix."""

    def __init__(self, matrices: np.ndarray) -> None:
        self.matrices = matrices
        self.count = int(matrices.max()) + 1

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return np.bincount(self.matrices, weights, self.count)


def counted(*keys: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Return the combinations of keys (n,) that occur, and how often, or with what weight.

    Returns:
        An array (m,) for each key, ascending by the first, and the sums (m,).
    """
    sizes = [int(key.max()) + 1 for key in keys]
    total = np.zeros(len(keys[0]), np.int64)
    for key, size in zip(keys, sizes, strict=True):
        total = total * size + key
    if np.prod(sizes, dtype=float) <= _DENSE:
        counts = np.bincount(total)
        present = np.flatnonzero(counts)
        sums = (counts if weights is None else np.bincount(total, weights))[present]
    else:
        present, where = np.unique(total, return_inverse=True)
        sums = np.bincount(where, weights)
    columns = []
    rest = present
    for size in reversed(sizes):
        rest, column = np.divmod(rest, size)
        columns.append(column)
    return (*reversed(columns), sums.astype(np.float64))


def _entropy(matrices: np.ndarray, probability: np.ndarray, count: int) -> np.ndarray:
    return -np.bincount(matrices, probability * np.log2(probability), count)


def cooccurrence(entries: Entries, matrices: np.ndarray, level_count: int) -> np.ndarray:
    """Return the 25 features of symmetric co-occurrence matrices.

    Where grey levels do not vary, the two features of correlation whose formulas divide by zero are
    1, as they approach it, and NaN: correlation, and the first measure of information correlation.
    """
    matrix, i, j, count = counted(matrices, entries.levels, entries.columns)
    symmetric = np.tile(matrix, 2), np.concatenate([i, j]), np.concatenate([j, i])
    matrix, i, j, count = counted(*symmetric, weights=np.tile(count, 2))
    sums = _Sums(matrix)
    p = count / sums(count)[matrix]
    difference = np.abs(i - j)
    mean = sums(i * p)
    centred = i + j - 2 * mean[matrix]
    variance = sums((i - mean[matrix]) ** 2 * p)
    entropy = _entropy(matrix, p, sums.count)
    of, _, marginal = counted(matrix, i, weights=p)
    marginal_entropy = _entropy(of, marginal, sums.count)
    apart = difference > 0
    starts = np.flatnonzero(np.diff(matrix, prepend=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (sums(i * j * p) - mean**2) / variance
        information = (entropy - 2 * marginal_entropy) / marginal_entropy
    independence = np.maximum(2 * marginal_entropy - entropy, 0)
    return np.array(
        [
            np.maximum.reduceat(p, starts),
            mean,
            variance,
            entropy,
            *_distribution(matrix, difference, p),
            *_distribution(matrix, i + j, p),
            sums(p**2),
            sums(difference**2 * p),
            sums(difference * p),
            sums(p / (1 + difference)),
            sums(p / (1 + difference / level_count)),
            sums(p / (1 + difference**2)),
            sums(p / (1 + (difference / level_count) ** 2)),
            np.bincount(matrix[apart], p[apart] / difference[apart] ** 2, sums.count),
            np.where(variance > 0, correlation, 1.0),
            sums(i * j * p),
            sums(centred**2 * p),
            sums(centred**3 * p),
            sums(centred**4 * p),
            information,
            np.sqrt(1 - np.exp(-2 * independence)),
        ]
    )


def _distribution(matrix: np.ndarray, value: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return mean, variance and entropy of a value of each matrix."""
    of, values, probability = counted(matrix, value, weights=p)
    sums = _Sums(of)
    mean = sums(values * probability)
    variance = sums((values - mean[of]) ** 2 * probability)
    return mean, variance, _entropy(of, probability, sums.count)


def emphases(entries: Entries, matrices: np.ndarray) -> np.ndarray:
    """Return the features of matrices of runs, zones, distances or dependences.

    The 16 that all have, and as the 17th the energy, which only dependences have.
    """
    of, level, column, count = counted(matrices, entries.levels, entries.columns)
    levels, columns = level.astype(float), column.astype(float)
    sums = _Sums(of)
    number = sums(count)

    def mean(values: np.ndarray) -> np.ndarray:
        return sums(values * count) / number

    def uneven(key: np.ndarray) -> np.ndarray:
        matrix, _, occurrences = counted(of, key, weights=count)
        return np.bincount(matrix, occurrences**2, sums.count)

    of_level = uneven(level) / number
    of_column = uneven(column) / number
    probability = count / number[of]
    return np.array(
        [
            mean(1 / columns**2),
            mean(columns**2),
            mean(1 / levels**2),
            mean(levels**2),
            mean(1 / (levels * columns) ** 2),
            mean((levels / columns) ** 2),
            mean((columns / levels) ** 2),
            mean((levels * columns) ** 2),
            of_level,
            of_level / number,
            of_column,
            of_column / number,
            number / np.bincount(matrices, entries.voxels),
            mean((levels - mean(levels)[of]) ** 2),
            mean((columns - mean(columns)[of]) ** 2),
            _entropy(of, probability, sums.count),
            np.bincount(of, probability**2, sums.count),
        ]
    )


def tones(entries: Entries, matrices: np.ndarray) -> np.ndarray:
    """Return the 5 features of matrices of neighbourhood grey tone differences."""
    of, level, count = counted(matrices, entries.levels)
    _, _, difference = counted(matrices, entries.levels, weights=entries.columns)
    values = [
        _tones(level[of == number], count[of == number], difference[of == number])
        for number in range(int(of.max()) + 1)
    ]
    return np.stack(values, 1)


def _tones(level: np.ndarray, count: np.ndarray, difference: np.ndarray) -> np.ndarray:
    total, present = count.sum(), len(level)
    p = count / total
    weighted, summed = float((p * difference).sum()), float(difference.sum())
    apart = np.abs(level[:, None] - level)
    both = p[:, None] + p
    contrast = busyness = 0.0
    if present > 1:
        contrast = (np.outer(p, p) * apart**2).sum() / (present * (present - 1)) * summed / total
        products = level * p
        busyness = weighted / np.abs(products[:, None] - products).sum()
    mixed = (p * difference)[:, None] + p * difference
    return np.array(
        [
            min(1 / weighted, 1e6) if weighted else 1e6,
            contrast,
            busyness,
            (apart * mixed / both).sum() / total,
            (both * apart**2).sum() / summed if summed else 0.0,
        ]
    )
