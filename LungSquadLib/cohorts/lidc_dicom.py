"""The nodules of LIDC-IDRI itself: DICOM series and XML become masks and a manifest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, understood
from ..fields import parsed_json
from ..files import make_folder, sha256_of_file, sweep, write_csv, write_json
from ..imaging.contours import fill_even_odd
from ..imaging.ct import CT, open_ct
from ..imaging.dicom import header as tags
from ..imaging.dicom.header import read_header
from ..imaging.files.write import write_volumes
from ..progress import Progress, step
from .lidc_readings import Outline, Reading, Region, read_annotations, same_nodule
from .ratings import CHARACTERISTICS, rating_columns
from .reader_agreement import compared_masks, consensus, format_spacing

SET = "dicom"
ERRORS = "errors.csv"
_MASKS, _SERIES = "masks", "series"
_MOST_MESSAGES = 5


Row = dict[str, Any]


@dataclass(frozen=True)
class _Nodules:
    """The manifest's rows of a CT, and the rows of the comparisons of the readers' masks."""

    rows: list[Row]
    compared: list[Row]


@dataclass(frozen=True)
class _Series:
    """A CT series, its folder, its XML file, and a name for its files that holds no ID."""

    path: Path
    annotations: Path
    uid: str

    @property
    def name(self) -> str:
        return hashlib.sha256(self.uid.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class AnnotatedSeries:
    """The annotated CT below a folder.

    Attributes:
        series: in the order of their UIDs.
        problems: a sentence for each XML file, by its path from the folder, that cannot be used.
    """

    source: Path
    series: Sequence[_Series]
    problems: Mapping[str, str]


def annotated_series(source: Path, progress: Progress) -> AnnotatedSeries:
    """Return the annotated CT below a folder. Links to folders are not followed.

    Args:
        source: folder with DICOM series, one a folder, and XML files beside or apart from them.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: there are none.
    """
    folders: dict[str, Path] = {}
    annotations: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for count, (folder, names) in enumerate(_walk(source)):
        step(progress, 0.0, f"Reading headers ({count} folders)")
        uid = _series_uid(folder, names)
        if uid:
            folders.setdefault(uid, folder)
        for path in (folder / name for name in names if name.lower().endswith(".xml")):
            try:
                read = read_annotations(path)
            except (InputError, OSError) as error:
                problems[str(path.relative_to(source))] = str(understood(error))
                continue
            if read is not None:
                annotations.setdefault(read.series_uid, path)
    if not annotations and not problems:
        raise InputError(
            f"'{source}' holds neither the arrays of LIDC-IDRI (patients.csv and one of the "
            "folders cubes51, voi3d, stacks72, slices71) nor XML files of its readers. Choose "
            "another folder."
        )
    series = [
        _Series(folders.get(uid, path.parent), path, uid)
        for uid, path in sorted(annotations.items())
    ]
    return AnnotatedSeries(source, series, problems)


def write_originals(
    annotated: AnnotatedSeries, target: Path, folds: Mapping[str, str], progress: Progress
) -> tuple[list[Row], list[Row], Sequence[str]]:
    """Write a consensus mask for each nodule of all annotated CT.

    The mask is on the CT's grid, and has what at least half of the readers of the nodule drew.
    A CT that cannot be read is left out, with its reason in `errors.csv`.

    Args:
        annotated: the CT.
        target: folder of the output.
        folds: by patient ID; may be empty.
        progress: gets the state of the work; may cancel.

    Returns:
        The manifest's rows, those of the comparisons of the readers' masks, and sentences for the
        CT that were left out.

    Raises:
        InputError: none of the CT has a nodule that can be read.
    """
    for name in (_MASKS, _SERIES):
        make_folder(target / name)
        sweep(target / name)
    rows: list[Row] = []
    compared: list[Row] = []
    problems, count = dict(annotated.problems), len(annotated.series)
    for number, series in enumerate(annotated.series):
        step(progress, number / count, f"{number} of {count} CT, {len(rows)} nodules")
        try:
            nodules = _nodules_of(series, target)
        except InputError as error:
            problems[str(series.annotations.relative_to(annotated.source))] = str(error)
            continue
        rows += [{**row, "ct": str(series.path.absolute())} for row in nodules.rows]
        compared += nodules.compared
    errors = [{"file": name, "error": sentence} for name, sentence in problems.items()]
    write_csv(target / ERRORS, ("file", "error"), errors)
    messages = [f"{name}: {sentence}" for name, sentence in problems.items()]
    if not rows:
        raise InputError(" ".join(["No CT has a nodule of 3 mm or more.", *messages[:1]]))
    rows.sort(key=lambda row: (row["patient_id"], row["case"]))
    rows = [{**row, "fold": folds.get(row["patient_id"], "")} for row in rows]
    return rows, compared, [*messages[:_MOST_MESSAGES], *_count(len(messages))]


def _count(problems: int) -> list[str]:
    return [f"{problems} CT were left out; their reasons are in {ERRORS}."] if problems else []


def _walk(source: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, subfolders, names in os.walk(source):
        subfolders.sort()
        yield Path(folder), sorted(names)


def _series_uid(folder: Path, names: Sequence[str]) -> str:
    """Return the Series Instance UID of the first DICOM file of a folder; "" if there is none."""
    for name in names:
        path = folder / name
        if name.lower().endswith((".xml", ".csv")) or not path.is_file():
            continue
        try:
            header = read_header(path)
        except (InputError, OSError):
            continue
        if header is not None and tags.SERIES_UID in header.elements:
            return header.text(tags.SERIES_UID)
    return ""


def _nodules_of(series: _Series, target: Path) -> _Nodules:
    """Return the nodules of a CT; write their masks unless an earlier run has."""
    record = target / _SERIES / f"{series.name}.json"
    stamp = sha256_of_file(series.annotations)
    nodules = _recorded(record, stamp)
    if nodules is None or not all((target / row["mask"]).is_file() for row in nodules.rows):
        annotations = read_annotations(series.annotations)
        readings = annotations.readings if annotations is not None else ()
        nodules = _written(series, readings, target)
        write_json(
            record,
            {
                "annotations_sha256": stamp,
                "nodules": nodules.rows,
                "reader_masks": nodules.compared,
            },
        )
    return nodules


def _recorded(path: Path, stamp: str) -> _Nodules | None:
    """Return the nodules that an earlier run has recorded for the same annotations."""
    try:
        record = parsed_json(path.read_text(encoding="utf-8"))
        rows = [dict(row) for row in record["nodules"]]
        compared = [dict(row) for row in record["reader_masks"]]
        names = [row["mask"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = record["annotations_sha256"] == stamp and all(names)
    return _Nodules(rows, compared) if same else None


def _written(series: _Series, readings: Sequence[Reading], target: Path) -> _Nodules:
    """Write the masks of a CT."""
    ct = open_ct(series.path, series=series.uid)
    if ct.dicom is None or not ct.dicom.patient_id:
        raise InputError(f"'{series.path}' has no Patient ID.")
    drawn = [(reading, region_of(reading, ct)) for reading in readings]
    kept = [(reading, region) for reading, region in drawn if len(region.voxels)]
    nodules = _Nodules([], [])
    for number, group in enumerate(same_nodule([region for _, region in kept]), 1):
        case = f"{series.name}-{number}"
        name = f"{_MASKS}/{case}.nrrd"
        masks, box = _masks_of([kept[k][1] for k in group])
        mask = np.zeros(ct.stored.size[::-1], np.uint8)
        mask[box] = consensus(masks)
        write_volumes({target / name: ct.stored.image(mask)})
        ratings = [kept[k][0].ratings for k in group]
        row = {
            "case": case,
            "patient_id": ct.dicom.patient_id,
            "ct": "",
            "mask": name,
            "series": series.uid,
            "set": SET,
            "fold": "",
            "nodule_ml": round(float(mask.sum()) * ct.stored.voxel_volume / 1000, 5),
            "spacing_mm": format_spacing(ct.stored.spacing),
            **rating_columns({n: [r[n] for r in ratings if n in r] for n in CHARACTERISTICS}),
        }
        nodules.rows.append(row)
        nodules.compared.extend(compared_masks(row, masks))
    return nodules


def region_of(reading: Reading, ct: CT) -> Region:
    """Return the voxels that a reader outlined, on the stored grid of the CT.

    The outline's own pixels are not part of the nodule. Where an outline is round a part that does
    not belong to the nodule, neither that part nor its outline's pixels do.

    Raises:
        InputError: an outline is on a slice that the CT does not have.
    """
    inside: dict[int, np.ndarray] = {}
    columns, rows, _ = ct.stored.size
    planes = ct.dicom.planes if ct.dicom is not None else ()
    numbers = {plane.sop_instance: number for number, plane in enumerate(planes)}
    for outline in sorted(reading.outlines, key=lambda outline: not outline.inclusion):
        z = _slice_of(outline, ct, numbers)
        plane = inside.setdefault(z, np.zeros((rows, columns), bool))
        polygon = outline.points.astype(float)
        x, y, block = fill_even_odd([polygon], (0, 0), (columns, rows), edges=not outline.inclusion)
        part = plane[y : y + block.shape[0], x : x + block.shape[1]]
        if outline.inclusion:
            part |= block
        else:
            part &= ~block
    voxels = [np.insert(np.argwhere(plane), 0, z, axis=1) for z, plane in sorted(inside.items())]
    x_mm, y_mm, z_mm = ct.stored.spacing
    return Region(reading.reader, np.concatenate(voxels), (z_mm, y_mm, x_mm))


def _slice_of(outline: Outline, ct: CT, numbers: Mapping[str, int]) -> int:
    """Return the number of an outline's slice: by its UID, else by its position."""
    if outline.sop_uid in numbers:
        return numbers[outline.sop_uid]
    planes = ct.dicom.planes if ct.dicom is not None else ()
    distances = [abs(plane.position[2] - outline.z) for plane in planes]
    if distances and min(distances) < ct.stored.spacing[2] / 4:
        return int(np.argmin(distances))
    raise InputError(f"A reader's outline is at z = {outline.z:g} mm, where the CT has no slice.")


def _masks_of(regions: Sequence[Region]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Return the readers' masks (readers, z, y, x) in the box of a nodule, and the box."""
    voxels = np.concatenate([region.voxels for region in regions])
    low, high = voxels.min(axis=0), voxels.max(axis=0) + 1
    masks = np.zeros((len(regions), *(high - low)), np.uint8)
    for mask, region in zip(masks, regions, strict=True):
        mask[tuple((region.voxels - low).T)] = 1
    return masks, tuple(slice(a, b) for a, b in zip(low, high, strict=True))
