"""Slices as the two channels of networks that make images: CT and tumour mask, from -1 to 1."""

from __future__ import annotations

import numpy as np


def to_channels(hu: np.ndarray, mask: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """What a network sees of slices.

    Args:
        hu: (n, y, x).
        mask: (n, y, x); what is not 0 is tumour.
        low: the HU that become -1; what lies below does, too.
        high: the HU that become 1; what lies above does, too.

    Returns:
        float32 (n, 2, y, x): the CT, and the mask as -1 and 1.
    """
    channels = np.empty((len(hu), 2, *hu.shape[1:]), np.float32)
    ct = np.subtract(hu, low, out=channels[:, 0], dtype=np.float32)
    ct *= 2 / (high - low)
    ct -= 1
    np.clip(ct, -1, 1, out=ct)
    channels[:, 1] = np.where(mask != 0, 1, -1)
    return channels


def from_channels(images: np.ndarray, *, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Slices out of a network's images (n, 2, y, x): HU (int16) and mask (uint8), both (n, y, x).

    The CT stays within `low` and `high`; the mask is where the second channel is above 0.
    """
    ct = (np.clip(images[:, 0], -1, 1) + 1) * ((high - low) / 2) + low
    return np.rint(ct).astype(np.int16), (images[:, 1] > 0).astype(np.uint8)
