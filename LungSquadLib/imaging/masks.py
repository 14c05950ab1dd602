"""The tumour mask, from whatever file holds it, on the grid of its CT."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from . import dicom_header as tags
from .ct import CT, DicomOrigin, as_ct
from .dicom_header import Header, read_header
from .dicom_seg import read_seg, segment_image
from .dicom_series import find_series
from .flags import Flag
from .geometry import Box, Grid, Index
from .label_maps import (
    LONGEST_NAME,
    Segment,
    count_labels,
    file_planes,
    image_planes,
    labelled_box,
    segments_of,
)
from .orientation import like
from .rtstruct import mask_of_roi, read_rtstruct
from .volume_files import VolumeFile, is_volume_file, open_volume_file

_MOST_LABELS = 256  # more different values than this make an image
FLAGS_FIELD = "LungSquad_flags"  # of a mask file: what had been found when it was written


@dataclass(frozen=True)
class Roi:
    """Something in a mask file that can be chosen with --roi or --label."""

    name: str
    number: int
    identifier: str = ""

    def __str__(self) -> str:
        return f"'{self.name}'" if self.name else f"number {self.number}"


@dataclass(frozen=True)
class Choice:
    """Something in a mask file, and the `roi` or `label` with which `read_mask` takes it."""

    name: str
    roi: str | None = None
    label: int | None = None


@dataclass(frozen=True)
class Mask:
    """A tumour mask: `image` is uint8 (1 inside), in its box, on voxels of the CT's `grid`."""

    image: sitk.Image
    name: str
    source: str
    flags: tuple[Flag, ...] = ()


def read_mask(
    path: str | os.PathLike[str],
    ct: CT | sitk.Image,
    *,
    roi: str | None = None,
    label: int | None = None,
) -> Mask:
    """Read a tumour mask and place it on the CT's grid.

    Args:
        path: a label map (NRRD, NIfTI, MHA), a Slicer `.seg.nrrd`, a DICOM SEG or RTSTRUCT, or a
            folder with one of the latter two.
        ct: the CT that the mask belongs to.
        roi: the name of the segment or ROI, where the file names several; its number or
            identifier will do where no name fits.
        label: the value to take, where a label map holds several.

    Raises:
        InputError: nothing or too much to choose from, an unknown name (the message lists those
            there are), another frame of reference, no overlap, an empty or damaged mask.
        OSError: the file cannot be opened.
    """
    source = Path(path)
    ct = as_ct(ct)
    if not source.exists():
        raise InputError(f"There is no file or folder '{path}'.")
    if source.is_file() and is_volume_file(source):
        file = open_volume_file(source)
        segments = segments_of(file)
        return (
            _from_segments(file, segments, ct, roi, label)
            if segments
            else (_from_label_map(file, ct, roi, label))
        )
    if label is not None:
        raise InputError(f"'{path}' is not a label map: choose by name with --roi, not --label.")
    header = _dicom_mask(source)
    if header.text(tags.MODALITY) == "SEG":
        return _from_seg(header.path, ct, roi)
    return _from_rtstruct(header.path, ct, roi)


def choices(path: str | os.PathLike[str]) -> list[Choice]:
    """What a mask file holds to choose from; see `read_mask`.

    Raises:
        InputError: the file holds no mask, or is damaged.
        OSError: the file cannot be opened.
    """
    source = Path(path)
    if not source.exists():
        raise InputError(f"There is no file or folder '{path}'.")
    if source.is_file() and is_volume_file(source):
        file = open_volume_file(source)
        segments = segments_of(file)
        if not segments:
            return _labels(file)
        rois = _segment_rois(segments)
    else:
        header = _dicom_mask(source)
        if header.text(tags.MODALITY) == "SEG":
            rois = [Roi(one.label, one.number) for one in read_seg(header.path).segments]
        else:
            rois = [Roi(one.name, one.number) for one in read_rtstruct(header.path)[0]]
    names = Counter(roi.name for roi in rois)
    return [
        Choice(roi.name, roi.name if roi.name and names[roi.name] == 1 else str(roi.number))
        for roi in rois
    ]


def _labels(file: VolumeFile) -> list[Choice]:
    _check_one_component(file)
    counts = count_labels(file_planes(file), most=_MOST_LABELS)
    if len(counts) > _MOST_LABELS:
        raise InputError(
            f"'{file.path}' holds more than {_MOST_LABELS} different values: it is an image, and "
            "no mask."
        )
    return [Choice(f"label {label}", label=label) for label in counts]


