"""Reading tumour masks from files: label maps, Slicer segmentations, DICOM SEG and RTSTRUCT."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from .ct import CT, DicomOrigin, as_ct
from .dicom import header as tags
from .dicom.header import Header, read_header
from .dicom.rtstruct import Contours, rasterise, read_rtstruct
from .dicom.seg import Segmentation, read_seg, segment_image
from .dicom.series import find_series
from .files.volumes import VolumeFile, is_volume_file, open_volume_file
from .flags import Flag
from .label_maps import (
    LONGEST_NAME,
    MEANING,
    Segment,
    count_labels,
    file_planes,
    label_number,
    labelled_box,
    segments_of,
)
from .masks import Mask, geometry_flags, place_on_grid

_MOST_LABELS = 256  # more different values than this make an image
FLAGS_FIELD = "LungSquad_flags"  # of a mask file: the flags of the mask that was written


@dataclass(frozen=True)
class Choice:
    """A mask in a file, and the `roi` or `label` with which `read_mask` reads it."""

    name: str
    roi: str | None = None
    label: int | None = None


@dataclass(frozen=True)
class Roi:
    """An ROI or segment of a mask file, which --roi can name."""

    name: str
    number: int
    identifier: str = ""
    empty: bool = False


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
    """List the masks that a file holds; see `read_mask`.

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
    return [
        Choice(roi.name, option) for roi, option in zip(usable, _roi_options(usable), strict=True)
    ]


def _rois_of_seg(segmentation: Segmentation) -> list[Roi]:
    with_frames = {number for number, _ in segmentation.frames}
    return [
        Roi(segment.label, segment.number, empty=not with_frames & {0, segment.number})
        for segment in segmentation.segments
    ]


def _rois_of_rtstruct(contours: Sequence[Contours]) -> list[Roi]:
    return [Roi(roi.name, roi.number, empty=not roi.contours) for roi in contours]


def _labels(file: VolumeFile) -> list[Choice]:
    _check_one_component(file)
    counts = count_labels(file_planes(file), most=_MOST_LABELS)
    if len(counts) > _MOST_LABELS:
        raise InputError(
            f"'{file.path}' holds more than {_MOST_LABELS} different values: it is an image, and "
            "no mask."
        )
    return [Choice(f"label {label}", label=label) for label in counts]


def _from_label_map(file: VolumeFile, ct: CT, roi: str | None, label: int | None) -> Mask:
    if roi is not None:
        raise InputError(
            f"'{file.path}' is a label map without names: choose with --label, not --roi."
        )
    _check_one_component(file)
    box, array = labelled_box(file_planes(file), label, file.path)
    name = "mask" if label is None else f"label {label}"
    flags = geometry_flags(file.grid, ct.grid)
    return place_on_grid(file.grid.part(box).image(array), ct, name, "label map", flags)


def _check_one_component(file: VolumeFile) -> None:
    if file.components != 1:
        raise InputError(f"'{file.path}' has {file.components} values a voxel; a mask has one.")


def _segment_rois(segments: list[Segment]) -> list[Roi]:
    return [
        Roi(segment.name, number, segment.identifier) for number, segment in enumerate(segments, 1)
    ]


def _from_segments(
    file: VolumeFile, segments: list[Segment], ct: CT, roi: str | None, label: int | None
) -> Mask:
    if label is not None:
        raise InputError(
            f"'{file.path}' names its segments: choose with --roi, not --label. {MEANING}"
        )
    segment = segments[_choose(_segment_rois(segments), roi, file.path).number - 1]
    planes = file_planes(file, segment.layer)
    if segment.label not in count_labels(planes):
        raise InputError(f"The segment '{segment.name}' of '{file.path}' is empty.")
    box, array = labelled_box(planes, segment.label, file.path)
    image = file.grid.part(box).image(array)
    flags = [*_stored_flags(file), *geometry_flags(file.grid, ct.grid)]
    return place_on_grid(image, ct, segment.name, "Slicer segmentation", flags)


