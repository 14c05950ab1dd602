"""HU as grey values."""

from __future__ import annotations

import numpy as np

# Centre and width in HU, as radiologists set them.
WINDOWS = {"lung": (-600.0, 1500.0), "mediastinum": (40.0, 400.0), "full": (1023.5, 4095.0)}


def windowed(hu: np.ndarray, window: str = "lung") -> np.ndarray:
    """HU as grey values 0 to 255 (uint8) in one of `WINDOWS`."""
    centre, width = WINDOWS[window]
    grey = (hu.astype(np.float32) - (centre - width / 2)) * (255 / width)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
