"""Segments of a DICOM SEG: binary, fractional and label-map segmentations.

Attributes: PS3.3 C.8.20 (Segmentation) and the functional groups of C.7.6.16.2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from .dicom_header import Header, read_dataset, read_header
from .dicom_pixels import FrameReader
from .dicom_planes import PixelFormat, Plane, is_orientation
from .geometry import LARGEST_SIDE, LARGEST_SLICE, Grid, plausible_place, plausible_steps
from .label_maps import LONGEST_NAME, labelled_box
from .orientation import reorientation


@dataclass(frozen=True)
class DicomSegment:
    """A segment as its SEG describes it."""

    number: int
    label: str


@dataclass(frozen=True)
class Segmentation:
    """A DICOM SEG, by header: `frames` has, for each, its segment number (0 in a label map)."""

    header: Header
    kind: str
    segments: tuple[DicomSegment, ...]
    frames: tuple[tuple[int, Plane], ...]
    frame_of_reference: str
    referenced_series: frozenset[str]
    full_value: int
    slice_spacing: float | None


def read_seg(path: str) -> Segmentation:
    """The header of a DICOM SEG.

    Raises:
        InputError: the file is damaged or its frames cannot be placed.
    """
    header = read_header(path)
    dataset = read_dataset(path, stop_before_pixels=True)
    with parsing(path, "a DICOM SEG"):
        assert header is not None  # noqa: S101 - read_dataset would have refused it
        shared = dataset.SharedFunctionalGroupsSequence[0]
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        if len(groups) != int(dataset.NumberOfFrames):
            raise InputError(
                f"'{path}' describes {len(groups)} of {dataset.NumberOfFrames} frames."
            )
        measures = _functional(groups[0], shared, "PixelMeasuresSequence")
        between = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
        if int(dataset.Rows) * int(dataset.Columns) > LARGEST_SLICE:
            raise InputError(f"'{path}' has frames larger than any CT slice.")
        pixel_format = PixelFormat(
            _side(dataset.Rows, path),
            _side(dataset.Columns, path),
            int(dataset.BitsAllocated),
            int(dataset.BitsStored),
            False,
            header.syntax,
        )
        return Segmentation(
            header,
            str(dataset.SegmentationType),
            tuple(
                DicomSegment(
                    int(item.SegmentNumber),
                    one_line(item.get("SegmentLabel", ""), most=LONGEST_NAME),
                )
                for item in dataset.SegmentSequence
                if int(item.SegmentNumber) > 0  # 0 is a label map's background
            ),
            tuple(
                _frame(header, pixel_format, number, group, shared)
                for number, group in enumerate(groups)
            ),
            str(dataset.get("FrameOfReferenceUID", "")),
            frozenset(
                str(series.SeriesInstanceUID)
                for series in dataset.get("ReferencedSeriesSequence") or []
            ),
            int(dataset.get("MaximumFractionalValue") or 1),
            _step(between, path),
        )


def segment_image(segmentation: Segmentation, segment: DicomSegment, ct: Grid | None) -> sitk.Image:
    """One segment (uint8, 0 or 1) in its box, on the CT's grid if its frames lie on that grid.

    Otherwise on a grid of its own, which is then for the caller to resample. Fractional segments
    are cut at one half.

    Raises:
        InputError: the segment is empty, or its frames do not make a regular grid.
    """
    with parsing(segmentation.header.path, "a DICOM SEG"):
        frames = [plane for number, plane in segmentation.frames if number in (0, segment.number)]
        if not frames:
            raise InputError(f"The segment '{segment.label}' has no frames: it is empty.")
        grid, where = _placed(segmentation, frames, ct)
        by_slice: defaultdict[int, list[Plane]] = defaultdict(list)
        for plane, z in zip(frames, where, strict=True):
            by_slice[z].append(plane)

        def planes() -> Iterator[tuple[int, np.ndarray]]:
            reader = FrameReader()
            for z in sorted(by_slice):
                masks = [_mask(segmentation, segment, plane, reader) for plane in by_slice[z]]
                mask = np.logical_or.reduce(masks)
                if mask.any():
                    yield z, mask

        box, array = labelled_box(planes, None, segment.label)
        return grid.part(box).image(array)


def _placed(
    segmentation: Segmentation, frames: list[Plane], ct: Grid | None
) -> tuple[Grid, list[int]]:
    """The grid that frames lie on, and the slice of each: the CT's grid where it fits.

    The CT's axes are taken in the frames' order: columns, rows, slices.
    """
    if ct is None:
        return _own_grid(segmentation, frames)
    ct = reorientation(ct, _frame_grid(frames[0], 1.0).direction).grid(ct)
    offsets = [_frame_grid(plane, ct.spacing[2]).offset_in(ct) for plane in frames]
    first = offsets[0]
    if first is not None and all(o is not None and o[:2] == first[:2] for o in offsets):
        columns, rows = frames[0].format.columns, frames[0].format.rows
        origin = ct.to_lps((first[0], first[1], 0)).tolist()
        size = (columns, rows, ct.size[2])
        return Grid(size, ct.spacing, tuple(origin), ct.direction), [o[2] for o in offsets if o]
    return _own_grid(segmentation, frames)


def _own_grid(segmentation: Segmentation, frames: list[Plane]) -> tuple[Grid, list[int]]:
    flat = _frame_grid(frames[0], 1.0)
    normal = flat.axes[:, 2]
    along = np.array([normal @ np.array(plane.position) for plane in frames])
    gaps = np.diff(np.unique(along.round(3)))
    spacing = segmentation.slice_spacing or (float(gaps.min()) if len(gaps) else 1.0)
    slices = (along - along.min()) / spacing
    same_turn = all(np.allclose(p.orientation, frames[0].orientation, atol=1e-3) for p in frames)
    if np.abs(slices - slices.round()).max() > 0.1 or not same_turn or slices.max() > LARGEST_SIDE:
        raise InputError("The frames of the DICOM SEG do not lie on one evenly spaced grid.")
    origin = frames[int(along.argmin())].position
    size = (*flat.size[:2], int(slices.max().round()) + 1)
    grid = Grid(size, (*flat.spacing[:2], spacing), origin, flat.direction)
    return grid, slices.round().astype(int).tolist()


def _frame_grid(plane: Plane, spacing: float) -> Grid:
    row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
    direction = np.stack([row, column, np.cross(row, column)], axis=1).ravel()
    size = (plane.format.columns, plane.format.rows, 1)
    return Grid(
        size, (plane.spacing[1], plane.spacing[0], spacing), plane.position, tuple(direction)
    )


def _mask(
    segmentation: Segmentation, segment: DicomSegment, plane: Plane, reader: FrameReader
) -> np.ndarray:
    if plane.format.bits_allocated == 1:
        return _bits(segmentation.header, plane)
    values = reader.stored(plane)
    if segmentation.kind == "LABELMAP":
        return values == segment.number
    if segmentation.kind == "FRACTIONAL":
        return values >= segmentation.full_value / 2
    return values != 0


def _bits(header: Header, plane: Plane) -> np.ndarray:
    """A frame of single bits, packed without gaps between frames (PS3.5 section 8.1.1)."""
    pixels = plane.format.rows * plane.format.columns
    start = plane.frame * pixels
    length = (start + pixels + 7) // 8 - start // 8
    if plane.format.compressed or header.pixel_offset < 0:
        raise InputError(f"'{header.path}' holds compressed bits, or none; save it uncompressed.")
    with open(header.path, "rb") as file:
        file.seek(header.pixel_offset + start // 8)
        data = file.read(length)
    if len(data) < length:
        raise InputError(f"'{header.path}' is truncated: its frames end early; copy it again.")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    mask = bits[start % 8 : start % 8 + pixels]
    return mask.reshape(plane.format.rows, plane.format.columns) != 0


def _frame(
    header: Header, pixel_format: PixelFormat, number: int, group: Any, shared: Any
) -> tuple[int, Plane]:
    position = _functional(group, shared, "PlanePositionSequence").ImagePositionPatient
    orientation = _functional(group, shared, "PlaneOrientationSequence").ImageOrientationPatient
    spacing = _functional(group, shared, "PixelMeasuresSequence").PixelSpacing
    numbers = [float(value) for value in (*position, *orientation, *spacing)]
    placed = plausible_place(numbers[:3]) and plausible_steps(numbers[9:])
    if len(numbers) != 11 or not placed or not is_orientation(numbers[3:9]):
        raise InputError(f"'{header.path}' does not say where its frame {number + 1} lies.")
    owner = group.get("SegmentIdentificationSequence") or shared.get(
        "SegmentIdentificationSequence"
    )
    plane = Plane(
        header,
        number,
        (numbers[0], numbers[1], numbers[2]),
        tuple(numbers[3:9]),
        (numbers[9], numbers[10]),
        1.0,
        0.0,
        pixel_format,
    )
    return (int(owner[0].ReferencedSegmentNumber) if owner else 0), plane


def _functional(group: Any, shared: Any, name: str) -> Any:
    return (group.get(name) or shared.get(name))[0]


def _step(between: Any, path: str) -> float | None:
    if not between:
        return None
    if not plausible_steps([abs(float(between))]):
        raise InputError(f"'{path}' says that its frames are {float(between):g} mm apart.")
    return abs(float(between))


def _side(value: Any, path: str) -> int:
    if not 0 < int(value) <= LARGEST_SIDE:
        raise InputError(f"'{path}' says it has {value} rows or columns.")
    return int(value)
