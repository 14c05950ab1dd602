"""The largest diameters of a tumour: in an axial plane, as radiologists measure it, and in 3D."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .geometry import Grid, Point, in_lps, point_of

_Steps: TypeAlias = tuple[tuple[int, int], ...]
_WITHIN_PLANES: _Steps = ((1, 0),)  # of surfaces whose columns are planes
_IN_SPACE: _Steps = ((0, 1), (1, 0), (1, 1), (1, -1))
_FINENESS = 5  # steps from the middle to the edge of a side of the cube that directions come from


@dataclass(frozen=True)
class Diameter:
    """A straight line from one border of the tumour to another, LPS mm."""

    mm: float
    start_lps: Point
    end_lps: Point


def axial_diameter(mask: sitk.Image) -> Diameter:
    """Measure the longest line within an axial plane that joins two points of a mask's border.

    The border runs half-way between voxel centres, so that a single voxel has its own width. Of a
    mask that is not axial, planes across the axis nearest to head-foot are taken.

    Args:
        mask: what is not 0 is tumour, LPS mm.

    Raises:
        InputError: the mask is empty.
    """
    mask = in_lps(mask)
    grid = Grid.of(mask)
    steps = np.array(grid.spacing)
    points = _border(_tumour(mask), _WITHIN_PLANES) * steps
    points = points[np.argsort(points[:, 2], kind="stable")]
    planes = np.split(points, np.flatnonzero(np.diff(points[:, 2])) + 1)
    best, ends = 0.0, np.zeros((2, 3))
    # Where the longest possible lines are first: most planes need not be looked at.
    for plane in sorted(planes, key=lambda plane: -_diagonal(plane)):
        if _diagonal(plane) <= best:
            break
        length, pair = _farthest(plane, plane)
        if length > best:
            best, ends = length, pair
    return _diameter(best, ends / steps, grid)


def largest_diameter(mask: sitk.Image) -> Diameter:
    """Measure the longest line in any direction that joins two points of a mask's border.

    The border is that of `axial_diameter`, in 3D: the middles of the outermost voxels' faces. It is
    what Zwanenburg et al., Radiology 2020;295:328-338 (IBSI) call the maximum 3D diameter of a
    mesh.

    Args:
        mask: what is not 0 is tumour, LPS mm.

    Raises:
        InputError: the mask is empty.
    """
    mask = in_lps(mask)
    grid = Grid.of(mask)
    steps = np.array(grid.spacing)
    length, ends = _farthest_in_space(_border(_tumour(mask), _IN_SPACE) * steps)
    return _diameter(length, ends / steps, grid)


def hull_candidates(mask: sitk.Image) -> np.ndarray:
    """Return border points (n, 3) of a mask among which are all corners of its convex hull.

    Indices along x, y and z, with halves: the border runs half-way between voxel centres.
    """
    return _border(_tumour(mask), _IN_SPACE)


def _tumour(mask: sitk.Image) -> np.ndarray:
    """Return the tumour voxels of a mask (x, y, z), which must not be empty."""
    tumour: np.ndarray = sitk.GetArrayViewFromImage(mask).transpose() != 0
    if not tumour.any():
        raise InputError("The mask is empty: draw the tumour, or choose another mask.")
    return tumour


def _diameter(mm: float, ends: np.ndarray, grid: Grid) -> Diameter:
    """The line between two indices (2, 3) of the grid."""
    start, end = grid.to_lps(ends)
    return Diameter(mm, point_of(start), point_of(end))


def _diagonal(points: np.ndarray) -> float:
    """Return the diagonal of the box round points; no line between them is longer."""
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _border(mask: np.ndarray, opposite: _Steps) -> np.ndarray:
    """Border points (N, 3) of a mask (three axes), all that may be an end of the longest line.

    `opposite` says which neighbours they are compared with; see `_stands_out`. Where those are of
    the same plane only, faces between planes are no border.
    """
    points = []
    for axis in range(3 if opposite is _IN_SPACE else 2):
        lines = np.moveaxis(mask, axis, -1)
        occupied = lines.any(-1)
        low = lines.argmax(-1) - 0.5
        high = lines.shape[-1] - lines[..., ::-1].argmax(-1) - 0.5
        for ends, outwards in ((low, -low), (high, high)):
            where = np.argwhere(_stands_out(np.where(occupied, outwards, -np.inf), opposite))
            points.append(np.insert(where + 0.0, axis, ends[tuple(where.T)], axis=1))
    return np.concatenate(points)


def _farthest(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the greatest distance between points (N, D) and points (M, D), and those two."""
    lengths = _lengths(first[:, None] - second[None])
    i, j = np.unravel_index(int(lengths.argmax()), lengths.shape)
    return float(lengths[i, j]), np.stack([first[i], second[j]])


def _stands_out(surface: np.ndarray, opposite: _Steps) -> np.ndarray:
    """Where a surface (rows, columns) is above each line between two opposite neighbours.

    A point on such a line is nearer than one of its ends to whatever is far away.
    """
    rows, columns = surface.shape
    around = np.pad(surface, 1, constant_values=-np.inf)
    out = np.isfinite(surface)
    for down, right in opposite:
        before = around[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        after = around[1 - down : 1 - down + rows, 1 - right : 1 - right + columns]
        out &= surface > (before + after) / 2
    return out


def _farthest_in_space(points: np.ndarray) -> tuple[float, np.ndarray]:
    """The greatest distance between two of the points (N, 3), and those two (2, 3).

    A pair `best` apart lies along one of the directions but for an angle, so along that one it is
    `least = best * cos(angle)` apart or more: only points that near to the two sides are compared.
    """
    directions, cosine = _directions(_FINENESS)
    sides = [(along.argmin(), along.argmax()) for along in (points @ d for d in directions)]
    extremes = points[np.array(sides)]
    widths = np.einsum("nd,nd->n", directions, extremes[:, 1] - extremes[:, 0])
    apart = _lengths(extremes[:, 1] - extremes[:, 0])
    best, pair = float(apart.max()), extremes[apart.argmax()]
    for number in np.argsort(-widths):
        least = best * cosine
        if widths[number] < least:
            break
        along = points @ directions[number]
        low, high = points[along <= along.max() - least], points[along >= along.min() + least]
        length, ends = _farthest(low, high)
        if length > best:
            best, pair = length, ends
    return best, pair


def _directions(fineness: int) -> tuple[np.ndarray, float]:
    """Unit vectors (K, 3), and a cosine: no line is farther than that angle from one of them.

    They point to a square lattice on a cube's surface, `2 * fineness` steps a side; the farthest
    from all is the middle of a square in the middle of a side. Of two opposite ones there is one.
    """
    steps = range(-fineness, fineness + 1)
    vectors = np.array(
        [v for v in product(steps, repeat=3) if v > (0, 0, 0) and max(map(abs, v)) == fineness],
        float,
    )
    cosine = 1 / np.sqrt(1 + 0.5 / fineness**2)
    return vectors / _lengths(vectors)[:, None], float(cosine) * (1 - 1e-9)  # and rounding


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))
