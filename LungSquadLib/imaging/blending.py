"""Where something painted takes the place of a CT: all of it in a mask, ever less in a band."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .geometry import Point

FAR_MM = 1e4


def distance_mm(mask: np.ndarray, spacing: Point) -> np.ndarray:
    """From each voxel's centre to that of the nearest marked one: 0 in the mask; float32.

    Args:
        mask: (z, y, x), what is not 0 is marked; `FAR_MM` everywhere where nothing is.
        spacing: mm between voxels along x, y and z.
    """
    marked = mask != 0
    if not marked.any():
        return np.full(mask.shape, FAR_MM, np.float32)
    image = sitk.GetImageFromArray(marked.astype(np.uint8))
    image.SetSpacing(spacing)
    filtered = sitk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.maximum(sitk.GetArrayFromImage(filtered), np.float32(0))


def blend_weights(distance: np.ndarray, band_mm: float) -> np.ndarray:
    """The share of what is painted: 1 in the mask, 0 from `band_mm` on, a cosine between them."""
    share = np.clip(distance / band_mm, 0, 1, dtype=np.float32)
    return np.where(share < 1, (1 + np.cos(np.pi * share)) / 2, 0).astype(np.float32)
