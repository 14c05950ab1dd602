"""How a synthetic region is fitted into a CT: weights that fade at its border, and CT noise."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .geometry import Point
from .resample import AIR

FAR_MM = 1e4

_FEWEST = 200  # voxels to measure in
_NOTHING = AIR + 24  # HU below which there is padding, or air at the end of the scale
_BLURS = np.linspace(0, 0.5, 51)  # share of a drawn number that goes to each neighbour


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


def grain(hu: np.ndarray, known: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
    """Noise as strong and as fine as that of the known voxels; float32, with mean 0.

    White noise, blurred along rows and columns: how much, follows from how voxels differ from
    those next to them and from the next but one.

    Args:
        hu: (z, y, x), slices as the scanner made them, or resampled.
        known: where to measure. Vessels and borders do no harm while they are the lesser part.
        random: what it is drawn from.
    """
    fine, coarse = (_roughness(hu, known, step) for step in (1, 2))
    if fine == 0:
        return np.zeros(hu.shape, np.float32)
    blur = np.interp(coarse / fine, _expected(_BLURS, 2) / _expected(_BLURS, 1), _BLURS)
    drawn = random.standard_normal(hu.shape, np.float32)
    for axis in (1, 2):
        drawn += np.float32(blur) * (np.roll(drawn, 1, axis) + np.roll(drawn, -1, axis))
    return drawn * np.float32(fine / _expected(blur, 1))


def _roughness(hu: np.ndarray, known: np.ndarray, step: int) -> float:
    """Standard deviation of the second differences along both axes, over so many voxels.

    After Immerkaer (Computer Vision and Image Understanding 1996;64:300): neither slopes nor
    straight borders disturb it. It is taken from the median, for vessels do.
    """
    rows = hu[:, 2 * step :] - 2 * hu[:, step:-step].astype(np.float32) + hu[:, : -2 * step]
    second = rows[..., 2 * step :] - 2 * rows[..., step:-step] + rows[..., : -2 * step]
    inner = (slice(None), slice(step, -step), slice(step, -step))
    chosen = second[known[inner] & (hu[inner] > _NOTHING)]
    if chosen.size < _FEWEST:
        return 0.0
    return float(np.median(np.abs(chosen))) / 0.6745


def _expected(blur: np.ndarray | float, step: int) -> np.ndarray:
    """What `_roughness` says of white noise with a standard deviation of 1 that was blurred so."""
    covariance = (1 + 2 * np.square(blur), 2 * np.asarray(blur), np.square(blur), 0.0, 0.0)
    return 6 * covariance[0] - 8 * covariance[step] + 2 * covariance[2 * step]
