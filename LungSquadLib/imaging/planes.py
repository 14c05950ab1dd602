"""Single planes through the tumour, turned as a reader expects them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import SimpleITK as sitk

from .crop import mask_box
from .ct import CT
from .geometry import Box, Grid
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
    """

    view: View
    hu: np.ndarray
    mask: np.ndarray
    pixel_mm: tuple[float, float]


def plane_through_tumour(ct: CT, mask: Mask, view: View) -> PlaneView:
    """The CT's whole plane with most tumour in it; of a mask without tumour, the middle one.

    A CT that is not axial is cut along its own axes, across the one nearest to the view's.
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
    hu, pixel_mm = _turned(ct.read(box), view)
    turned_mask, _ = _turned(ct.grid.part(box).image(marked), view)
    return PlaneView(view, hu, turned_mask, pixel_mm)


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