def as_mask(
    mask: Mask | sitk.Image,
    ct: CT | sitk.Image,
    *,
    label: int | None = None,
    name: str = "mask",
    source: str = "image",
) -> Mask:
    """A SimpleITK image as a mask on the CT's grid; a Mask as it is, its axes as the CT's.

    Raises:
        InputError: the image is empty, has several labels and none is named, or lies elsewhere.
    """
    if isinstance(mask, Mask):
        image = like(mask.image, as_ct(ct).grid)
        return mask if image is mask.image else replace(mask, image=image)
    if mask.GetDimension() != 3 or mask.GetNumberOfComponentsPerPixel() != 1:
        raise InputError("The mask must be a 3D image with one value a voxel.")
    box, array = labelled_box(image_planes(mask), label, name)
    return _placed(Grid.of(mask).part(box).image(array), as_ct(ct), name, source, [])


def choose(rois: Sequence[Roi], wanted: str | None, path: str) -> Roi:
    """The ROI called `wanted`, or the only one there is.

    Raises:
        InputError: there is none of that name, there are several, or there is none at all.
    """
    if not rois:
        raise InputError(f"'{path}' holds no ROI or segment.")
    if wanted is None:
        if len(rois) == 1:
            return rois[0]
        raise InputError(
            f"'{path}' holds {len(rois)} ROIs; choose one with --roi: {_listed(rois)}."
        )
    named = one_line(wanted, most=LONGEST_NAME)
    for fits in (
        lambda roi: roi.name == wanted,
        lambda roi: roi.name.casefold() == wanted.casefold(),
        lambda roi: wanted in (roi.identifier, str(roi.number)),
    ):
        fitting = [roi for roi in rois if fits(roi)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            numbers = ", ".join(str(roi.number) for roi in fitting)
            raise InputError(
                f"'{path}' holds {len(fitting)} ROIs called '{named}'; "
                f"choose by number with --roi: {numbers}."
            )
    raise InputError(f"'{path}' holds no ROI called '{named}'; it holds {_listed(rois)}.")


def _from_label_map(file: VolumeFile, ct: CT, roi: str | None, label: int | None) -> Mask:
    if roi is not None:
        raise InputError(
            f"'{file.path}' is a label map without names: choose with --label, not --roi."
        )
    _check_one_component(file)
    box, array = labelled_box(file_planes(file), label, file.path)
    name = "mask" if label is None else f"label {label}"
    return _placed(file.grid.part(box).image(array), ct, name, "label map", [])


def _check_one_component(file: VolumeFile) -> None:
    if file.components != 1:
        raise InputError(f"'{file.path}' has {file.components} values a voxel; a mask has one.")


def _segment_rois(segments: list[Segment]) -> list[Roi]:
    return [Roi(one.name, number, one.identifier) for number, one in enumerate(segments, 1)]


def _from_segments(
    file: VolumeFile, segments: list[Segment], ct: CT, roi: str | None, label: int | None
) -> Mask:
    if label is not None:
        raise InputError(f"'{file.path}' names its segments: choose with --roi, not --label.")
    segment = segments[choose(_segment_rois(segments), roi, file.path).number - 1]
    planes = file_planes(file, segment.layer)
    if segment.label not in count_labels(planes):
        raise InputError(f"The segment '{segment.name}' of '{file.path}' is empty.")
    box, array = labelled_box(planes, segment.label, file.path)
    image = file.grid.part(box).image(array)
    return _placed(image, ct, segment.name, "Slicer segmentation", _own_flags(file))


def _own_flags(file: VolumeFile) -> list[Flag]:
    """The flags of a mask that `handover.write_mask` wrote."""
    with parsing(file.path, "a mask that LungSquad wrote"):
        return [Flag.of(value) for value in json.loads(file.fields.get(FLAGS_FIELD, "[]"))]


def _from_seg(path: str, ct: CT, roi: str | None) -> Mask:
    segmentation = read_seg(path)
    rois = [Roi(segment.label, segment.number) for segment in segmentation.segments]
    chosen = choose(rois, roi, path)
    flags = _check_reference(
        ct.dicom, segmentation.frame_of_reference, segmentation.referenced_series, path
    )
    segment = next(one for one in segmentation.segments if one.number == chosen.number)
    image = segment_image(segmentation, segment, ct.grid)
    return _placed(image, ct, segment.label, "DICOM SEG", flags)


def _from_rtstruct(path: str, ct: CT, roi: str | None) -> Mask:
    contours, drawn_on = read_rtstruct(path)
    chosen = choose([Roi(one.name, one.number) for one in contours], roi, path)
    outline = next(one for one in contours if one.number == chosen.number)
    flags = _check_reference(ct.dicom, outline.frame_of_reference, drawn_on, path)
    image, more = mask_of_roi(outline, ct)
    return _placed(image, ct, outline.name, "DICOM RTSTRUCT", [*flags, *more])


def _dicom_mask(source: Path) -> Header:
    """The header of the one SEG or RTSTRUCT that the path is or holds."""
    if source.is_file():
        header = read_header(source)
        modality = header.text(tags.MODALITY) if header else ""
        if header is not None and modality in ("SEG", "RTSTRUCT"):
            return header
        what = f"of modality {modality}" if modality else "no mask format"
        raise InputError(
            f"'{source}' is {what}; give a label map, .seg.nrrd, DICOM SEG or RTSTRUCT."
        )
    masks = [
        header
        for series in find_series(source).series
        for header in series.headers
        if header.text(tags.MODALITY) in ("SEG", "RTSTRUCT")
    ]
    if len(masks) == 1:
        return masks[0]
    if not masks:
        raise InputError(f"'{source}' holds no DICOM SEG or RTSTRUCT; give the mask's file.")
    names = ", ".join(sorted(f"'{Path(header.path).name}'" for header in masks))
    raise InputError(f"'{source}' holds {len(masks)} masks; give one file: {names}.")


def _check_reference(
    dicom: DicomOrigin | None, frame: str, series: frozenset[str] | set[str], path: str
) -> list[Flag]:
    if dicom is None:
        return []
    if frame and dicom.frame_of_reference and frame != dicom.frame_of_reference:
        raise InputError(
            f"'{path}' was drawn in another frame of reference than the CT's: it belongs to "
            "another scan. Give the CT it was drawn on."
        )
    if series and dicom.series_uid not in series:
        sentence = "The mask was drawn on another series of the same frame of reference."
        return [Flag("mask_of_other_series", "warning", sentence)]
    return []


def _placed(image: sitk.Image, ct: CT, name: str, source: str, flags: list[Flag]) -> Mask:
    """The mask on voxels of the CT's grid, in its order, without what lies beyond it."""
    image = like(image, ct.grid)
    own = Grid.of(image)
    offset = own.offset_in(ct.grid)
    if offset is None:
        image = _resampled(image, ct.grid)
        flags = [*flags, Flag("mask_resampled", "info", _RESAMPLED)]
        offset = Grid.of(image).offset_in(ct.grid) or (0, 0, 0)
    box = Grid.of(image).box.shifted(offset)
    inside = box.within(ct.grid.box)
    array = sitk.GetArrayViewFromImage(image)
    kept = array[inside.shifted((-offset[0], -offset[1], -offset[2])).slices]
    before, after = np.count_nonzero(array), np.count_nonzero(kept)
    if after == 0:
        raise InputError(_no_overlap(own, ct.grid, name))
    if after < before:
        sentence = f"{1 - after / before:.0%} of the mask lies outside the CT and was left out."
        flags = [*flags, Flag("mask_outside_ct", "severe", sentence)]
    return Mask(ct.grid.part(inside).image(kept), name, source, tuple(flags))


_RESAMPLED = "The mask was on another grid; it was moved onto the CT's by nearest neighbour."


def _resampled(image: sitk.Image, ct: Grid) -> sitk.Image:
    own = Grid.of(image)
    last = np.array(own.size) - 0.5
    corners = np.array([np.where(far, last, -0.5) for far in np.ndindex(2, 2, 2)])
    there = ct.to_index(own.to_lps(corners))
    size = np.array(ct.size)
    start = np.clip(np.floor(there.min(axis=0)), 0, size - 1).astype(int)
    stop = np.clip(np.ceil(there.max(axis=0)) + 1, start + 1, size).astype(int)
    part = ct.part(Box(_index(start), _index(stop)))
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    resample.SetSize(part.size)
    resample.SetOutputSpacing(part.spacing)
    resample.SetOutputOrigin(part.origin)
    resample.SetOutputDirection(part.direction)
    return resample.Execute(image)


def _index(values: np.ndarray) -> Index:
    return (int(values[0]), int(values[1]), int(values[2]))


def _no_overlap(mask: Grid, ct: Grid, name: str) -> str:
    def extent(grid: Grid) -> str:
        corners = grid.to_lps(np.array([grid.box.start, grid.size]))
        low, high = corners.min(axis=0), corners.max(axis=0)
        return " x ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))

    return (
        f"The mask '{name}' and the CT do not overlap: the mask covers {extent(mask)} mm (LPS), "
        f"the CT {extent(ct)} mm. They belong to different scans or spaces."
    )


def _listed(rois: Sequence[Roi]) -> str:
    more = f" and {len(rois) - 40} more" if len(rois) > 40 else ""
    return ", ".join(str(roi) for roi in rois[:40]) + more
