"""The largest diameters of a tumour: in an axial plane, as radiologists measure it, and in 3D."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .geometry import Grid, Point, point_of
from .planes import across

_EMPTY = "The mask is empty: draw the tumour, or choose another."
_FINENESS = 5  # steps from the middle to the edge of a side of the cube that directions come from


@dataclass(frozen=True)
class Diameter:
    """A straight line from one border of the tumour to another, LPS mm."""

    mm: float
    start_lps: Point
    end_lps: Point


def axial_diameter(mask: sitk.Image) -> Diameter:
    """The longest line within one axial plane that joins two points of a mask's border.

    The border runs half-way between voxel centres, so that a single voxel has its own width. Of a
    mask that is not axial, planes across the axis nearest to the patient's are taken.

    Args:
        mask: what is not 0 is tumour, LPS mm.

    Raises:
        InputError: the mask is empty.
    """
    grid, axis = Grid.of(mask), across(Grid.of(mask), "axial")
    planes = np.moveaxis(sitk.GetArrayViewFromImage(mask) != 0, 2 - axis, 0)
    first, second = [one for one in (0, 1, 2) if one != axis]  # columns and rows of a plane
    steps = np.array([grid.spacing[first], grid.spacing[second]])
    # Where the longest possible lines are first: most planes need not be looked at.
    reach = np.array([_reach(plane, steps) for plane in planes])
    best, ends, where = 0.0, np.zeros((2, 2)), 0
    for number in np.argsort(-reach):
        if reach[number] <= best:
            break
        points = _border(planes[number].T) * steps
        length, pair = _farthest(points, points)
        if length > best:
            best, ends, where = length, pair / steps, int(number)
    if not best:
        raise InputError(_EMPTY)
    start, end = (_index(point, where, axis, first, second) for point in ends)
    return Diameter(best, point_of(grid.to_lps(start)), point_of(grid.to_lps(end)))


def largest_diameter(mask: sitk.Image) -> Diameter:
    """The longest line in any direction that joins two points of a mask's border.

    The border is that of `axial_diameter`, in 3D: the middles of the outermost voxels' faces. It is
    what Zwanenburg et al., Radiology 2020;295:328-338 (IBSI) call the maximum 3D diameter of a
    mesh.

    Args:
        mask: what is not 0 is tumour, LPS mm.

    Raises:
        InputError: the mask is empty.
    """
    grid = Grid.of(mask)
    points = _border(sitk.GetArrayViewFromImage(mask).transpose() != 0)
    if not len(points):
        raise InputError(_EMPTY)
    steps = np.array(grid.spacing)
    length, pair = _farthest_in_space(points * steps)
    start, end = pair / steps
    return Diameter(length, point_of(grid.to_lps(start)), point_of(grid.to_lps(end)))


def _reach(plane: np.ndarray, steps: np.ndarray) -> float:
    """The diagonal of the box round a plane's tumour, mm; no line in it is longer."""
    rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
    if not rows.size:
        return 0.0
    sides = np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]) * steps
    return float(np.hypot(*sides))


def _border(mask: np.ndarray) -> np.ndarray:
    """Border points (N, D) of a mask of D axes, all that may be an end of the longest line."""
    points = []
    for axis in range(mask.ndim):
        lines = np.moveaxis(mask, axis, -1)
        there = lines.any(-1)
        low = lines.argmax(-1) - 0.5
        high = lines.shape[-1] - lines[..., ::-1].argmax(-1) - 0.5
        for ends, outwards in ((low, -low), (high, high)):
            where = np.argwhere(_stands_out(np.where(there, outwards, -np.inf)))
            points.append(np.insert(where + 0.0, axis, ends[tuple(where.T)], axis=1))
    return np.concatenate(points)


def _farthest(ones: np.ndarray, others: np.ndarray) -> tuple[float, np.ndarray]:
    """The greatest distance between points (N, D) and others (M, D), and those two."""
    lengths = _lengths(ones[:, None] - others[None])
    first, second = np.unravel_index(int(lengths.argmax()), lengths.shape)
    return float(lengths[first, second]), np.stack([ones[first], others[second]])


def _stands_out(heights: np.ndarray) -> np.ndarray:
    """Where a profile (N,) or surface (N, M) is above the line between two opposite neighbours.

    A point on such a line is nearer than one of its ends to whatever is far away.
    """
    surface = np.atleast_2d(heights)
    rows, columns = surface.shape
    around = np.pad(surface, 1, constant_values=-np.inf)
    out = np.isfinite(surface)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = around[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        other = around[1 - down : 1 - down + rows, 1 - right : 1 - right + columns]
        out &= surface > (one + other) / 2
    return out.reshape(heights.shape)


def _farthest_in_space(points: np.ndarray) -> tuple[float, np.ndarray]:
    """The greatest distance between two of the points (N, 3), and those two (2, 3).

    A pair `best` apart lies along one of the directions but for an angle, so along that one it is
    `least = best * cos(angle)` apart or more: only points that near to the two sides are compared.
    """
    directions, cosine = _directions(_FINENESS)
    sides = [(along.argmin(), along.argmax()) for along in (points @ one for one in directions)]
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


def _index(point: np.ndarray, plane: int, axis: int, first: int, second: int) -> np.ndarray:
    index = np.empty(3)
    index[axis], index[first], index[second] = plane, point[0], point[1]
    return index
