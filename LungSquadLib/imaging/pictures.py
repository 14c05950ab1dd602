"""Pictures of a CT: windows of grey values, planes, outlined slices, contact sheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import SimpleITK as sitk

from .crop import crop, mask_box
from .ct import CT
from .geometry import Box, Grid, Point
from .masks import Mask

# Centre and width in HU, as radiologists set them.
WINDOWS = {"lung": (-600.0, 1500.0), "mediastinum": (40.0, 400.0), "full": (1023.5, 4095.0)}

_TILE = 192  # pixels a side of a tile, about
_GAP = 6  # pixels between tiles
_RIM_MM = 6.0  # above and below a tumour, on planes of a chosen height
_DARK, _ORANGE, _PALE = (24, 28, 33), (255, 176, 46), (190, 198, 206)
# Digits of 3 x 5 pixels: each figure is a row of three bits.
_DIGITS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717")
_SIDE = 96  # voxels of 1 mm a side that `side_by_side` shows
_PIXELS_A_VOXEL = 4

View: TypeAlias = Literal["axial", "coronal", "sagittal"]
VIEWS: tuple[View, ...] = ("axial", "coronal", "sagittal")
# The axis of the CT's grid (x left, y back, z head) that each view is cut across.
_ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}


def windowed(hu: np.ndarray, window: str = "lung") -> np.ndarray:
    """Return HU as grey values 0 to 255 (uint8) in one of `WINDOWS`."""
    centre, width = WINDOWS[window]
    grey = (hu.astype(np.float32) - (centre - width / 2)) * (255 / width)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def tile(hu: np.ndarray, mask: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """Enlarge a slice, grey from `low` to `high` HU, and outline its mask: uint8 (y, x, 3).

    Args:
        hu: (y, x).
        mask: (y, x).
        low: HU that are black.
        high: HU that are white.
    """
    factor = max(1, round(_TILE / len(hu)))
    grey = (_interpolated(hu, factor) - low) * (255 / (high - low))
    picture = np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    picture[_outline(_interpolated(mask, factor) >= 0.5)] = _ORANGE
    return picture


def contact_sheet(tiles: Sequence[np.ndarray], *, numbered: bool = False) -> np.ndarray:
    """Lay tiles of one size (y, x, 3) in a square contact sheet, numbered from 0 if wanted."""
    columns = math.ceil(math.sqrt(len(tiles)))
    side = len(tiles[0]) + _GAP
    rows = math.ceil(len(tiles) / columns)
    sheet = np.full((rows * side + _GAP, columns * side + _GAP, 3), _DARK, np.uint8)
    for number, picture in enumerate(tiles):
        y, x = (index * side + _GAP for index in divmod(number, columns))
        cell = sheet[y : y + len(picture), x : x + len(picture)]
        cell[:] = picture
        if numbered:
            _stamp(cell, number)
    return sheet


def side_by_side(ct: CT, synthetic: CT, mask: Mask) -> np.ndarray:
    """Draw a CT and a synthetic one for comparison: uint8 (y, x, 3), lung window.

    Rows are the original, the synthetic CT, and the synthetic CT with the mask's outline. Columns
    are the axial, coronal and sagittal planes through the mask's centre of mass, head up.
    """
    original, changed = (crop(volume, mask, size=_SIDE) for volume in (ct, synthetic))
    rows = [_grey_planes(original.ct), _grey_planes(changed.ct), _grey_planes(changed.ct)]
    rows[2][_outline(_repeated(_planes(original.mask)) != 0)] = _ORANGE
    return np.concatenate(rows)


def _interpolated(array: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge an array (y, x) by a whole factor, linearly."""
    image = sitk.GetImageFromArray(array.astype(np.float32))
    return sitk.GetArrayFromImage(sitk.Expand(image, [factor, factor], sitk.sitkLinear))


def _outline(inside: np.ndarray) -> np.ndarray:
    """Return the border pixels of a region (y, x), which may run over the picture's edge."""
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    eroded = sitk.GetArrayFromImage(sitk.BinaryErode(image, [1, 1], sitk.sitkBall)) != 0
    return np.asarray(inside & ~eroded)


