"""Similarity of sets of images: sliced Wasserstein distance, MS-SSIM, KID, precision and recall.

Images are (N, C, S, S), S a power of two, every channel in -1..1; features are (N, D).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALLEST = 16  # pixels a side of the coarsest level
_PATCH, _PATCHES = 7, 128  # side of a neighbourhood, and their number per image
_AT_ONCE = 32  # directions that are projected on together
_BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16

_WINDOW, _SIGMA = 11, 1.5
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, the finest first
_RANGE = 2.0  # of values in -1..1


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Return the Laplacian pyramid: differences of levels, the last being the coarsest level.

    Burt and Adelson, IEEE Trans Commun 1983;31:532.
    """
    levels, fine = [], _checked(images)
    while fine.shape[-1] > SMALLEST:
        coarse = _blurred(fine)[..., ::2, ::2]
        levels.append(fine - _larger(coarse))
        fine = coarse
    return [*levels, fine]


class SlicedWasserstein:
    """Sliced Wasserstein distances of sets of images to one set of real ones.

    Karras et al., arXiv:1710.10196, section 5: 128 neighbourhoods of 7x7 pixels, all channels
    together, of each image on each level of a Laplacian pyramid; the mean distance of their sorted
    projections on random directions (Rabin et al. 2011), times 1000. Here both sets are normalised
    by the mean and the standard deviation of the real ones' channels, so that a set which is too
    bright or too smooth has a large distance.

    Args:
        reals: (N, C, S, S).
        directions: number of random projections.
        seed: of positions and directions, which are the same for every set.
    """

    def __init__(self, reals: np.ndarray, *, directions: int = 128, seed: int = 0) -> None:
        self._shape, self._seed = reals.shape, seed
        self._scales: list[tuple[np.ndarray, np.ndarray]] = []
        self._directions: list[np.ndarray] = []
        self._sorted: list[np.ndarray] = []
        random = np.random.default_rng((seed, 0))
        for patches in self._patches(reals):
            mean, sd = patches.mean((0, 2, 3)), patches.std((0, 2, 3))
            self._scales.append((mean, np.where(sd > 0, sd, 1)))
            drawn = random.standard_normal((directions, patches[0].size), np.float32)
            self._directions.append(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
            self._sorted.append(self._projected(len(self._sorted), patches))

    def to(self, images: np.ndarray) -> dict[int, float]:
        """Return the distances of images (N, C, S, S) on each level, by its pixels a side.

        Raises:
            ValueError: there are more or fewer images than reals, or of another shape.
        """
        if images.shape != self._shape:
            raise ValueError(f"images {images.shape} are compared with reals {self._shape}")
        return {
            self._shape[-1] >> level: 1000
            * float(np.abs(self._projected(level, patches) - self._sorted[level]).mean())
            for level, patches in enumerate(self._patches(images))
        }

    def _patches(self, images: np.ndarray) -> list[np.ndarray]:
        """Neighbourhoods (N x 128, C, 7, 7) of each level."""
        random, neighbourhoods = np.random.default_rng((self._seed, 1)), []
        for level in laplacian_pyramid(images):
            windows = np.lib.stride_tricks.sliding_window_view(level, (_PATCH, _PATCH), (2, 3))
            positions = windows.shape[2]
            y, x = random.integers(positions, size=(2, len(level), _PATCHES))
            patches = windows[np.arange(len(level))[:, None], :, y, x]
            neighbourhoods.append(patches.reshape(-1, *patches.shape[2:]))
        return neighbourhoods

    def _projected(self, level: int, patches: np.ndarray) -> np.ndarray:
        """Sorted projections (directions, N x 128)."""
        mean, sd = self._scales[level]
        scaled = ((patches - mean[:, None, None]) / sd[:, None, None]).reshape(len(patches), -1)
        directions = self._directions[level]
        projected = np.empty((len(directions), len(patches)), np.float32)
        for start in range(0, len(directions), _AT_ONCE):
            part = projected[start : start + _AT_ONCE]
            np.matmul(directions[start : start + _AT_ONCE], scaled.T, out=part)
            part.sort(axis=1)
        return projected


def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the multi-scale structural similarity (N,) of pairs of images; 1 for equal images.

    Wang, Simoncelli and Bovik, Asilomar 2003, equation 7; channels averaged, negative terms set
    to 0. As many of the five scales as leave room for a window of 11 pixels (three at 64x64),
    their weights scaled to a sum of 1.

    Args:
        first: (N, C, S, S).
        second: likewise, the partners.
    """
    first, second = _checked(first), _checked(second)
    count = min(len(_SCALES), int(np.log2(first.shape[-1] / _WINDOW)) + 1)
    weights = np.array(_SCALES[:count]) / sum(_SCALES[:count])
    result = np.ones(first.shape[:2])
    for scale, weight in enumerate(weights):
        luminance, structure = _ssim_terms(first, second)
        last = scale == count - 1
        term = (luminance * structure if last else structure).mean((2, 3))
        result *= np.maximum(term, 0) ** weight
        first, second = _halved(first), _halved(second)
    return result.mean(1)


def random_pairs(n: int, pairs: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw random pairs of different images: two arrays (pairs,) of indices below n.

    Raises:
        ValueError: there are fewer than two images.
    """
    if n < 2:
        raise ValueError(f"pairs of different images cannot be drawn from {n}")
    random = np.random.default_rng(seed)
    first = random.integers(n, size=pairs)
    return first, (first + random.integers(1, n, size=pairs)) % n


def _ssim_terms(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance, and contrast with structure, at every position of the window."""
    c1, c2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2
    a, b = _windowed(first), _windowed(second)
    variance_a = _windowed(first * first) - a * a
    variance_b = _windowed(second * second) - b * b
    covariance = _windowed(first * second) - a * b
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    return luminance, (2 * covariance + c2) / (variance_a + variance_b + c2)


def _windowed(images: np.ndarray) -> np.ndarray:
    """Means under the Gaussian window, where it fits."""
    weights = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    return _filtered(images, weights)


def _filtered(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Images weighed along rows and columns, where all weights fall inside."""
    size, side = len(weights), images.shape[-1] - len(weights) + 1
    rows = sum(weights[n] * images[..., n : n + side, :] for n in range(size))
    return sum(weights[n] * rows[..., n : n + side] for n in range(size))


def _blurred(images: np.ndarray) -> np.ndarray:
    return _filtered(np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect"), _BLUR)


def _larger(images: np.ndarray) -> np.ndarray:
    """Twice the pixels a side: zeros between, blurred, four times as bright."""
    n, channels, side, _ = images.shape
    upsampled = np.zeros((n, channels, 2 * side, 2 * side), np.float32)
    upsampled[..., ::2, ::2] = images
    return 4 * _blurred(upsampled)


def _halved(images: np.ndarray) -> np.ndarray:
    side = images.shape[-1] // 2
    return images.reshape(*images.shape[:2], side, 2, side, 2).mean((3, 5))


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images, np.float32)
    side = images.shape[-1] if images.ndim == 4 else 0
    if not len(images) or side < SMALLEST or side & (side - 1) or images.shape[2] != side:
        raise ValueError(f"images (N, C, S, S), S a power of two from {SMALLEST}: {images.shape}")
    return images


def standardised(reals: np.ndarray, *generated: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return features standardised by the mean and standard deviation of the reals."""
    mean, sd = reals.mean(0), reals.std(0)
    sd = np.where(sd > 1e-9 * np.maximum(1, np.abs(mean)), sd, 1)
    return tuple((features - mean) / sd for features in (reals, *generated))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the kernel inception distance (KID): unbiased squared MMD, kernel (x.y / D + 1)^3.

    Binkowski et al., arXiv:1801.01401, section 4. It may be negative; for samples of one
    distribution it is 0 on average, at any sample size.

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
    """Return the Frechet distance of two normal distributions with the means and covariances.

    Heusel et al., arXiv:1706.08500, section 2 (there on features of another network). It grows
    as images get fewer: compare values of equally many only.

    Args:
        first: (N, D).
        second: (M, D).
        share: by which covariances are shrunk towards their diagonals, for few rows.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    first, second = _both(first, second)
    covariances = []
    for features in (first, second):
        covariance = np.atleast_2d(np.cov(features.T))
        covariances.append((1 - share) * covariance + share * np.diag(np.diag(covariance)))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The square root of S1 S2 has the trace of that of root S2 root, which is symmetric.
    products = np.linalg.eigvalsh(root @ covariances[1] @ root)
    apart = ((first.mean(0) - second.mean(0)) ** 2).sum()
    traces = covariances[0].trace() + covariances[1].trace()
    return max(0.0, float(apart + traces - 2 * np.sqrt(np.maximum(products, 0)).sum()))


@dataclass(frozen=True)
class PrecisionRecall:
    """Fraction of fakes within the reals (precision), and of reals within the fakes (recall)."""

    precision: float
    recall: float


def precision_recall(
    reals: np.ndarray, fakes: np.ndarray, *, neighbours: int = 3
) -> PrecisionRecall:
    """Return the improved precision and recall: Kynkaanniemi et al., arXiv:1904.06991, section 2.

    A row lies within a set if it is as near to one of its rows as that row's k-th neighbour.

    Raises:
        ValueError: a set has no more rows than `neighbours`.
    """
    reals, fakes = _both(reals, fakes, least=neighbours + 1)
    between = squared_distances(reals, fakes)
    real_radius, fake_radius = (_squared_radius(rows, neighbours) for rows in (reals, fakes))
    return PrecisionRecall(
        float((between <= real_radius[:, None]).any(0).mean()),
        float((between <= fake_radius).any(1).mean()),
    )


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return squared Euclidean distances (N, M) of rows (N, D) and (M, D)."""
    products = first @ second.T
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * products
    return np.maximum(squared, 0)


def _squared_radius(rows: np.ndarray, neighbours: int) -> np.ndarray:
    """The squared distance (N,) of each row to its k-th neighbour."""
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
