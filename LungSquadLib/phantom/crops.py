"""Phantom patients as training cases: crops as ingest would give them, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import SimpleITK as sitk

from ..data.processes import begin
from ..imaging.crop import crop
from ..progress import Progress, step
from .patient import Phantom
from .scan import scanned
from .tumour import Tumour

MARGIN = 4  # voxels of a stored crop beyond the network's, on every side, for shifts
SIDE = 64 + 2 * MARGIN


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
    phantom = Phantom(seed)
    ct, mask = scanned(phantom)
    cut = crop(ct, mask, size=SIDE)
    return PhantomCase(sitk.GetArrayFromImage(cut.ct), phantom.tumour, cut.mask_volume_ml)
