"""A CT and what was painted into it, side by side."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...imaging.crop import crop
from ...imaging.ct import CT
from ...imaging.masks import Mask
from ...imaging.pictures import windowed

_SIDE = 96  # voxels of 1 mm that are shown
_LARGER = 4  # pixels a voxel
_OUTLINE = (255, 176, 46)


def side_by_side(ct: CT, synthetic: CT, mask: Mask) -> np.ndarray:
    """A picture (y, x, 3), uint8: rows are original, synthetic, and that with the mask's outline.

    Columns are the axial, coronal and sagittal planes through the mask's centre of mass, as a
    reader expects them (see `imaging.planes.PlaneView`); lung window.
    """
    cuts = [crop(one, mask, size=_SIDE) for one in (ct, synthetic)]
    old, new, marked = (_planes(image) for image in (cuts[0].ct, cuts[1].ct, cuts[0].mask))
    rows = [_grey(old), _grey(new), _grey(new)]
    rows[2][_border(_enlarged(marked))] = _OUTLINE
    return np.concatenate(rows)


def _planes(image: sitk.Image) -> np.ndarray:
    """The three planes of a crop beside each other (y, x)."""
    array = sitk.GetArrayViewFromImage(image)
    middle = _SIDE // 2
    return np.concatenate([array[middle], array[::-1, middle], array[::-1, :, middle]], axis=1)


def _grey(hu: np.ndarray) -> np.ndarray:
    return np.repeat(_enlarged(windowed(hu))[..., None], 3, axis=2)


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(_LARGER, 0).repeat(_LARGER, 1)


def _border(marked: np.ndarray) -> np.ndarray:
    """The outermost pixels of what is marked."""
    inside = np.pad(marked != 0, 1)
    kept = inside[1:-1, 1:-1].copy()
    for axis in (0, 1):
        for way in (1, -1):
            kept &= np.roll(inside, way, axis)[1:-1, 1:-1]
    return (marked != 0) & ~kept
