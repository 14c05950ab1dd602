"""The recipe of LIDC-IDRI: nodules with masks and readers' ratings become manifests.

LIDC-IDRI (Armato et al. 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY
3.0) has CT of lung nodules with outlines and ratings of up to four readers. The recipe takes arrays
cut out of its CT (`lidc_arrays`) or the collection itself, in DICOM with XML (`lidc_dicom`). Its
patient IDs are public.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..data.case_loop import resume_folder
from ..errors import InputError
from ..files import make_folder, sha256_of_file, sweep, write_csv
from ..imaging.files.write import write_volumes
from ..progress import Progress, Silent, step
from .lidc_arrays import KEY, SETS, Nodule, nodules_of_set, ratings_of_readers, read_table
from .lidc_dicom import annotated_series, write_originals
from .reader_agreement import TABLE as READER_MASKS
from .reader_agreement import compared_masks, format_spacing

ABOUT = "lidc.json"
CITATION = (
    "LIDC-IDRI, The Cancer Imaging Archive, CC BY 3.0: Armato et al. 2011, doi:10.1118/1.3528204; "
    "data doi:10.7937/K9/TCIA.2015.LO9QL9SX."
)
DIAGNOSES = {"1": "benign", "2": "cancer", "3": "cancer"}  # 2: of the lung, 3: a metastasis


@dataclass(frozen=True)
class Recipe:
    """What a recipe has written.

    Attributes:
        manifests: their paths by name.
        messages: a sentence for each CT that was left out.
    """

    manifests: Mapping[str, Path]
    messages: Sequence[str] = ()


def write_lidc(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Recipe:
    """Write manifests of the nodules of LIDC-IDRI, with their masks.

    From arrays, each nodule is a small CT and a mask. Each set has a manifest of its name:
    `cubes51.csv` (cubes of 51 mm with everything round the nodule), `voi3d.csv`, `stacks72.csv`
    (nothing above and below the nodule) and `slices71.csv` (one slice a nodule). `nodules.csv` has
    each nodule once, from the better of `voi3d` and `stacks72`; `volumes.csv` has these and the
    cubes. From the collection itself there is `nodules.csv` alone, whose CT are the whole series.

    The columns are those of `rating_columns`, `diagnosis` (at the patient's largest nodule, where
    `pathology.csv` has one), `fold` (of `patients.csv`), `set`, `nodule_ml` and `spacing_mm`.
    `reader_masks.csv` has the Dice coefficients of the readers' masks of each nodule, where these
    are known.

    Args:
        source: folder of the arrays, with `patients.csv` and one folder for each set; or folder of
            the DICOM series and XML files, in which both tables may be missing.
        folder: of the output; the same call continues one that was stopped.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: there is no such data, or it is damaged; or the output folder holds other files.
    """
    source, target, progress = Path(source), Path(folder).absolute(), progress or Silent()
    if not source.is_dir():
        raise InputError(f"There is no folder '{source}': name the folder of LIDC-IDRI.")
    if target == source.absolute() or source.absolute() in target.parents:
        raise InputError(f"'{target}' is in the folder of the data; choose another folder.")
    sets = [name for name in SETS if (source / name / "labels.csv").is_file()]
    diagnoses = _diagnoses(source)
    if sets:
        tables, compared = _write_sets(source, target, sets, progress)
        messages: Sequence[str] = ()
    else:
        annotated = annotated_series(source, progress)
        _prepare(target, {"source": "DICOM with XML"})
        rows, compared, messages = write_originals(annotated, target, _folds(source), progress)
        tables = {"nodules": rows}
    if compared:
        write_csv(target / READER_MASKS, tuple(compared[0]), compared)
    for name, table in tables.items():
        _diagnose(table, diagnoses)
        write_csv(target / f"{name}.csv", tuple(table[0]), table)
    return Recipe({name: target / f"{name}.csv" for name in tables}, messages)


def _write_sets(
    source: Path, target: Path, sets: Sequence[str], progress: Progress
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    """Write the nodules of all sets of arrays.

    Returns:
        The manifests' rows by name, and the rows of the comparisons of the readers' masks.
    """
    folds = _folds(source, required=True)
    ratings = ratings_of_readers(source)
    hashes = {name: sha256_of_file(source / name / "labels.csv") for name in sets}
    _prepare(target, {"source": "arrays", "sets": list(sets), "sha256": hashes})
    rows: dict[str, list[dict[str, Any]]] = {}
    compared: list[dict[str, Any]] = []
    for number, name in enumerate(sets):
        make_folder(target / name)
        sweep(target / name)
        rows[name] = []
        for done, nodule in nodules_of_set(source / name, ratings):
            fraction = (number + done) / len(sets)
            step(progress, fraction, f"{name}: {len(rows[name])} nodules")
            row = _write(target, name, nodule, folds)
            rows[name].append(row)
            if nodule.drawn is not None:
                compared += compared_masks(row, nodule.drawn)
    manifests = {**_joined(rows), **rows}
    for table in manifests.values():
        for row in table:
            del row[KEY]
    return {name: table for name, table in manifests.items() if table}, compared


def _prepare(folder: Path, about: Mapping[str, Any]) -> None:
    about = {"citation": CITATION, "licence": "CC BY 3.0", **about}
    another = "the nodules of other data, or of an older version"
    resume_folder(folder / ABOUT, about, another=another)


def _write(folder: Path, name: str, nodule: Nodule, folds: Mapping[str, str]) -> dict[str, Any]:
    """Write CT and mask of a nodule, unless they are there; return its row of the manifest."""
    ct, mask = f"{name}/{nodule.case}.mha", f"{name}/{nodule.case}-mask.mha"
    if not ((folder / ct).is_file() and (folder / mask).is_file()):
        write_volumes(
            {
                folder / ct: _image(nodule.hu, nodule.spacing),
                folder / mask: _image(nodule.mask, nodule.spacing),
            }
        )
    return {
        "case": nodule.case,
        "patient_id": nodule.patient,
        "ct": ct,
        "mask": mask,
        "set": name,
        "fold": folds.get(nodule.patient, ""),
        "nodule_ml": round(nodule.volume_ml, 5),
        "spacing_mm": format_spacing(nodule.spacing),
        **nodule.columns,
    }


def _image(array: Any, spacing: Sequence[float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(step) for step in spacing])
    return image


def _joined(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the manifests over several sets: each nodule once, and all volumes."""
    better = rows.get("voi3d", [])
    known = {row[KEY] for row in better}
    nodules = [*better, *(row for row in rows.get("stacks72", []) if row[KEY] not in known)]
    volumes = [*rows.get("cubes51", []), *nodules]
    joined = {"nodules": nodules, "volumes": volumes}
    return {name: [dict(row) for row in table] for name, table in joined.items()}


def _folds(source: Path, *, required: bool = False) -> dict[str, str]:
    path = source / "patients.csv"
    if not (required or path.is_file()):
        return {}
    return {row["patient_id"]: row["fold"] for row in read_table(path, ("patient_id", "fold"))}


def _diagnose(table: Sequence[dict[str, Any]], diagnoses: Mapping[str, str]) -> None:
    """Give each patient's diagnosis to the largest nodule; `diagnosis` is empty elsewhere."""
    largest: dict[str, dict[str, Any]] = {}
    for row in table:
        row["diagnosis"] = ""
        other = largest.setdefault(row["patient_id"], row)
        if row["nodule_ml"] > other["nodule_ml"]:
            largest[row["patient_id"]] = row
    for patient, row in largest.items():
        row["diagnosis"] = diagnoses.get(patient, "")


def _diagnoses(source: Path) -> dict[str, str]:
    path, columns = source / "pathology.csv", ("patient_id", "diagnosis_patient")
    rows = read_table(path, columns) if path.is_file() else []
    return {
        row["patient_id"]: DIAGNOSES[row["diagnosis_patient"]]
        for row in rows
        if row["diagnosis_patient"] in DIAGNOSES
    }
