"""Phantom patients as data: a scanned block round the tumour, training crops, volume files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..data.processes import begin
from ..files import whole_folder
from ..imaging.crop import crop
from ..imaging.ct import CT, as_ct
from ..imaging.files.transfer import write_ct, write_mask
from ..imaging.geometry import Box, Point
from ..imaging.masks import Mask, as_mask
from ..progress import Part, Progress, Silent, step
from .patient import Phantom
from .tumour import Tumour

_HALF_SIDE_MM = 56  # of CT round the tumour, so that no crop of 64 mm and some margin has to pad

MARGIN = 4  # voxels of a stored crop beyond the network's, on every side, for shifts
SIDE = 64 + 2 * MARGIN

CT_FILE, MASK_FILE = "ct.mha", "tumour.seg.nrrd"


def scanned(phantom: Phantom, *, slice_mm: float | None = None) -> tuple[CT, Mask]:
    """Return the CT round a phantom's tumour and its mask, with a usual pixel and slice size.

    Args:
        phantom: the patient.
        slice_mm: between slices; drawn from usual values if left out.
    """
    random = np.random.default_rng((phantom.seed, 64))
    pixel, thick = float(random.uniform(0.6, 0.95)), float(random.choice([1.0, 1.25, 2.0, 2.5]))
    spacing: Point = (round(pixel, 3), round(pixel, 3), slice_mm or thick)
    chest = phantom.chest_grid(512, spacing=spacing)
    middle = chest.to_index(phantom.tumour.centre_lps)
    half_side = _HALF_SIDE_MM / np.array(spacing)
    start, stop = np.floor(middle - half_side).astype(int), np.ceil(middle + half_side).astype(int)
    (x0, y0, z0), (x1, y1, z1) = start.tolist(), stop.tolist()
    grid = chest.part(Box((x0, y0, z0), (x1, y1, z1)).within(chest.box))
    ct = as_ct(grid.image(phantom.ct(grid)))
    return ct, as_mask(grid.image(phantom.mask(grid)), ct)


@dataclass(frozen=True)
class PhantomCase:
    """A phantom's crop of `SIDE` voxels a side (int16 HU), and its ground truth."""

    hu: np.ndarray
    tumour: Tumour
    volume_ml: float


def phantom_cases(seeds: Sequence[int], *, jobs: int, progress: Progress) -> list[PhantomCase]:
    """Return the cases of seeds, in order, computed in `jobs` processes."""
    cases: list[PhantomCase] = []
    spawn = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=begin) as pool:
        for case in pool.map(phantom_case, seeds, chunksize=4):
            step(progress, len(cases) / len(seeds), f"Making phantoms ({len(cases)}/{len(seeds)})")
            cases.append(case)
    return cases


def phantom_case(seed: int) -> PhantomCase:
    """Return a phantom's crop, from a simulated scan."""
    phantom = Phantom(seed)
    ct, mask = scanned(phantom)
    cut = crop(ct, mask, size=SIDE)
    return PhantomCase(sitk.GetArrayFromImage(cut.ct), phantom.tumour, cut.mask_volume_ml)


def write_patient_volumes(
    phantom: Phantom, folder: str | os.PathLike[str], *, progress: Progress | None = None
) -> tuple[Path, Path]:
    """Write `ct.mha`, the whole chest, and `tumour.seg.nrrd` into a folder; return their paths.

    Raises:
        CancelledError: `progress` was cancelled; nothing is left behind.
    """
    progress = progress or Silent()
    grid = phantom.chest_grid()
    ct = as_ct(grid.image(phantom.ct(grid, Part(progress, 0.0, 0.9))))
    mask = as_mask(grid.image(phantom.mask(grid)), ct, name="Tumour", source="phantom")
    with whole_folder(folder, last=MASK_FILE) as temporary:
        write_ct(ct, temporary / CT_FILE, Part(progress, 0.9, 1.0))
        write_mask(mask, temporary / MASK_FILE)
    step(progress, 1.0, "The phantom patient is written")
    return Path(folder) / CT_FILE, Path(folder) / MASK_FILE
