"""The axial slices that contain tumour: 2D material for networks that look at slices."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files import whole_folder, write_json
from ..progress import Progress
from .crop import flags_of_case, mask_box
from .ct import CT, as_ct
from .files.write import write_png
from .flags import Flag
from .geometry import Box
from .masks import Mask, as_mask
from .pictures import WINDOWS, windowed


@dataclass(frozen=True)
class TumourSlices:
    """Axial slices with tumour, feet to head, as a reader sees them (patient's left on the right).

    `ct` is HU and `mask` uint8, both (n, y, x); `positions_mm` is each slice's place along the
    head-foot axis (LPS) and `spacing_mm` the pixel size (x, y).
    """

    ct: np.ndarray
    mask: np.ndarray
    positions_mm: tuple[float, ...]
    spacing_mm: tuple[float, float]
    flags: tuple[Flag, ...] = ()


def tumour_slices(
    ct: CT | sitk.Image, mask: Mask | sitk.Image, *, progress: Progress | None = None
) -> TumourSlices:
    """Whole slices that contain tumour, at the CT's own resolution.

    A CT whose slices are coronal, sagittal or oblique is cut along its axes, across the one that is
    nearest to head-foot.

    Raises:
        InputError: as `read_mask` and `CT.hu`.
    """
    ct = as_ct(ct)
    mask = as_mask(mask, ct)
    at = mask_box(mask, ct.grid)
    columns, rows, _ = ct.grid.size
    box = Box((0, 0, at.start[2]), (columns, rows, at.stop[2]))
    marked = np.zeros(box.size[::-1], np.uint8)
    marked[at.shifted((0, 0, -at.start[2])).slices] = sitk.GetArrayViewFromImage(mask.image)
    kept = np.flatnonzero(marked.any(axis=(1, 2)))
    grid = ct.grid.part(box)
    heights = grid.to_lps(np.array([[columns / 2, rows / 2, z] for z in kept]))[:, 2]
    return TumourSlices(
        ct.hu(box, progress)[kept],
        marked[kept],
        tuple(float(height) for height in heights),
        (grid.spacing[0], grid.spacing[1]),
        flags_of_case(ct, mask),
    )


def write_slices(
    slices: TumourSlices, folder: str | os.PathLike[str], *, window: str = "lung"
) -> Path:
    """Write `slices.npz` (HU and mask), a PNG of each slice and mask, and `slices.json`."""
    target = Path(folder)
    with whole_folder(target, last="slices.json") as temporary:
        np.savez_compressed(temporary / "slices.npz", ct=slices.ct, mask=slices.mask)
        for number, (hu, mask) in enumerate(zip(slices.ct, slices.mask, strict=True)):
            write_png(temporary / f"ct-{number:04d}.png", windowed(hu, window))
            write_png(temporary / f"mask-{number:04d}.png", mask * np.uint8(255))
        centre, width = WINDOWS[window]
        write_json(
            temporary / "slices.json",
            {
                "slices": len(slices.positions_mm),
                "positions_mm": list(slices.positions_mm),
                "spacing_mm": list(slices.spacing_mm),
                "window": {"name": window, "centre_hu": centre, "width_hu": width},
                "tumour_pixels": [int(count) for count in slices.mask.sum(axis=(1, 2))],
                "flags": [flag.to_dict() for flag in slices.flags],
            },
        )
    return target
