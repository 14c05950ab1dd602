"""How alike two sets are in a space of features; features are (N, D), a row for each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def standardised(reals: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Features in standard deviations of the reals from their mean."""
    mean, sd = reals.mean(0), reals.std(0)
    sd = np.where(sd > 1e-9 * np.maximum(1, np.abs(mean)), sd, 1)
    return tuple((one - mean) / sd for one in (reals, *others))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """KID: the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, unbiased.

    Binkowski et al., arXiv:1801.01401, section 4. It may be negative; of samples of one
    distribution it is 0 on average, however few they are.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    first, second = _both(first, second)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        of_pairs = kernel(a, a)
        return float((of_pairs.sum() - of_pairs.trace()) / (len(a) * (len(a) - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())


def frechet_distance(first: np.ndarray, second: np.ndarray, *, share: float = 0.1) -> float:
    """The Frechet distance of two normal distributions with the sets' means and covariances.

    Heusel et al., arXiv:1706.08500, section 2 (there on features of another network). It is larger
    the fewer images there are: compare values of equally many only.

    Args:
        first: (N, D).
        second: (M, D).
        share: by which covariances are shrunk towards their diagonals, so that few rows suffice.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    first, second = _both(first, second)
    covariances = []
    for one in (first, second):
        covariance = np.atleast_2d(np.cov(one.T))
        covariances.append((1 - share) * covariance + share * np.diag(np.diag(covariance)))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The square root of S1 S2 has the trace of that of root S2 root, which is symmetric.
    products = np.linalg.eigvalsh(root @ covariances[1] @ root)
    apart = ((first.mean(0) - second.mean(0)) ** 2).sum()
    traces = covariances[0].trace() + covariances[1].trace()
    return max(0.0, float(apart + traces - 2 * np.sqrt(np.maximum(products, 0)).sum()))


@dataclass(frozen=True)
class Overlap:
    """Share of fakes among the reals (precision), and of reals among the fakes (recall)."""

    precision: float
    recall: float


def precision_recall(reals: np.ndarray, fakes: np.ndarray, *, neighbours: int = 3) -> Overlap:
    """Improved precision and recall: Kynkaanniemi et al., arXiv:1904.06991, section 2.

    A row lies among a set where it is as near to one of its rows as that row's k-th neighbour.

    Raises:
        ValueError: a set has no more rows than `neighbours`.
    """
    reals, fakes = _both(reals, fakes, least=neighbours + 1)
    between = squared_distances(reals, fakes)
    real_reach, fake_reach = (_reach(one, neighbours) for one in (reals, fakes))
    return Overlap(
        float((between <= real_reach[:, None]).any(0).mean()),
        float((between <= fake_reach).any(1).mean()),
    )


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, M) of rows (N, D) and (M, D)."""
    products = first @ second.T
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * products
    return np.maximum(squared, 0)


def _reach(rows: np.ndarray, neighbours: int) -> np.ndarray:
    """The squared distance (N,) of each row to its k-th neighbour among the others."""
    distances = squared_distances(rows, rows)
    np.fill_diagonal(distances, -1)  # itself comes first
    return np.partition(distances, neighbours, axis=1)[:, neighbours]


def _both(
    first: np.ndarray, second: np.ndarray, *, least: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features {first.shape} and {second.shape} do not go together")
    if min(len(first), len(second)) < least:
        raise ValueError(f"{len(first)} and {len(second)} rows, where {least} are needed")
    return first, second
