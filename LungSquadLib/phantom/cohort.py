"""A cohort of phantom patients from several hospitals, to try everything on.

Each patient is a block of CT round the tumour and its mask. The hospitals differ in their scanners
(slice thickness, an offset of the HU, more noise) and in how often they see LUSC, so that a network
can learn the scanner instead of the tumour unless patients are grouped by site. A share of the
histology labels is wrong, as pathologists' are; the truth is in columns of its own.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..data.case_loop import resume_folder
from ..data.processes import run_all
from ..errors import InputError
from ..files import whole_folder, write_csv
from ..imaging.files.write import write_volumes
from ..imaging.geometry import Grid
from ..options import check, described, option
from ..progress import Progress, Silent, step
from .patient import Phantom
from .scan import scanned
from .tumour import HISTOLOGIES

MANIFEST, ABOUT = "manifest.csv", "phantoms.json"
_CT, _MASK = "ct.mha", "mask.nrrd"
_SLICES_MM, _OFFSETS_HU, _NOISES_HU = (1.0, 2.5, 2.0), (0, 12, -10), (0.0, 15.0, 8.0)
_RAREST_LUSC, _MOST_LUSC = 0.3, 0.7
FIRST_SEED = 1_000_000_000  # far from the seeds of demos, tests and demo models
_MOST_PATIENTS = 100_000


@dataclass(frozen=True)
class Site:
    """A hospital: its scanner, and how many of its patients have LUSC."""

    name: str
    slice_mm: float
    offset_hu: int
    extra_noise_hu: float
    lusc: float


@dataclass(frozen=True)
class Patient:
    """A phantom patient and where it goes."""

    folder: Path
    seed: int
    site: Site
    truth: str  # histology
    label: str


@dataclass(frozen=True)
class PhantomOptions:
    """Options of a phantom cohort; the same seed gives the same bytes."""

    patients: int = option(200, low=1, high=_MOST_PATIENTS, help="number of patients")
    label_noise: float = option(
        0.1, low=0.0, high=1.0, metavar="FRACTION", help="fraction of wrong histology labels"
    )
    sites: int = option(3, low=1, high=26, help="number of hospitals")
    seed: int = option(0, low=0, high=(1 << 31) - 1, help="random seed")

    def __post_init__(self) -> None:
        check(self)


def write_phantoms(
    folder: str | os.PathLike[str],
    options: PhantomOptions | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a phantom cohort and its manifest; the same call continues a run that was stopped.

    The fraction of LUSC grows from 30 % at the first hospital to 70 % at the last, so that the
    hospital is a confounder. `histology_true` is right where `histology` is not.

    Args:
        folder: gets a folder for each patient, `manifest.csv`, and `phantoms.json`, which
            describes the cohort.
        options: of the cohort.
        jobs: number of processes.
        progress: gets the state of the work; may cancel.

    Returns:
        The path of the manifest.

    Raises:
        InputError: the folder holds something else.
    """
    options, progress = options or PhantomOptions(), progress or Silent()
    target = Path(folder).absolute()
    drawn = _drawn(target, options)
    resume_folder(target / ABOUT, _about(options), another="phantoms made otherwise")
    rows: dict[str, dict[str, Any]] = {}
    step(progress, 0, f"0 of {options.patients} phantoms")
    for outcome in run_all(drawn, _work, jobs=jobs, progress=progress):
        if outcome.error is not None:
            raise InputError(outcome.error)
        rows[outcome.task.folder.name] = outcome.result
        step(progress, len(rows) / len(drawn), f"{len(rows)} of {len(drawn)} phantoms")
    table = [rows[patient.folder.name] for patient in drawn]
    write_csv(target / MANIFEST, tuple(table[0]), table)
    return target / MANIFEST


def _sites(count: int) -> list[Site]:
    lusc_fractions = np.linspace(_RAREST_LUSC, _MOST_LUSC, count).round(3).tolist()
    return [
        Site(f"site-{chr(65 + n)}", _SLICES_MM[n % 3], _OFFSETS_HU[n % 3], _NOISES_HU[n % 3], share)
        for n, share in enumerate(lusc_fractions)
    ]


def _drawn(folder: Path, options: PhantomOptions) -> list[Patient]:
    random, sites = np.random.default_rng((options.seed, 0)), _sites(options.sites)
    wrong = round(options.label_noise * options.patients)
    mislabelled = set(random.permutation(options.patients)[:wrong].tolist())
    drawn = []
    for number in range(options.patients):
        site = sites[int(random.integers(options.sites))]
        lusc = bool(random.random() < site.lusc)
        truth, other = HISTOLOGIES[lusc], HISTOLOGIES[not lusc]
        label = other if number in mislabelled else truth
        seed = FIRST_SEED + options.seed * _MOST_PATIENTS + number
        # Unlike the names of any other cohort, with which its patients would seem to overlap.
        name = f"PH{options.seed}-{number + 1:05d}"
        drawn.append(Patient(folder / name, seed, site, truth, label))
    return drawn


def _about(options: PhantomOptions) -> dict[str, Any]:
    return {
        "notice": "Computer-made phantoms: what is learned from them means nothing for a patient.",
        "lungsquad": __version__,
        "settings": described(options),
        "sites": [asdict(site) for site in _sites(options.sites)],
        "columns": {
            "histology": "the label, wrong for the fraction label_noise of the patients",
            "histology_true": "the phantom's histology; drawn with the site's fraction of LUSC",
            "alive2y": "1 if alive two years on; drawn with a probability that falls with "
            "diameter, necrosis and spiculation",
            "diameter_mm": "of a ball of the tumour's volume where nothing hems it in",
            "mask_ml": "volume of the mask",
        },
        "scanners": "A site's CT have its slice thickness; offset_hu was added to all HU, and "
        "white noise with the standard deviation extra_noise_hu.",
    }


def _work(patient: Patient) -> dict[str, Any]:
    """Write one patient, unless that is done; return the row of the manifest."""
    phantom = Phantom(patient.seed, histology=patient.truth)
    folder, name = patient.folder, patient.folder.name
    if not (folder / _MASK).is_file():
        _write(phantom, patient)
    mask = sitk.ReadImage(str(folder / _MASK))
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    return {
        "patient_id": name,
        "ct": f"{name}/{_CT}",
        "mask": f"{name}/{_MASK}",
        "site": patient.site.name,
        "histology": patient.label,
        "histology_true": patient.truth,
        "alive2y": int(phantom.tumour.alive_at_two_years),
        "diameter_mm": round(phantom.tumour.diameter_mm, 2),
        "mask_ml": round(voxels * Grid.of(mask).voxel_volume / 1000, 4),
    }


def _write(phantom: Phantom, patient: Patient) -> None:
    ct, mask = scanned(phantom, slice_mm=patient.site.slice_mm)
    random = np.random.default_rng((patient.seed, 65))
    hu = ct.hu(ct.grid.box) + float(patient.site.offset_hu)
    hu += random.normal(0, patient.site.extra_noise_hu, hu.shape)
    image = ct.grid.image(np.clip(np.rint(hu), -1024, 3071).astype(np.int16))
    with whole_folder(patient.folder, last=_MASK) as temporary:
        write_volumes({temporary / _CT: image, temporary / _MASK: mask.image})
