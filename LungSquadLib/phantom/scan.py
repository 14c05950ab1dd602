"""The part of a phantom's CT round its tumour, as a scanner would give it."""

from __future__ import annotations

import numpy as np

from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Box, Point
from ..imaging.masks import Mask, as_mask
from .patient import Phantom

_REACH_MM = 56  # of CT round the tumour, so that no crop of 64 mm and some margin has to pad


def scanned(phantom: Phantom, *, slice_mm: float | None = None) -> tuple[CT, Mask]:
    """A block of CT and its mask, with pixels and slices of a usual size.

    Args:
        phantom: the patient.
        slice_mm: between slices; drawn from usual ones where left out.
    """
    random = np.random.default_rng((phantom.seed, 64))
    pixel, thick = float(random.uniform(0.6, 0.95)), float(random.choice([1.0, 1.25, 2.0, 2.5]))
    spacing: Point = (round(pixel, 3), round(pixel, 3), slice_mm or thick)
    chest = phantom.chest_grid(512, spacing=spacing)
    middle = chest.to_index(phantom.tumour.centre_lps)
    reach = _REACH_MM / np.array(spacing)
    start, stop = np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int)
    (x0, y0, z0), (x1, y1, z1) = start.tolist(), stop.tolist()
    grid = chest.part(Box((x0, y0, z0), (x1, y1, z1)).within(chest.box))
    ct = as_ct(grid.image(phantom.ct(grid)))
    return ct, as_mask(grid.image(phantom.mask(grid)), ct)
