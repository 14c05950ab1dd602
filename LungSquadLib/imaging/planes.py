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
# The axis of the CT's grid (x left, y back, z head) that each view is cut across.
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
    axis = _ACROSS[view]
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
    across, back, up = ct.grid.spacing
    pixel_mm = {"axial": (across, back), "coronal": (across, up), "sagittal": (back, up)}[view]
    line = _seen(np.array(line_lps, float).reshape(-1, 3), ct.grid.part(box), view)
    return PlaneView(view, _turned(ct.hu(box), view), _turned(marked, view), pixel_mm, line)


def _turned(slab: np.ndarray, view: View) -> np.ndarray:
    """A slab (z, y, x) of one plane as a reader sees it (rows, columns)."""
    return {"axial": slab[0], "coronal": slab[::-1, 0], "sagittal": slab[::-1, :, 0]}[view]


def _seen(points: np.ndarray, grid: Grid, view: View) -> np.ndarray:
    """Where points (N, 3) in LPS mm are seen on the plane of a grid: (N, 2) mm across and down."""
    x, y, z = ((grid.to_index(points) + 0.5) * grid.spacing).T
    if view == "axial":
        return np.column_stack([x, y])
    return np.column_stack([x if view == "coronal" else y, grid.size[2] * grid.spacing[2] - z])