def _stored_flags(file: VolumeFile) -> list[Flag]:
    """Return the flags that `files.transfer.write_mask` stored in a mask file."""
    with parsing(file.path, "a mask that LungSquad wrote"):
        return [Flag.of(value) for value in json.loads(file.fields.get(FLAGS_FIELD, "[]"))]


def _from_seg(path: str, ct: CT, roi: str | None) -> Mask:
    segmentation = read_seg(path)
    chosen = _choose(_rois_of_seg(segmentation), roi, path)
    flags = _check_reference(
        ct.dicom, segmentation.frame_of_reference, segmentation.referenced_series, path
    )
    segment = next(s for s in segmentation.segments if s.number == chosen.number)
    image = segment_image(segmentation, segment, ct.grid)
    return place_on_grid(image, ct, segment.label, "DICOM SEG", flags)


def _from_rtstruct(path: str, ct: CT, roi: str | None) -> Mask:
    contours, drawn_on = read_rtstruct(path)
    rois = _rois_of_rtstruct(contours)
    outline = contours[rois.index(_choose(rois, roi, path))]
    flags = _check_reference(ct.dicom, outline.frame_of_reference, drawn_on, path)
    return mask_of_contours(outline, ct, flags)


def mask_of_contours(outline: Contours, ct: CT, flags: Sequence[Flag] = ()) -> Mask:
    """Rasterise an ROI of an RTSTRUCT on the CT's grid; see `read_mask`."""
    box, array, more = rasterise(outline, ct.grid)
    image = ct.grid.part(box).image(array)
    return place_on_grid(image, ct, outline.title, "DICOM RTSTRUCT", [*flags, *more])


def _dicom_mask(source: Path) -> Header:
    """Return the header of the only SEG or RTSTRUCT that the path is or holds."""
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


def _choose(rois: Sequence[Roi], wanted: str | None, path: str) -> Roi:
    """Return the ROI called `wanted`, or the only one.

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
        lambda roi: roi.name and roi.name == named,
        lambda roi: roi.name and roi.name.casefold() == named.casefold(),
        lambda roi: wanted in (roi.identifier, str(roi.number), _by_number(roi)),
    ):
        fitting = [roi for roi in rois if fits(roi)]
        if len({roi.number for roi in fitting}) == 1:
            return fitting[0]
        if fitting:
            numbers = ", ".join(str(roi.number) for roi in fitting)
            raise InputError(
                f"'{path}' holds {len(fitting)} ROIs called '{named}'; "
                f"choose by number with --roi: {numbers}."
            )
    raise InputError(f"'{path}' holds no ROI called '{named}'; it holds {_listed(rois)}.")


def _roi_options(rois: Sequence[Roi]) -> list[str]:
    """Return the --roi that chooses each ROI: its name, or its number where the name is not unique.

    Names are matched before numbers, so next to an ROI called "2" the second is "number 2".
    """
    names = Counter(roi.name for roi in rois)
    folded = {roi.name.casefold() for roi in rois}
    return [
        roi.name
        if roi.name and names[roi.name] == 1
        else str(roi.number)
        if str(roi.number) not in folded
        else _by_number(roi)
        for roi in rois
    ]


def _by_number(roi: Roi) -> str:
    return f"number {roi.number}"


def _listed(rois: Sequence[Roi]) -> str:
    usable = [roi for roi in rois if not roi.empty]
    listed = [
        f"'{option}'" if option == roi.name else f"'{option}' ({roi.name or 'without a name'})"
        for roi, option in zip(usable, _roi_options(usable), strict=True)
    ]
    more = f" and {len(usable) - 40} more" if len(usable) > 40 else ""
    empty = len(rois) - len(usable)
    return ", ".join(listed[:40]) + more + (f"; {empty} more are empty" if empty else "")
