"""Single planes through the tumour, turned as a reader expects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import SimpleITK as sitk

from .crop import mask_box
from .ct import CT
from .geometry import Box, Grid, Point
from .masks import Mask

View: TypeAlias = Literal["axial", "coronal", "sagittal"]
VIEWS: tuple[View, ...] = ("axial", "coronal", "sagittal")
# The patient axis (x left, y back, z head) that each view is cut across.
_ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class PlaneView:
    """One plane: HU and mask (rows, columns), and pixel size in mm (across, down).

    Axial: patient's left on the right, front up. Coronal: left on the right, head up. Sagittal:
    front on the left, head up.

    `line` is what is to be drawn on it, as it is seen from where the reader stands: points (N, 2)
    in mm across and down from the plane's corner.
    """

    view: View
    hu: np.ndarray
    mask: np.ndarray
    pixel_mm: tuple[float, float]
    line: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))


def plane_through_tumour(
    ct: CT, mask: Mask, view: View, *, line_lps: Sequence[Point] = ()
) -> PlaneView:
    """The CT's whole plane with most tumour in it; of a mask without tumour, the middle one.

    A CT that is not axial is cut along its own axes, across the one nearest to the view's.
    `line_lps` is a line to be drawn on it.
    """
    at, array = mask_box(mask, ct.grid), sitk.GetArrayFromImage(mask.image)
    axis = across(ct.grid, view)
    counts = array.sum(axis=tuple({0, 1, 2} - {2 - axis}))
    index = at.start[axis] + (int(counts.argmax()) if counts.any() else len(counts) // 2)
    start, stop = [0, 0, 0], list(ct.grid.size)
    start[axis], stop[axis] = index, index + 1
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    marked = np.zeros(box.size[::-1], np.uint8)
    inside = at.within(box)
    x, y, z = at.start
    marked[inside.shifted((-start[0], -start[1], -start[2])).slices] = array[
        inside.shifted((-x, -y, -z)).slices
    ]
    slab = ct.read(box)
    hu, pixel_mm = _turned(slab, view)
    turned_mask, _ = _turned(ct.grid.part(box).image(marked), view)
    line = _seen(np.array(line_lps, float).reshape(-1, 3), slab, view)
    return PlaneView(view, hu, turned_mask, pixel_mm, line)


def across(grid: Grid, view: View) -> int:
    """The index axis (0 to 2) of a grid that runs most nearly across a view's planes."""
    directions = np.abs(np.array(grid.direction).reshape(3, 3))
    return int(directions[_ACROSS[view]].argmax())


def _turned(slab: sitk.Image, view: View) -> tuple[np.ndarray, tuple[float, float]]:
    oriented = sitk.DICOMOrient(slab, "LPS")
    array, grid = sitk.GetArrayFromImage(oriented), Grid.of(oriented)
    x, y, z = grid.spacing
    if view == "axial":
        return array[0], (x, y)
    if view == "coronal":
        return array[::-1, 0], (x, z)
    return array[::-1, :, 0], (y, z)


def _seen(points: np.ndarray, slab: sitk.Image, view: View) -> np.ndarray:
    """Where points (N, 3) in LPS mm are seen on a plane: (N, 2) mm across and down."""
    grid = Grid.of(sitk.DICOMOrient(slab, "LPS"))
    x, y, z = ((grid.to_index(points) + 0.5) * grid.spacing).T
    if view == "axial":
        return np.column_stack([x, y])
    return np.column_stack([x if view == "coronal" else y, grid.size[2] * grid.spacing[2] - z])
