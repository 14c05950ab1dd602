"""The contents of a path: series, ROIs, segments and labels, with sizes and volumes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from .ct import CT, ct_of_series
from .dicom import header as tags
from .dicom.boxes import read_boxes, read_regions
from .dicom.rtstruct import Contours, read_rtstruct
from .dicom.seg import read_seg, segment_image
from .dicom.series import Series, find_series
from .files.volumes import VolumeFile, is_volume_file, open_volume_file
from .geometry import Grid
from .label_maps import count_labels, file_planes, image_planes, segments_of
from .mask_files import mask_of_contours

_MOST_LABELS = 256  # more different values than this make an image, not a label map


def inspect(path: str | os.PathLike[str], progress: Progress | None = None) -> dict[str, Any]:
    """Describe a DICOM folder or file, or a volume file, as plain lists and dictionaries.

    An entry that cannot be read has a `problem`: the error message.

    Raises:
        InputError: there is no such path, or it holds no DICOM series and no volume.
    """
    source = Path(path)
    if source.is_file() and is_volume_file(source):
        return {"path": str(path), "kind": "volume", **_volume(open_volume_file(source))}
    search = find_series(source, progress)
    if not search.series:
        raise InputError(f"'{path}' holds no DICOM series and is no volume file.")
    cts = {series.uid: _ct(series) for series in search.series if series.ct_images}
    described = [_series(series, cts) for series in search.series]
    return {
        "path": str(path),
        "kind": "dicom",
        "series": described,
        "other_files": search.other_files,
        "unreadable": search.unreadable,
    }


def _ct(series: Series) -> CT | InputError:
    try:
        return ct_of_series(series)
    except InputError as error:
        return error


def _series(series: Series, cts: dict[str, CT | InputError]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "uid": series.uid,
        "modality": series.modality,
        "description": series.description,
        "files": len(series.headers),
    }
    try:
        if series.uid in cts:
            ct = cts[series.uid]
            if isinstance(ct, InputError):
                raise ct
            row |= _grid(ct.stored)
            row["syntax"] = _syntax_name(series)
            row["flags"] = [flag.to_dict() for flag in ct.flags]
        elif series.modality == "RTSTRUCT":
            row["rois"] = [roi for h in series.headers for roi in _rois(h.path, cts)]
        elif series.modality == "SEG":
            row["segments"] = [item for h in series.headers for item in _segments(h.path)]
        elif series.modality == "SR":
            row["boxes"] = [box for h in series.headers for box in _boxes(h.path, cts)]
    except InputError as error:
        row["problem"] = str(error)
    return row


def _rois(path: str, cts: dict[str, CT | InputError]) -> list[dict[str, Any]]:
    contours, drawn_on = read_rtstruct(path)
    rows = []
    for roi in contours:
        row: dict[str, Any] = {
            "path": path,
            "name": roi.name,
            "number": roi.number,
            "contours": len(roi.contours),
        }
        ct = _drawn_on(roi, drawn_on, cts)
        if ct is not None and roi.contours:
            try:
                image = mask_of_contours(roi, ct).image
            except InputError as error:
                row["problem"] = str(error)
            else:
                row |= _volume_of(int(np.count_nonzero(sitk.GetArrayViewFromImage(image))), ct.grid)
        rows.append(row)
    return rows


def _boxes(path: str, cts: dict[str, CT | InputError]) -> list[dict[str, Any]]:
    """Describe the boxes of a report on the CT to which it refers; without that CT, its regions."""
    regions = read_regions(path)
    for ct in cts.values():
        if isinstance(ct, CT) and regions:
            try:
                boxes = read_boxes(path, ct)
            except InputError:  # they are on another CT
                continue
            return [
                {
                    "path": path,
                    "name": f"box {box.number}",
                    "number": box.number,
                    "site": box.site,
                    "slices": box.slices,
                    "centre_lps": list(box.centre_lps),
                    "size_mm": list(box.size_mm),
                }
                for box in boxes
            ]
    return [{"path": path, "name": "regions on another CT", "count": len(regions)}]


def _drawn_on(roi: Contours, drawn_on: set[str], cts: dict[str, CT | InputError]) -> CT | None:
    for uid, ct in cts.items():
        if isinstance(ct, CT) and ct.dicom is not None:
            same = ct.dicom.frame_of_reference == roi.frame_of_reference
            if uid in drawn_on or (not drawn_on and same):
                return ct
    return None


def _segments(path: str) -> list[dict[str, Any]]:
    segmentation = read_seg(path)
    rows = []
    for segment in segmentation.segments:
        row: dict[str, Any] = {"path": path, "name": segment.label, "number": segment.number}
        try:
            image = segment_image(segmentation, segment, None)
        except InputError as error:
            row["problem"] = str(error)
        else:
            counts = count_labels(image_planes(image))
            row |= _volume_of(sum(counts.values()), Grid.of(image))
        rows.append(row)
    return rows


def _volume(file: VolumeFile) -> dict[str, Any]:
    row: dict[str, Any] = _grid(file.grid)
    row["values"] = str(file.dtype.newbyteorder("="))
    segments = segments_of(file)
    if segments:
        layers = [count_labels(file_planes(file, layer)) for layer in range(file.components)]
        row["segments"] = [
            {
                "name": segment.name,
                "identifier": segment.identifier,
                **_volume_of(layers[segment.layer].get(segment.label, 0), file.grid),
            }
            for segment in segments
        ]
    elif file.components == 1 and file.dtype.kind in "iu":
        try:
            counts = count_labels(file_planes(file), most=_MOST_LABELS)
        except InputError:  # fractions, by the file's slope: a CT
            counts = {}
        if 0 < len(counts) <= _MOST_LABELS:
            row["labels"] = [
                {"label": label, **_volume_of(count, file.grid)} for label, count in counts.items()
            ]
    return row


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "size": list(grid.size),
        "spacing_mm": list(grid.spacing),
        "origin_lps": list(grid.origin),
        "direction": list(grid.direction),
    }


def _volume_of(voxels: int, grid: Grid) -> dict[str, Any]:
    return {"voxels": voxels, "volume_ml": voxels * grid.voxel_volume / 1000}


def _syntax_name(series: Series) -> str:
    from pydicom.uid import UID

    return str(UID(series.ct_images[0].text(tags.TRANSFER_SYNTAX)).name)
