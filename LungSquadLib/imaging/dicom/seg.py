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

from ...errors import InputError, one_line, parsing
from ..geometry import (
    LARGEST_SIDE,
    LARGEST_SLICE,
    LARGEST_SLICE_STEP_MM,
    Grid,
    plausible_position,
    plausible_steps,
)
from ..label_maps import LONGEST_NAME, labelled_box
from .header import Header, read_dataset, read_header
from .pixels import FrameReader
from .planes import PixelFormat, Plane, is_orientation


@dataclass(frozen=True)
class DicomSegment:
    """A segment of a DICOM SEG."""

    number: int
    label: str


@dataclass(frozen=True)
class Segmentation:
    """The header of a DICOM SEG: `frames` are segment number (0 in a label map) and plane.

    `spacing_between` is Spacing Between Slices, where the file has it.
    """

    header: Header
    kind: str
    segments: tuple[DicomSegment, ...]
    frames: tuple[tuple[int, Plane], ...]
    frame_of_reference: str
    referenced_series: frozenset[str]
    full_value: int
    spacing_between: float | None


def read_seg(path: str) -> Segmentation:
    """Read the header of a DICOM SEG.

    Raises:
        InputError: the file is damaged or its frames cannot be placed.
    """
    header = read_header(path)
    dataset = read_dataset(path, stop_before_pixels=True)
    with parsing(path, "a DICOM SEG"):
        assert header is not None  # noqa: S101 - read_dataset would have refused it
        _check_kind(dataset, path)
        shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
        groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
        if len(groups) != int(dataset.NumberOfFrames):
            raise InputError(
                f"'{path}' describes {len(groups)} of {dataset.NumberOfFrames} frames."
            )
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
            _spacing_between(groups[0], shared, path),
        )


def segment_image(segmentation: Segmentation, segment: DicomSegment, ct: Grid | None) -> sitk.Image:
    """Read a segment (uint8, 0 or 1) in its box, on the grid of its frames.

    Fractional segments are thresholded at half of Maximum Fractional Value.

    Args:
        segmentation: of `read_seg`.
        segment: one of its segments.
        ct: the CT's grid, whose slice spacing is used where there are too few frames.

    Returns:
        The segment on the grid of its frames, which may differ from the CT's.

    Raises:
        InputError: the segment is empty, its frames do not make a regular grid, or there is one
            frame and its thickness is unknown.
    """
    with parsing(segmentation.header.path, "a DICOM SEG"):
        frames = [plane for number, plane in segmentation.frames if number in (0, segment.number)]
        if not frames:
            raise InputError(f"The segment '{segment.label}' has no frames: it is empty.")
        grid, where = _grid_of(segmentation, frames, ct)
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


def _grid_of(
    segmentation: Segmentation, frames: list[Plane], ct: Grid | None
) -> tuple[Grid, list[int]]:
    """Return the grid of the frames, and the slice number of each frame."""
    flat = _frame_grid(frames[0], 1.0)
    normal = flat.axes[:, 2]
    every = [plane for _, plane in segmentation.frames]
    if not all(np.allclose(p.orientation, frames[0].orientation, atol=1e-3) for p in every):
        raise InputError(_NO_GRID)
    along = np.array([normal @ np.array(plane.position) for plane in frames])
    heights = np.array([normal @ np.array(plane.position) for plane in every])
    spacing = _slice_spacing(heights, segmentation.spacing_between, _ct_spacing(ct, normal))
    slices = (along - along.min()) / spacing
    aside = np.array([plane.position for plane in frames]) - np.outer(along, normal)
    if (
        np.abs(slices - slices.round()).max() > _OFF_GRID
        or np.abs(aside - aside[0]).max() > _OFF_GRID * min(flat.spacing[:2])
        or slices.max() > LARGEST_SIDE
    ):
        raise InputError(_NO_GRID)
    if len(frames) > 1 and slices.max() >= 1:  # decimals add up over many frames
        spacing = float(np.ptp(along) / slices.max().round())
    origin = frames[int(along.argmin())].position
    size = (*flat.size[:2], int(slices.max().round()) + 1)
    grid = Grid(size, (*flat.spacing[:2], spacing), origin, flat.direction)
    return grid, slices.round().astype(int).tolist()


_NO_GRID = "The frames of the DICOM SEG do not lie on one evenly spaced grid."
_OFF_GRID = 0.1  # voxels


