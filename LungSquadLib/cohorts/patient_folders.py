"""A folder of patients, a folder each with a CT and outlines, as a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import CancelledError, InputError, LungSquadError, understood
from ..files import write_csv
from ..imaging.dicom import header as tags
from ..imaging.dicom.series import Series, find_series
from ..imaging.files.volumes import is_volume_file
from ..imaging.mask_files import choices
from ..progress import Progress, Silent, step
from .fetched_manifest import referenced_series

TUMOUR_WORDS = ("gtv", "tumor", "tumour", "lesion", "nodule", "neoplasm")
_MASK_WORDS = (*TUMOUR_WORDS, "mask", "seg", "label", "roi")
_COLUMNS = ("case", "patient_id", "ct", "mask", "roi", "label", "series")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,90}")


def is_tumour_name(name: str) -> bool:
    """Return whether an outline's name has a word for a tumour."""
    return any(word in name.lower() for word in TUMOUR_WORDS)


def write_folder_manifest(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Write the manifest of a folder of patients; return why folders are left out, by their names.

    Each folder in it is a patient with one CT, a DICOM series or a volume file, and outlines: DICOM
    SEG, without it RTSTRUCT, without both volume files with "mask", "seg", "label", "roi" or a word
    for a tumour in their names. Of several outlines those with a word for a tumour are taken, a row
    each; of several series the one that the outlines refer to. A case has its folder's name, unless
    that tells the patient's.

    Args:
        folder: of the patients.
        path: of the manifest, whose paths are absolute.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: there is no such folder, or not one patient in it can be used.
    """
    source, progress = Path(folder).absolute(), progress or Silent()
    if not source.is_dir():
        raise InputError(f"There is no folder '{folder}'.")
    patients = sorted(
        each
        for each in source.iterdir()
        if each.is_dir() and not each.is_symlink() and not each.name.startswith(".")
    )
    rows: list[dict[str, str]] = []
    problems: dict[str, str] = {}
    for number, patient in enumerate(patients):
        step(progress, number / len(patients), f"Folder {number + 1} of {len(patients)}")
        try:
            rows += _rows(patient)
        except CancelledError:
            raise
        except (LungSquadError, OSError) as error:
            problems[patient.name] = str(understood(error))
    if not rows:
        reason = next(iter(problems.values()), "It holds no folders.")
        raise InputError(f"Not one patient in '{folder}' can be used. {reason}")
    write_csv(path, _COLUMNS, rows, exact=True)
    return problems


@contextmanager
def manifest_of(
    source: str | os.PathLike[str], progress: Progress | None = None
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a manifest, and why folders are left out: the file, or a temporary one for a folder.

    Raises:
        InputError: as `write_folder_manifest`.
    """
    if not Path(source).is_dir():
        yield Path(source), {}
        return
    with TemporaryDirectory(prefix="lungsquad-") as temporary:
        path = Path(temporary, "manifest.csv")
        yield path, write_folder_manifest(source, path, progress=progress)


@dataclass(frozen=True)
class _Outline:
    """An outline in a file."""

    path: Path
    name: str
    roi: str
    label: str


def _rows(patient: Path) -> list[dict[str, str]]:
    """Return a row for each tumour of a patient."""
    search = find_series(patient)
    cts = [series for series in search.series if series.ct_images]
    segs, structures = (
        [
            Path(header.path)
            for series in search.series
            if series.modality == modality
            for header in series.headers
        ]
        for modality in ("SEG", "RTSTRUCT")
    )
    in_dicom = {header.path for series in search.series for header in series.headers}
    files = (path for path in sorted(patient.rglob("*")) if str(path) not in in_dicom)
    volumes = [each for each in files if each.is_file() and is_volume_file(each)]
    masks = [each for each in volumes if any(word in each.name.lower() for word in _MASK_WORDS)]
    outlines = _outlines(segs or structures or masks)
    if cts:
        series = _series(cts, segs or structures)
        header = series.ct_images[0]
        ct, uid = patient, series.uid
        patient_id, name = header.decoded(tags.PATIENT_ID), header.decoded(tags.PATIENT_NAME)
    else:
        ct, uid, patient_id, name = (
            _only([each for each in volumes if each not in masks]),
            "",
            "",
            "",
        )
    case = (
        patient.name
        if _NAME.fullmatch(patient.name) and not _has_part_of(patient.name, name)
        else ""
    )
    numbers = [f"-{number:02d}" for number in range(1, len(outlines) + 1)]
    return [
        {
            "case": case and case + number,
            "patient_id": patient_id,
            "ct": str(ct),
            "mask": str(outline.path),
            "roi": outline.roi,
            "label": outline.label,
            "series": uid,
        }
        for outline, number in zip(outlines, numbers if outlines[1:] else [""], strict=True)
    ]


def _outlines(files: Sequence[Path]) -> list[_Outline]:
    """Return the outlines of tumours: the only one, or those whose names say so."""
    listed = [
        _Outline(file, choice.name, choice.roi or "", str(choice.label or ""))
        for file in files
        for choice in choices(file)
    ]
    named = [each for each in listed if is_tumour_name(each.name)] or [
        each for each in listed if is_tumour_name(each.path.name)
    ]
    if listed[1:] and not named:
        names = ", ".join(f"'{each.name}'" for each in listed[:12])
        raise InputError(f"It holds several outlines, and none is called a tumour: {names}.")
    if not listed:
        raise InputError("It holds no outline: no SEG, no RTSTRUCT, no volume file of a mask.")
    return named or listed


def _series(cts: Sequence[Series], drawn: Sequence[Path]) -> Series:
    """Return the CT series, of several the one that the outlines refer to."""
    uids = {uid for path in drawn for uid in referenced_series(path)}
    candidates = [series for series in cts if series.uid in uids] or cts
    if len(candidates) > 1:
        raise InputError(
            f"It holds {len(candidates)} CT series, and no outline says which to take."
        )
    return candidates[0]


def _only(volumes: Sequence[Path]) -> Path:
    if len(volumes) != 1:
        raise InputError(f"It holds {len(volumes)} volume files that may be its CT, not one.")
    return volumes[0]


def _has_part_of(folder: str, patient_name: str) -> bool:
    """Return whether a folder's name has a part of the patient's name in it."""
    parts = re.split(r"[\W_]+", patient_name.casefold())
    return any(len(part) > 2 and part in folder.casefold() for part in parts)
