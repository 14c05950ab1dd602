"""Slices as a reader wants to see them: grids with outlines and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...data.slice_set import SliceSet
from .png import write_picture

MOST_SHOWN = 64  # of the slices of a set

_TILE = 192  # pixels a side of a picture, about
_GAP = 6
_DARK, _ORANGE, _PALE = (24, 28, 33), (255, 176, 46), (190, 198, 206)
# Digits, 3 x 5: a row of each is three bits.
_DIGITS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717")


def tile(hu: np.ndarray, mask: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """A slice enlarged, in grey from `low` to `high` HU, its mask outlined: uint8 (y, x, 3).

    Args:
        hu: (y, x).
        mask: of the same shape.
        low: the HU that are black.
        high: the HU that are white.
    """
    times = max(1, round(_TILE / len(hu)))
    grey = (_enlarged(hu, times) - low) * (255 / (high - low))
    picture = np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    inside = _enlarged(mask, times) >= 0.5
    picture[inside & ~_shrunk(inside)] = _ORANGE
    return picture


def grid(tiles: Sequence[np.ndarray], *, numbered: bool = False) -> np.ndarray:
    """Pictures of one size (y, x, 3) in rows, as wide as high; with their numbers, if wanted."""
    columns = math.ceil(math.sqrt(len(tiles)))
    side = len(tiles[0]) + _GAP
    rows = math.ceil(len(tiles) / columns)
    sheet = np.full((rows * side + _GAP, columns * side + _GAP, 3), _DARK, np.uint8)
    for number, one in enumerate(tiles):
        y, x = (place * side + _GAP for place in divmod(number, columns))
        sheet[y : y + len(one), x : x + len(one)] = one
        if numbered:
            _stamp(sheet[y : y + len(one), x : x + len(one)], number)
    return sheet


def write_overview(slices: SliceSet, folder: Path) -> Path:
    """Write `overview.png`: the slice with most tumour of evenly chosen cases, masks outlined.

    Raises:
        InputError: a file of the set is damaged.
    """
    spec, cases = slices.slicing, slices.cases
    shown = min(len(cases), MOST_SHOWN)
    tiles = []
    for number in range(shown):
        hu, mask = slices.content(cases[number * len(cases) // shown])
        most = int(np.count_nonzero(mask, axis=(1, 2)).argmax())
        tiles.append(tile(hu[most], mask[most], low=spec.hu_low, high=spec.hu_high))
    write_picture(folder / "overview.png", grid(tiles), text="Slices of a LungSquad slice set.")
    return folder / "overview.png"


def _enlarged(array: np.ndarray, times: int) -> np.ndarray:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    return sitk.GetArrayFromImage(sitk.Expand(image, [times, times], sitk.sitkLinear))


def _shrunk(inside: np.ndarray) -> np.ndarray:
    """What of a region is not its border, two pixels wide; it may run over the edge."""
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    return sitk.GetArrayFromImage(sitk.BinaryErode(image, [1, 1], sitk.sitkBall)) != 0


def _stamp(picture: np.ndarray, number: int) -> None:
    """Write a number into a picture's lower left corner."""
    rows = [[int(_DIGITS[int(digit)][row]) for digit in str(number)] for row in range(5)]
    bits = np.array([[bit >> place & 1 for bit in row for place in (3, 2, 1, 0)] for row in rows])
    marked = np.kron(bits[:, 1:], np.ones((2, 2), int)) != 0
    high, wide = marked.shape
    picture[-high - 8 :, : wide + 8] = _DARK
    picture[-high - 4 : -4, 4 : wide + 4][marked] = _PALE
