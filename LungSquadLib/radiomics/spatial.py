"""Sums over pairs of voxels by Fourier transform: autocorrelation and intensity peaks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .region import PEAK_RADIUS_MM, Region, box_of


def autocorrelation(region: Region) -> tuple[float, float]:
    """Return Moran's I index and Geary's C measure, with the inverse distance as weight.

    NaN where HU do not vary.
    """
    box = box_of(region.inside)
    inside = region.inside[box].astype(np.float64)
    deviation = np.where(region.inside[box], region.hu[box] - region.values.mean(), 0.0)
    squares, count = float((deviation**2).sum()), len(region.values)
    if squares == 0:
        return math.nan, math.nan
    shape = tuple(_fast_size(2 * size - 1) for size in inside.shape)
    distance = _distances(shape, region.spacing)
    distance[0, 0, 0] = np.inf
    kernel = 1 / distance
    of_deviation, of_inside = _convolved([deviation, inside], kernel)
    pairs = float((inside * of_inside).sum())
    products = float((deviation * of_deviation).sum())
    differences = 2 * float((deviation**2 * of_inside).sum()) - 2 * products
    moran = count / pairs * products / squares
    geary = (count - 1) / (2 * pairs) * differences / squares
    return moran, geary


def intensity_peaks(region: Region) -> tuple[float, float]:
    """Return the local and the global intensity peak: means within a ball of 1 cm³.

    The local one is round the voxel of highest HU (of several, the highest mean), the global one
    the highest of all. Voxels round the tumour count; those beyond the CT do not.
    """
    radius = [math.ceil(PEAK_RADIUS_MM / step) for step in region.spacing]
    shape = tuple(
        _fast_size(size + extent) for size, extent in zip(region.hu.shape, radius, strict=True)
    )
    ball = (_distances(shape, region.spacing) <= PEAK_RADIUS_MM).astype(np.float64)
    counts, sums = _convolved([np.ones_like(region.hu), region.hu], ball)
    means = (sums / np.rint(counts))[region.inside]
    highest = region.values == region.values.max()
    return float(means[highest].max()), float(means.max())


def _distances(shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """Return the distance in mm of each voxel from the first, on a grid that closes on itself."""
    squares = [
        (np.minimum(np.arange(size), size - np.arange(size)) * step) ** 2
        for size, step in zip(shape, spacing, strict=True)
    ]
    z, y, x = np.ix_(*squares)
    distances: np.ndarray = np.sqrt(z + y + x)
    return distances


def _convolved(images: Sequence[np.ndarray], kernel: np.ndarray) -> list[np.ndarray]:
    """Convolve images with a kernel as wide as the grid, which closes on itself."""
    axes, transform = (0, 1, 2), np.fft.rfftn(kernel)
    return [
        np.fft.irfftn(np.fft.rfftn(image, kernel.shape, axes) * transform, kernel.shape, axes)[
            tuple(map(slice, image.shape))
        ]
        for image in images
    ]


def _fast_size(size: int) -> int:
    """Return the next size without prime factors above 5, which transforms are quick for."""
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1
