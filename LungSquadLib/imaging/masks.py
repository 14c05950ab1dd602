"""The tumour mask, from whatever file holds it, on the grid of its CT."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, parsing
from .ct import CT, DicomOrigin, as_ct
from .dicom import header as tags
from .dicom.header import Header, read_header
from .dicom.rtstruct import Contours, rasterise, read_rtstruct
from .dicom.seg import Segmentation, read_seg, segment_image
from .dicom.series import find_series
from .files.volumes import VolumeFile, is_volume_file, open_volume_file
from .flags import Flag
from .geometry import Grid, like
from .label_maps import (
    MEANING,
    Segment,
    count_labels,
    file_planes,
    image_planes,
    label_number,
    labelled_box,
    segments_of,
)
from .mask_geometry import (
    geometry_flags,
    no_overlap,
    outside_fraction,
    resampled,
    resampled_flag,
    trimmed,
)
from .rois import Roi, choose, offers

_MOST_LABELS = 256  # more different values than this make an image
FLAGS_FIELD = "LungSquad_flags"  # of a mask file: what had been found when it was written


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
    label: int | float | str | None = None,
) -> Mask:
    """Read a tumour mask and place it on the CT's grid.

    Args:
        path: a label map (NRRD, NIfTI, MHA), a Slicer `.seg.nrrd`, a DICOM SEG or RTSTRUCT, or a
            folder with one of the latter two.
        ct: the CT that the mask belongs to.
        roi: the name of the segment or ROI, where the file names several; its number or
            identifier will do where no name fits.
        label: the value of the tumour's voxels, where a label map holds several; 1.0 is 1.

    Raises:
        InputError: nothing or too much to choose from, an unknown name (the message lists those
            there are), another frame of reference, no overlap, an empty or damaged mask.
        OSError: the file cannot be opened.
    """
    source = Path(path)
    ct = as_ct(ct)
    label = None if label is None else label_number(label)
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
        raise InputError(
            f"'{path}' is not a label map: choose by name with --roi, not --label. {MEANING}"
        )
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
            rois = _rois_of_seg(read_seg(header.path))
        else:
            rois = _rois_of_rtstruct(read_rtstruct(header.path)[0])
    usable = [roi for roi in rois if not roi.empty]
    return [Choice(roi.name, offer) for roi, offer in zip(usable, offers(usable), strict=True)]


def _rois_of_seg(segmentation: Segmentation) -> list[Roi]:
    with_frames = {number for number, _ in segmentation.frames}
    return [
        Roi(one.label, one.number, empty=not with_frames & {0, one.number})
        for one in segmentation.segments
    ]


def _rois_of_rtstruct(contours: Sequence[Contours]) -> list[Roi]:
    return [Roi(one.name, one.number, empty=not one.contours) for one in contours]


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
    label: int | float | str | None = None,
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
    number = None if label is None else label_number(label)
    box, array = labelled_box(image_planes(mask), number, name)
    ct, grid = as_ct(ct), Grid.of(mask)
    return _placed(grid.part(box).image(array), ct, name, source, geometry_flags(grid, ct.grid))


def _from_label_map(file: VolumeFile, ct: CT, roi: str | None, label: int | None) -> Mask:
    if roi is not None:
        raise InputError(
            f"'{file.path}' is a label map without names: choose with --label, not --roi."
        )
    _check_one_component(file)
    box, array = labelled_box(file_planes(file), label, file.path)
    name = "mask" if label is None else f"label {label}"
    flags = geometry_flags(file.grid, ct.grid)
    return _placed(file.grid.part(box).image(array), ct, name, "label map", flags)


def _check_one_component(file: VolumeFile) -> None:
    if file.components != 1:
        raise InputError(f"'{file.path}' has {file.components} values a voxel; a mask has one.")


def _segment_rois(segments: list[Segment]) -> list[Roi]:
    return [Roi(one.name, number, one.identifier) for number, one in enumerate(segments, 1)]


def _from_segments(
    file: VolumeFile, segments: list[Segment], ct: CT, roi: str | None, label: int | None
) -> Mask:
    if label is not None:
        raise InputError(
            f"'{file.path}' names its segments: choose with --roi, not --label. {MEANING}"
        )
    segment = segments[choose(_segment_rois(segments), roi, file.path).number - 1]
    planes = file_planes(file, segment.layer)
    if segment.label not in count_labels(planes):
        raise InputError(f"The segment '{segment.name}' of '{file.path}' is empty.")
    box, array = labelled_box(planes, segment.label, file.path)
    image = file.grid.part(box).image(array)
    flags = [*_own_flags(file), *geometry_flags(file.grid, ct.grid)]
    return _placed(image, ct, segment.name, "Slicer segmentation", flags)


def _own_flags(file: VolumeFile) -> list[Flag]:
    """The flags of a mask that `files.transfer.write_mask` wrote."""
    with parsing(file.path, "a mask that LungSquad wrote"):
        return [Flag.of(value) for value in json.loads(file.fields.get(FLAGS_FIELD, "[]"))]


def _from_seg(path: str, ct: CT, roi: str | None) -> Mask:
    segmentation = read_seg(path)
    chosen = choose(_rois_of_seg(segmentation), roi, path)
    flags = _check_reference(
        ct.dicom, segmentation.frame_of_reference, segmentation.referenced_series, path
    )
    segment = next(one for one in segmentation.segments if one.number == chosen.number)
    image = segment_image(segmentation, segment, ct.grid)
    return _placed(image, ct, segment.label, "DICOM SEG", flags)


def _from_rtstruct(path: str, ct: CT, roi: str | None) -> Mask:
    contours, drawn_on = read_rtstruct(path)
    rois = _rois_of_rtstruct(contours)
    outline = contours[rois.index(choose(rois, roi, path))]
    flags = _check_reference(ct.dicom, outline.frame_of_reference, drawn_on, path)
    return mask_of_contours(outline, ct, flags)


def mask_of_contours(outline: Contours, ct: CT, flags: Sequence[Flag] = ()) -> Mask:
    """One ROI of an RTSTRUCT on the CT's grid; see `read_mask`."""
    box, array, more = rasterise(outline, ct.grid)
    image = ct.grid.part(box).image(array)
    return _placed(image, ct, outline.title, "DICOM RTSTRUCT", [*flags, *more])


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
    outside = outside_fraction(image, ct.grid)
    if outside == 1:
        raise InputError(no_overlap(own, ct.grid, name, flags))
    if outside > 0:
        percent = f"{outside:.1%}" if outside >= 0.001 else "Less than 0.1%"
        sentence = f"{percent} of the mask lies outside the CT and was left out."
        flags = [*flags, Flag("mask_outside_ct", "severe", sentence)]
    offset = own.offset_in(ct.grid)
    moved = image if offset is not None else resampled(image, ct.grid)
    offset = Grid.of(moved).offset_in(ct.grid) or (0, 0, 0)
    within = Grid.of(moved).box.shifted(offset).within(ct.grid.box)
    kept = sitk.GetArrayViewFromImage(moved)[
        within.shifted((-offset[0], -offset[1], -offset[2])).slices
    ]
    if not kept.any():
        raise InputError(
            f"The mask '{name}' is smaller than the CT's voxels and holds the centre of none of "
            "them. Choose another mask, or the CT that it was drawn on."
        )
    if moved is not image:
        drawn = np.count_nonzero(sitk.GetArrayViewFromImage(image)) * (1 - outside)
        volumes = drawn * own.voxel_volume, np.count_nonzero(kept) * ct.grid.voxel_volume
        flags = [*flags, resampled_flag(own, *volumes)]
    box, kept = trimmed(within, kept)
    return Mask(ct.grid.part(box).image(kept), name, source, tuple(flags))
