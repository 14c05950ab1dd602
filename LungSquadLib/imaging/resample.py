"""Resampling of a box of the regular grid at a volume's origin, from the few voxels it needs.

The grid has its own spacing, the volume's origin and the volume's axes. Along each axis a grid
point's index in the volume is its number times a constant, so interpolation is one axis at a time,
and the result does not depend on the box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .geometry import Box, Grid, Index, span

AIR = -1024  # HU outside the CT
# Points this close to half-way between voxels, or to the border, count as there: spacings are
# decimals, and 2.0000000001 mm must give what 2 mm gives.
_TIE = 1e-6


@dataclass(frozen=True)
class Axis:
    """The positions of a box's points along one axis of the volume, in voxels."""

    index: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, start: int, count: int, step: float, size: int) -> Axis:
        """`count` points from number `start`, `step` voxels apart, in a volume of `size` voxels.

        The grid begins at the first voxel's centre and ends with the last voxel's far edge, as
        ITK's buffers do.
        """
        number = np.arange(start, start + count)
        index = number * step
        return cls(index, (number >= 0) & (index < size - 0.5 - _TIE))

    def span(self, size: int) -> tuple[int, int]:
        """Return start and stop of the voxels that interpolation needs; (0, 0) without any."""
        if not self.inside.any():
            return 0, 0
        index = self.index[self.inside]
        return int(index[0]), min(int(index[-1]) + 2, size)

    def nearest(self) -> np.ndarray:
        """Return the nearest voxel of each point; halves are rounded up."""
        return np.floor(self.index + 0.5 + _TIE).astype(int)


def axes_of(box: Box, grid: Grid, spacing: float) -> tuple[Axis, Axis, Axis]:
    """Return the axes x, y, z of a box of the `spacing` mm grid that starts at `grid`'s origin."""
    x, y, z = (
        Axis.of(start, count, spacing / voxel_mm, size)
        for start, count, voxel_mm, size in zip(
            box.start, box.size, grid.spacing, grid.size, strict=True
        )
    )
    return x, y, z


def needed_box(axes: tuple[Axis, Axis, Axis], size: Index) -> Box:
    """Return the voxels of the volume that linear interpolation at the axes' points needs."""
    (x0, x1), (y0, y1), (z0, z1) = (
        axis.span(extent) for axis, extent in zip(axes, size, strict=True)
    )
    box = Box((x0, y0, z0), (x1, y1, z1))
    return box if box.voxels else Box((0, 0, 0), (0, 0, 0))


def linear(
    axes: tuple[Axis, Axis, Axis], size: Index, read: Callable[[Box], np.ndarray]
) -> np.ndarray:
    """Interpolate HU linearly at the axes' points (z, y, x); `AIR` outside the volume.

    Args:
        axes: the points along x, y and z.
        size: voxels of the volume (x, y, z).
        read: returns the HU of a box (z, y, x); the result has their type.
    """
    box = needed_box(axes, size)
    shape = tuple(len(axis.index) for axis in reversed(axes))
    if box.voxels == 0:
        return np.full(shape, AIR, np.int16)
    block = read(box)
    values = block.astype(np.float32)
    # In-plane first: there a CT is finer than 1 mm and the block shrinks; along z it may grow.
    for dimension, axis in ((1, 1), (2, 0), (0, 2)):
        values = _interpolated(values, dimension, axes[axis], box.start[axis])
    out = np.full(shape, AIR, block.dtype)
    inside = tuple(span(axis.inside) for axis in reversed(axes))
    out[inside] = np.rint(values) if block.dtype.kind == "i" else values
    return out


def nearest(axes: tuple[Axis, Axis, Axis], mask: np.ndarray, at: Box) -> np.ndarray:
    """The mask (uint8, its voxels at the box `at` of the volume) at the axes' points (z, y, x)."""
    out = np.zeros(tuple(len(axis.index) for axis in reversed(axes)), np.uint8)
    chosen, sources = [], []
    for axis, start, stop in zip(axes, at.start, at.stop, strict=True):
        voxel = axis.nearest()
        hit = axis.inside & (voxel >= start) & (voxel < stop)
        chosen.append(span(hit))
        sources.append(voxel[hit] - start)
    out[tuple(reversed(chosen))] = mask[np.ix_(*reversed(sources))]
    return out


def _interpolated(values: np.ndarray, dimension: int, axis: Axis, start: int) -> np.ndarray:
    index = axis.index[axis.inside] - start
    lower = np.minimum(index.astype(int), values.shape[dimension] - 1)
    upper = np.minimum(lower + 1, values.shape[dimension] - 1)
    weight = (index - lower).astype(np.float32)
    shape = [1, 1, 1]
    shape[dimension] = -1
    below = values.take(lower, dimension)
    above = values.take(upper, dimension)
    above -= below
    above *= weight.reshape(shape)
    above += below
    return above
