"""How a synthetic region is fitted into a CT: weights that fade at its border, and CT noise."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from .geometry import Point
from .resample import AIR

FAR_MM = 1e4

_FEWEST = 200  # voxels to measure in
_NOTHING = AIR + 24  # HU below which there is padding, or air at the end of the scale
_BLURS = np.linspace(0, 0.5, 51)  # weight of each neighbour


def distance_mm(mask: np.ndarray, spacing: Point) -> np.ndarray:
    """Return each voxel's distance to the nearest marked voxel: 0 in the mask; float32.

    Args:
        mask: (z, y, x); voxels that are not 0 are marked. An empty mask gives `FAR_MM` everywhere.
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
    """Return the weight of the synthetic image: 1 in the mask, a cosine to 0 at `band_mm`."""
    fraction = np.clip(distance / band_mm, 0, 1, dtype=np.float32)
    return np.where(fraction < 1, (1 + np.cos(np.pi * fraction)) / 2, 0).astype(np.float32)


def noise_like(hu: np.ndarray, known: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
    """Draw noise with the strength and texture of that of the known voxels; float32, mean 0.

    White noise is blurred along rows and columns, by as much as the second differences of the known
    voxels at distances 1 and 2 imply; and across slices, by as much as these differences are alike
    in neighbouring slices, as they are where thick slices were resampled.

    Args:
        hu: (z, y, x), slices as the scanner made them, or resampled.
        known: where to measure. A minority of vessels and borders does not change the result.
        random: the random generator.
    """
    fine, coarse = (_roughness(hu, known, step) for step in (1, 2))
    if fine == 0:
        return np.zeros(hu.shape, np.float32)
    blur = np.interp(coarse / fine, _expected(_BLURS, 2) / _expected(_BLURS, 1), _BLURS)
    drawn = random.standard_normal(hu.shape, np.float32)
    for axis in (1, 2):
        drawn += np.float32(blur) * (np.roll(drawn, 1, axis) + np.roll(drawn, -1, axis))
    change = _roughness(hu, known, 1, across=True) / fine
    alike = np.clip(1 - change**2 / 2, 0, 1)  # correlation of neighbouring slices
    across = np.interp(alike, 2 * _BLURS / (1 + 2 * _BLURS**2), _BLURS)
    drawn += np.float32(across) * (np.roll(drawn, 1, 0) + np.roll(drawn, -1, 0))
    return drawn * np.float32(fine / (_expected(blur, 1) * math.sqrt(1 + 2 * across**2)))


def _roughness(hu: np.ndarray, known: np.ndarray, step: int, *, across: bool = False) -> float:
    """Standard deviation of the second differences along both axes, over so many voxels.

    After Immerkaer (Computer Vision and Image Understanding 1996;64:300): neither slopes nor
    straight borders change it. The lower quartile makes it robust to vessels. With `across`, that
    of their differences between neighbouring slices; where there is one slice, as of independent
    ones.
    """
    rows = hu[:, 2 * step :] - 2 * hu[:, step:-step].astype(np.float32) + hu[:, : -2 * step]
    second = rows[..., 2 * step :] - 2 * rows[..., step:-step] + rows[..., : -2 * step]
    inner = (slice(None), slice(step, -step), slice(step, -step))
    counted = known[inner] & (hu[inner] > _NOTHING)
    if across:
        second, counted = np.diff(second, axis=0), counted[1:] & counted[:-1]
    chosen = second[counted]
    if chosen.size < _FEWEST:
        return math.sqrt(2) * _roughness(hu, known, step) if across else 0.0
    return float(np.quantile(np.abs(chosen), 0.25)) / 0.3186


def _expected(blur: np.ndarray | float, step: int) -> np.ndarray:
    """Return `_roughness` of white noise of standard deviation 1 after the blur."""
    covariance = (1 + 2 * np.square(blur), 2 * np.asarray(blur), np.square(blur), 0.0, 0.0)
    return 6 * covariance[0] - 8 * covariance[step] + 2 * covariance[2 * step]
