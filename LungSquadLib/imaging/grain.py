"""The noise of a scanner: measured in a CT, and made anew."""

from __future__ import annotations

import numpy as np

from .resample import AIR

_FEWEST = 200  # voxels to measure in
_NOTHING = AIR + 24  # HU below which there is padding, or air at the end of the scale
_BLUR = 0.25  # share that a voxel of the grain gives to each neighbour of its row and column


def grain(hu: np.ndarray, known: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
    """Noise as strong as that of the known voxels, and about as fine; float32, with mean 0.

    Args:
        hu: (z, y, x), slices as the scanner made them, or resampled.
        known: where to measure. Vessels and borders do no harm while they are the lesser part.
        random: what it is drawn from.
    """
    drawn = random.standard_normal(hu.shape, np.float32)
    for axis in (1, 2):
        drawn += _BLUR * (np.roll(drawn, 1, axis) + np.roll(drawn, -1, axis))
    return drawn * np.float32(roughness(hu, known) / roughness(drawn, np.ones_like(known)))


def roughness(hu: np.ndarray, known: np.ndarray) -> float:
    """How much voxels differ from their neighbours in the slice, as a standard deviation.

    The median of the second differences along both axes (Immerkaer, Computer Vision and Image
    Understanding 1996;64:300), which neither slopes nor straight borders disturb.
    """
    second = np.diff(np.diff(hu.astype(np.float32), 2, axis=1), 2, axis=2)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    chosen = second[known[inner] & (hu[inner] > _NOTHING)]
    if chosen.size < _FEWEST:
        return 0.0
    return float(np.median(np.abs(chosen))) / 0.6745 / 6
