"""Interpolation on a grid that shares its centre with the CT's: IBSI's "align grid centers"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import InputError

TOO_SMALL = (
    "The tumour is smaller than the voxels of radiomics: none of them lies in its mask. Choose "
    "another mask, or a smaller spacing."
)
# A cubic spline depends on all voxels of a line, on those further than this by less than 1e-13.
_MARGIN = {"linear": 1, "cubic": 24}


@dataclass(frozen=True)
class Axis:
    """Consecutive points of the new grid along one axis of the CT.

    Attributes:
        first: number of the first point in the new grid.
        index: (n,) their positions in voxels of the CT.
        size: voxels of the CT.
        spacing: between points, mm.
    """

    first: int
    index: np.ndarray
    size: int
    spacing: float

    def voxels(self, method: Literal["linear", "cubic"]) -> tuple[int, int]:
        """Return start and stop of the CT's voxels that interpolation needs."""
        margin = _MARGIN[method]
        start = math.floor(self.index[0]) - margin
        stop = math.ceil(self.index[-1]) + margin + 1
        return max(start, 0), min(stop, self.size)


def whole_axis(size: int, voxel_mm: float, spacing_mm: float | None) -> Axis:
    """Return the new grid along an axis of `size` voxels; without a spacing, the voxels."""
    if spacing_mm is None:
        return Axis(0, np.arange(size, dtype=float), size, voxel_mm)
    step = spacing_mm / voxel_mm
    count = max(math.ceil(size / step - 1e-6), 1)
    first = 0.5 * (size - 1 - step * (count - 1))
    return Axis(0, first + step * np.arange(count), size, spacing_mm)


def axis_round(whole: Axis, start: int, stop: int, margin_mm: float) -> Axis:
    """Return the points of an axis on or beside voxels `start` to `stop` of the CT, and a margin.

    Args:
        whole: all points.
        start: of the mask's box.
        stop: of the mask's box.
        margin_mm: on either side, as far as the grid goes.

    Raises:
        InputError: there are none.
    """
    margin = math.ceil(margin_mm / whole.spacing)
    near = np.flatnonzero((whole.index > start - 1) & (whole.index < stop))
    if not len(near):
        raise InputError(TOO_SMALL)
    low, high = max(near[0] - margin, 0), min(near[-1] + margin, len(whole.index) - 1)
    return Axis(int(low), whole.index[low : high + 1], whole.size, whole.spacing)


def interpolated(
    values: np.ndarray, starts: tuple[int, ...], axes: tuple[Axis, ...], method: str
) -> np.ndarray:
    """Interpolate a block of voxels at the points of three axes.

    Args:
        values: (z, y, x).
        starts: number of the block's first voxel along z, y and x.
        axes: along z, y and x.
        method: "linear", or "cubic" for a cubic spline.

    Returns:
        float64, one value for each point.
    """
    weights = linear_weights if method == "linear" else cubic_weights
    result = values.astype(np.float64)
    for dimension, (start, axis) in enumerate(zip(starts, axes, strict=True)):
        matrix = weights(axis.index - start, values.shape[dimension])
        result = np.moveaxis(np.tensordot(matrix, result, (1, dimension)), 0, dimension)
    return result


def linear_weights(index: np.ndarray, size: int) -> np.ndarray:
    """Return the matrix (points, size) of linear interpolation; at the ends it is constant."""
    index = np.clip(index, 0, size - 1)
    lower = np.minimum(index.astype(int), max(size - 2, 0))
    matrix = np.zeros((len(index), size))
    points = np.arange(len(index))
    matrix[points, lower] = 1 - (index - lower)
    matrix[points, np.minimum(lower + 1, size - 1)] += index - lower
    return matrix


def cubic_weights(index: np.ndarray, size: int) -> np.ndarray:
    """Return the matrix (points, size) of the cubic B-spline through all voxels of a line.

    The line is mirrored at its ends (Unser, IEEE Signal Processing Magazine 1999).
    """
    if size == 1:
        return np.ones((len(index), 1))
    voxels = _spline(np.arange(size, dtype=float), size)
    matrix: np.ndarray = np.linalg.solve(voxels.T, _spline(index, size).T).T
    return matrix


def _spline(index: np.ndarray, size: int) -> np.ndarray:
    """Return the values of `size` basis splines at the points of a mirrored line."""
    matrix = np.zeros((len(index), size))
    base = np.floor(index).astype(int)
    for offset in (-1, 0, 1, 2):
        distance = np.abs(index - (base + offset))
        value = np.where(
            distance < 1,
            2 / 3 - distance**2 * (1 - distance / 2),
            np.maximum(2 - distance, 0) ** 3 / 6,
        )
        folded = np.abs((base + offset) % (2 * size - 2))
        folded = np.minimum(folded, 2 * size - 2 - folded)
        np.add.at(matrix, (np.arange(len(index)), folded), value)
    return matrix
