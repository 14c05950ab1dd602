"""Phantom patients as training cases: crops as ingest would give them, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import SimpleITK as sitk

from ..cohort.run import begin
from ..imaging.crop import crop
from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Box, Point
from ..imaging.masks import Mask, as_mask
from ..imaging.phantom.patient import Phantom
from ..imaging.phantom.tumour import Tumour
from ..progress import Progress, step

MARGIN = 4  # voxels of a stored crop beyond the network's, on every side, for shifts
SIDE = 64 + 2 * MARGIN
_REACH_MM = 56  # of CT round the tumour, so that no crop of it has to pad


@dataclass(frozen=True)
class PhantomCase:
    """A phantom's crop of `SIDE` voxels a side (int16 HU), and what is true of it."""

    hu: np.ndarray
    tumour: Tumour
    volume_ml: float


def phantom_cases(
    seeds: Sequence[int], *, jobs: int, progress: Progress, message: str
) -> list[PhantomCase]:
    """The cases of some seeds, in order; made in `jobs` processes."""
    cases: list[PhantomCase] = []
    spawn = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=begin) as pool:
        for case in pool.map(phantom_case, seeds, chunksize=4):
            step(progress, len(cases) / len(seeds), f"{message} ({len(cases)}/{len(seeds)})")
            cases.append(case)
    return cases


def phantom_case(seed: int) -> PhantomCase:
    """One phantom, scanned like a CT and cropped like one."""
    ct, mask, phantom = scanned(seed)
    cut = crop(ct, mask, size=SIDE)
    return PhantomCase(sitk.GetArrayFromImage(cut.ct), phantom.tumour, cut.mask_volume_ml)


def scanned(seed: int) -> tuple[CT, Mask, Phantom]:
    """The part of a phantom's CT round its tumour, with pixels and slices of a usual size."""
    phantom = Phantom(seed)
    random = np.random.default_rng((seed, 64))
    pixel, thick = float(random.uniform(0.6, 0.95)), float(random.choice([1.0, 1.25, 2.0, 2.5]))
    spacing: Point = (round(pixel, 3), round(pixel, 3), thick)
    chest = phantom.chest_grid(512, spacing=spacing)
    middle = chest.to_index(phantom.tumour.centre_lps)
    reach = _REACH_MM / np.array(spacing)
    start, stop = np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int)
    (x0, y0, z0), (x1, y1, z1) = start.tolist(), stop.tolist()
    grid = chest.part(Box((x0, y0, z0), (x1, y1, z1)).within(chest.box))
    ct = as_ct(grid.image(phantom.ct(grid)))
    return ct, as_mask(grid.image(phantom.mask(grid)), ct), phantom