def _stamp(picture: np.ndarray, number: int) -> None:
    """Write a number into a picture's lower left corner."""
    rows = [[int(_DIGITS[int(digit)][row]) for digit in str(number)] for row in range(5)]
    bits = np.array([[code >> shift & 1 for code in row for shift in (3, 2, 1, 0)] for row in rows])
    marked = np.kron(bits[:, 1:], np.ones((2, 2), int)) != 0
    height, width = marked.shape
    picture[-height - 8 :, : width + 8] = _DARK
    picture[-height - 4 : -4, 4 : width + 4][marked] = _PALE


def _planes(image: sitk.Image) -> np.ndarray:
    """Return the three planes through a crop's middle, side by side (y, x)."""
    array = sitk.GetArrayViewFromImage(image)
    middle = _SIDE // 2
    return np.concatenate([array[middle], array[::-1, middle], array[::-1, :, middle]], axis=1)


def _grey_planes(ct: sitk.Image) -> np.ndarray:
    return np.repeat(_repeated(windowed(_planes(ct)))[..., None], 3, axis=2)


def _repeated(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(_PIXELS_A_VOXEL, 0).repeat(_PIXELS_A_VOXEL, 1)


@dataclass(frozen=True)
class PlaneView:
    """One plane: HU and mask (rows, columns), and pixel size in mm (across, down).

    Axial: patient's left on the right, front up. Coronal: left on the right, head up. Sagittal:
    front on the left, head up.

    `line` is a line to draw on it: points (N, 2) in mm across and down from the plane's corner.
    """

    view: View
    hu: np.ndarray
    mask: np.ndarray
    pixel_mm: tuple[float, float]
    line: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))


def plane_through_tumour(
    ct: CT,
    mask: Mask,
    view: View,
    *,
    line_lps: Sequence[Point] = (),
    height_mm: float = math.inf,
) -> PlaneView:
    """Return the CT's plane with most tumour; of a mask without tumour, the middle plane.

    A CT that is not axial is cut along its own axes, across the one nearest to the view's.

    Args:
        ct: the CT.
        mask: on its grid.
        view: across which axis.
        line_lps: a line to be drawn on the plane.
        height_mm: of coronal and sagittal planes, round the tumour's middle; `_RIM_MM` above and
            below the tumour are always shown.
    """
    at, array = mask_box(mask, ct.grid), sitk.GetArrayFromImage(mask.image)
    axis = _ACROSS[view]
    counts = array.sum(axis=tuple({0, 1, 2} - {2 - axis}))
    index = at.start[axis] + (int(counts.argmax()) if counts.any() else len(counts) // 2)
    start, stop = [0, 0, 0], list(ct.grid.size)
    start[2], stop[2] = _height(at, ct.grid, height_mm)
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
    line = _in_view(np.array(line_lps, float).reshape(-1, 3), ct.grid.part(box), view)
    return PlaneView(view, _turned(ct.hu(box), view), _turned(marked, view), pixel_mm, line)


def _height(at: Box, grid: Grid, height_mm: float) -> tuple[int, int]:
    """Return the first and the last (exclusive) slice of `height_mm` round the mask's box."""
    low, high, spacing = at.start[2], at.stop[2], grid.spacing[2]
    half = max(height_mm / 2, (high - low) / 2 * spacing + _RIM_MM) / spacing
    middle = (low + high) / 2
    return (
        math.floor(max(middle - half, 0)),
        math.ceil(min(middle + half, grid.size[2])),
    )


def _turned(slab: np.ndarray, view: View) -> np.ndarray:
    """Return a slab (z, y, x) of one plane as a reader sees it (rows, columns)."""
    return {"axial": slab[0], "coronal": slab[::-1, 0], "sagittal": slab[::-1, :, 0]}[view]


def _in_view(points: np.ndarray, grid: Grid, view: View) -> np.ndarray:
    """Project points (N, 3) in LPS mm onto the plane of a grid: (N, 2) mm across and down."""
    x, y, z = ((grid.to_index(points) + 0.5) * grid.spacing).T
    if view == "axial":
        return np.column_stack([x, y])
    return np.column_stack([x if view == "coronal" else y, grid.size[2] * grid.spacing[2] - z])
