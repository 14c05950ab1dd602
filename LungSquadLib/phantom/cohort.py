"""A cohort of phantom patients from several hospitals, to try everything on.

Each patient is a block of CT round the tumour and its mask. The hospitals differ in their scanners
(slice thickness, an offset of the HU, more noise) and in how often they see LUSC, so that a network
can learn the scanner instead of the tumour unless patients are grouped by site. A share of the
histology labels is wrong, as pathologists' are; the truth is in columns of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..data.processes import run_all
from ..errors import InputError
from ..fields import parsed_json
from ..files import make_folder, sweep, whole_folder, write_csv, write_json
from ..imaging.files.write import write_volumes
from ..imaging.geometry import Grid
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


def write_phantoms(
    folder: str | os.PathLike[str],
    *,
    patients: int = 200,
    label_noise: float = 0.1,
    sites: int = 3,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a phantom cohort and its manifest; the same call goes on with one that was ended.

    Args:
        folder: gets a folder for each patient, `manifest.csv`, and `phantoms.json`, which says
            what was done.
        patients: how many.
        label_noise: the share of patients whose `histology` is wrong; `histology_true` is right.
        sites: how many hospitals; the share of LUSC grows from 30 % at the first to 70 % at the
            last, and so a site tells something of the label.
        seed: of everything; the same seed gives the same bytes.
        jobs: how many processes.
        progress: told how it goes; may cancel.

    Returns:
        The manifest.

    Raises:
        InputError: a number makes no sense, or the folder holds something else.
    """
    _check(patients, label_noise, sites, seed)
    target, progress = Path(folder).absolute(), progress or Silent()
    drawn = _drawn(target, patients, label_noise, sites, seed)
    settings = {"patients": patients, "label_noise": label_noise, "sites": sites, "seed": seed}
    _prepare(target, _about(settings, sites))
    rows: dict[str, dict[str, Any]] = {}
    step(progress, 0, f"0 of {patients} phantoms")
    for outcome in run_all(drawn, _work, jobs=jobs, progress=progress):
        if outcome.error is not None:
            raise InputError(outcome.error)
        rows[outcome.task.folder.name] = outcome.result
        step(progress, len(rows) / patients, f"{len(rows)} of {patients} phantoms")
    table = [rows[patient.folder.name] for patient in drawn]
    write_csv(target / MANIFEST, tuple(table[0]), table)
    return target / MANIFEST


def _check(patients: int, label_noise: float, sites: int, seed: int) -> None:
    if not 1 <= patients <= _MOST_PATIENTS:
        raise InputError(f"The number of patients must be 1 to {_MOST_PATIENTS}, not {patients}.")
    if not 0 <= label_noise <= 1:
        raise InputError(f"The share of wrong labels must be 0 to 1, not {label_noise}.")
    if not 1 <= sites <= 26:
        raise InputError(f"The number of sites must be 1 to 26, not {sites}.")
    if not 0 <= seed < 1 << 31:
        raise InputError(f"The seed must be a whole number from 0 to 2^31 - 1, not {seed}.")


def _sites(count: int) -> list[Site]:
    shares = np.linspace(_RAREST_LUSC, _MOST_LUSC, count).round(3).tolist()
    return [
        Site(f"site-{chr(65 + n)}", _SLICES_MM[n % 3], _OFFSETS_HU[n % 3], _NOISES_HU[n % 3], share)
        for n, share in enumerate(shares)
    ]


def _drawn(folder: Path, patients: int, label_noise: float, sites: int, seed: int) -> list[Patient]:
    random, places = np.random.default_rng((seed, 0)), _sites(sites)
    wrong = set(random.permutation(patients)[: round(label_noise * patients)].tolist())
    drawn = []
    for number in range(patients):
        site = places[int(random.integers(sites))]
        lusc = bool(random.random() < site.lusc)
        truth, other = HISTOLOGIES[lusc], HISTOLOGIES[not lusc]
        label = other if number in wrong else truth
        own = FIRST_SEED + seed * _MOST_PATIENTS + number
        name = (
            f"PH{seed}-{number + 1:05d}"  # of no other cohort: or models would think they know them
        )
        drawn.append(Patient(folder / name, own, site, truth, label))
    return drawn


def _about(settings: Mapping[str, float], sites: int) -> dict[str, Any]:
    return {
        "notice": "Computer-made phantoms: what is learned from them means nothing for a patient.",
        "lungsquad": __version__,
        "settings": dict(settings),
        "sites": [asdict(site) for site in _sites(sites)],
        "columns": {
            "histology": "the label, wrong for the share label_noise of the patients",
            "histology_true": "what the phantom was made as; drawn with the site's share of LUSC",
            "alive2y": "1 if alive two years on; drawn with a probability that falls with "
            "diameter, necrosis and spiculation",
            "diameter_mm": "of a ball of the tumour's volume where nothing hems it in",
            "mask_ml": "volume of the mask",
        },
        "scanners": "A site's CT have its slice thickness; offset_hu was added to all HU, and "
        "white noise with the standard deviation extra_noise_hu.",
    }


def _prepare(folder: Path, about: dict[str, Any]) -> None:
    """Have the folder be that of this cohort, or raise."""
    make_folder(folder)
    sweep(folder)
    path = folder / ABOUT
    if not path.is_file():
        if any(folder.iterdir()):
            raise InputError(f"'{folder}' is not empty; choose another folder.")
        write_json(path, about)
    try:
        same = parsed_json(path.read_text(encoding="utf-8")) == about
    except ValueError:
        same = False
    if not same:
        raise InputError(f"'{folder}' holds phantoms made otherwise; choose another folder.")


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