def _slice_spacing(heights: np.ndarray, declared: float | None, of_ct: float | None) -> float:
    """Return the spacing of a SEG's frames from their `heights` in mm along the normal.

    Slice Thickness is the tissue that a frame averages, not the distance of frames (PS3.3
    C.7.6.16.2.1), and empty frames are left out of a SEG. So the smallest step is the spacing where
    it is repeated or plausible for a CT; otherwise Spacing Between Slices (`declared`) or the CT's
    spacing is, if all steps are multiples of it.

    Raises:
        InputError: there is one frame and no declared or CT spacing.
    """
    steps = np.diff(np.unique(heights.round(3)))
    known = [value for value in (of_ct, declared) if value]
    if not len(steps):
        if known:
            return known[0]
        raise InputError(
            "The DICOM SEG has one frame and no slice spacing, so its volume is unknown. Export it "
            "with Spacing Between Slices."
        )
    smallest = float(steps.min())
    fitting = [value for value in known if value < 1.01 * smallest and _whole(steps, value)]
    regular = np.count_nonzero(steps < 1.5 * smallest) > 1
    if _whole(steps, smallest) and (regular or smallest <= LARGEST_SLICE_STEP_MM):
        return declared if declared in fitting and declared and not regular else smallest
    return fitting[0] if fitting else smallest


def _whole(steps: np.ndarray, spacing: float) -> bool:
    """Whether all steps are multiples of a spacing."""
    return bool(np.abs(steps / spacing - (steps / spacing).round()).max() <= _OFF_GRID)


def _ct_spacing(ct: Grid | None, normal: np.ndarray) -> float | None:
    """Return the CT's spacing along a direction, if that is one of its axes."""
    if ct is None:
        return None
    across = np.abs(np.array(ct.direction).reshape(3, 3).T @ normal)
    return ct.spacing[int(across.argmax())] if across.max() > 0.99 else None


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
        return reader.bits(plane)
    values = reader.stored(plane)
    if segmentation.kind == "LABELMAP":
        return values == segment.number
    if segmentation.kind == "FRACTIONAL":
        return values >= segmentation.full_value / 2
    return values != 0


def _frame(
    header: Header, pixel_format: PixelFormat, number: int, group: Any, shared: Any
) -> tuple[int, Plane]:
    geometry: list[Any] = [
        (_functional(group, shared, sequence) or {}).get(attribute)
        for sequence, attribute in (
            ("PlanePositionSequence", "ImagePositionPatient"),
            ("PlaneOrientationSequence", "ImageOrientationPatient"),
            ("PixelMeasuresSequence", "PixelSpacing"),
        )
    ]
    if not all(geometry):
        raise InputError(f"'{header.path}' {_NO_PLACE}")
    position, orientation, spacing = geometry
    numbers = [float(value) for value in (*position, *orientation, *spacing)]
    placed = plausible_position(numbers[:3]) and plausible_steps(numbers[9:])
    if len(numbers) != 11 or not placed or not is_orientation(numbers[3:9]):
        raise InputError(
            f"'{header.path}' has no usable position of frame {number + 1}; export it again."
        )
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


_NO_PLACE = (
    "is a segmentation whose frames have no place in the patient, as those of radiographs, "
    "ultrasound or microscopy: it belongs to no CT. Give the segmentation of the CT."
)
_SURFACE = "1.2.840.10008.5.1.4.1.1.66.5"


def _check_kind(dataset: Any, path: str) -> None:
    """Refuse a valid segmentation that does not consist of voxels in a patient."""
    if str(dataset.get("SOPClassUID", "")) == _SURFACE:
        raise InputError(
            f"'{path}' is a segmentation of surfaces, not of voxels; export it as a binary or "
            "fractional segmentation."
        )
    if "TotalPixelMatrixColumns" in dataset or "TILED" in str(
        dataset.get("DimensionOrganizationType", "")
    ):
        raise InputError(f"'{path}' {_NO_PLACE}")


def _functional(group: Any, shared: Any, name: str) -> Any:
    sequence = group.get(name) or shared.get(name)
    return sequence[0] if sequence else None


def _spacing_between(group: Any, shared: Any, path: str) -> float | None:
    measures = _functional(group, shared, "PixelMeasuresSequence")
    between = measures.get("SpacingBetweenSlices") if measures is not None else None
    if not between:
        return None
    if not plausible_steps([abs(float(between))]):
        raise InputError(
            f"'{path}' has a Spacing Between Slices of {float(between):g} mm; export it again."
        )
    return abs(float(between))


def _side(value: Any, path: str) -> int:
    if not 0 < int(value) <= LARGEST_SIDE:
        raise InputError(f"'{path}' says it has {value} rows or columns; export it again.")
    return int(value)
