"""The planes of a CT series, one for each slice, from single-frame or enhanced multi-frame files.

Attributes are those of PS3.3 C.7.6.2 (Image Plane), C.7.6.3 (Image Pixel), C.8.2.1 (CT Image) and,
for enhanced CT, the functional groups of C.7.6.16.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError, one_line, parsing
from ..geometry import LARGEST_SIDE, LARGEST_SLICE, Point, plausible_position, plausible_steps
from . import header as tags
from .header import ENHANCED_CT, Header, read_dataset

LARGEST_SLOPE, LARGEST_INTERCEPT = 1e3, 1e6  # beyond those of any scanner

# What writers put into Rescale Type for Hounsfield units; UCUM's code is [hnsf'U].
_HU = ("hu", "hounsfield", "hounsfieldunit", "hounsfieldunits", "hnsfu")
_UNSPECIFIED = ("us", "unspecified")  # some scanners write it for HU
# Maps that multi-energy CT computes (PS3.3 C.8.2.1.1.1, value 4 of Image Type): no attenuation.
_MAPS = ("MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY")


@dataclass(frozen=True)
class PixelFormat:
    """How a frame's stored values are written.

    `shift` is how many bits lie below a value (High Bit above Bits Stored - 1); `padding` are the
    lowest and the highest stored value that mark a pixel without data (Pixel Padding Value).
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    syntax: str
    shift: int = 0
    padding: tuple[int, int] | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def compressed(self) -> bool:
        """Whether frames are encapsulated (PS3.5 A.4)."""
        return self.syntax not in (
            tags.IMPLICIT_LITTLE,
            tags.EXPLICIT_LITTLE,
            tags.EXPLICIT_BIG,
            tags.DEFLATED,
        )


@dataclass(frozen=True)
class Plane:
    """A slice: its position in the patient, and how its stored values become HU.

    `unit` is Rescale Type: HU, US (unspecified), or empty. `frame_values` are the attributes (by
    tag, as text) of a frame of an enhanced CT.
    """

    header: Header
    frame: int
    position: Point
    orientation: tuple[float, ...]
    spacing: tuple[float, float]  # mm between rows, mm between columns
    slope: float
    intercept: float
    format: PixelFormat
    unit: str = ""
    frame_values: Mapping[int, str] = field(default_factory=dict)

    @property
    def sop_instance(self) -> str:
        return self.header.text(tags.SOP_INSTANCE)

    @property
    def name(self) -> str:
        """The slice's file (and frame), for messages."""
        name = Path(self.header.path).name
        return (
            name
            if self.header.text(tags.SOP_CLASS) not in ENHANCED_CT
            else (f"{name}, frame {self.frame + 1}")
        )


def planes_of(headers: Sequence[Header]) -> list[Plane]:
    """Return the planes of a CT series, in the order of `headers`.

    Raises:
        InputError: an attribute that position or HU depend on is missing or not usable, or pixel
            data are truncated; the message names the file.
    """
    planes: list[Plane] = []
    for header in headers:
        if header.text(tags.SOP_CLASS) in ENHANCED_CT:
            planes += _planes_of_enhanced(header)
        else:
            planes.append(_plane_of(header, planes[-1] if planes else None))
    return planes


def _plane_of(header: Header, previous: Plane | None) -> Plane:
    """Return the plane of a single-frame file; values equal to the previous slice's are reused."""

    def same(*wanted: int) -> bool:
        return previous is not None and all(
            header.elements.get(tag) == previous.header.elements.get(tag) for tag in wanted
        )

    if previous is not None and same(*_FORMAT_TAGS):
        pixel_format = previous.format
    else:
        pixel_format = _pixel_format(header)
    _check_length(header, pixel_format, 1)
    if previous is not None and same(tags.IMAGE_ORIENTATION, tags.PIXEL_SPACING):
        orientation, spacing = previous.orientation, previous.spacing
    else:
        orientation = _orientation(header.decimals(tags.IMAGE_ORIENTATION), header)
        spacing = _spacing(header.decimals(tags.PIXEL_SPACING), header)
    if previous is not None and same(*_RESCALE_TAGS):
        slope, intercept, unit = previous.slope, previous.intercept, previous.unit
    else:
        slope, intercept = _rescale(
            header.decimals(tags.RESCALE_SLOPE), header.decimals(tags.RESCALE_INTERCEPT), header
        )
        unit = _unit(header.text(tags.RESCALE_TYPE), header.text(tags.IMAGE_TYPE), header)
    position = _position(header.decimals(tags.IMAGE_POSITION), header)
    return Plane(header, 0, position, orientation, spacing, slope, intercept, pixel_format, unit)


_FORMAT_TAGS = (
    tags.TRANSFER_SYNTAX,
    tags.ROWS,
    tags.COLUMNS,
    tags.BITS_ALLOCATED,
    tags.BITS_STORED,
    tags.HIGH_BIT,
    tags.PIXEL_REPRESENTATION,
    tags.PIXEL_PADDING,
    tags.PIXEL_PADDING_LIMIT,
    tags.SAMPLES_PER_PIXEL,
    tags.PHOTOMETRIC,
)
_RESCALE_TAGS = (
    tags.RESCALE_SLOPE,
    tags.RESCALE_INTERCEPT,
    tags.RESCALE_TYPE,
    tags.IMAGE_TYPE,
)
# The functional groups of an enhanced CT for the top-level attributes of a single-frame file.
_FRAME_VALUES = {
    tags.ACQUISITION_NUMBER: ("FrameContentSequence", "FrameAcquisitionNumber"),
    tags.ACQUISITION_TIME: ("FrameContentSequence", "FrameAcquisitionDateTime"),
    tags.INSTANCE_NUMBER: ("FrameContentSequence", "InStackPositionNumber"),
    tags.TEMPORAL_POSITION: ("FrameContentSequence", "TemporalPositionIndex"),
    tags.SLICE_THICKNESS: ("PixelMeasuresSequence", "SliceThickness"),
    tags.SPACING_BETWEEN_SLICES: ("PixelMeasuresSequence", "SpacingBetweenSlices"),
    tags.IMAGE_TYPE: ("CTImageFrameTypeSequence", "FrameType"),
    tags.CONVOLUTION_KERNEL: ("CTReconstructionSequence", "ConvolutionKernel"),
    tags.RESCALE_TYPE: ("PixelValueTransformationSequence", "RescaleType"),
}


def _planes_of_enhanced(header: Header) -> list[Plane]:
    dataset = read_dataset(header.path, stop_before_pixels=True)
    pixel_format = _pixel_format(header)
    with parsing(header.path, "an enhanced CT"):
        count = int(dataset.NumberOfFrames)
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        if len(groups) != count:
            raise InputError(
                f"'{header.path}' has {count} frames but describes {len(groups)}; export it again."
            )
        _check_length(header, pixel_format, count)
        shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
        return [
            _plane_of_frame(header, pixel_format, number, group, shared[0])
            for number, group in enumerate(groups)
        ]


def _plane_of_frame(
    header: Header, pixel_format: PixelFormat, number: int, group: Any, shared: Any
) -> Plane:
    def value(sequence: str, attribute: str) -> Any:
        for groups in (group, shared):
            if groups is not None and groups.get(sequence):
                element = groups[sequence][0].get(attribute)
                if element is not None:
                    return element
        return None

    def numbers(sequence: str, attribute: str) -> tuple[float, ...]:
        element = value(sequence, attribute)
        many = element if hasattr(element, "__iter__") else (element,)
        return () if element is None else tuple(float(part) for part in many)

    rescale = "PixelValueTransformationSequence"
    slope, intercept = _rescale(
        numbers(rescale, "RescaleSlope"), numbers(rescale, "RescaleIntercept"), header
    )
    frame_values = {tag: _as_text(value(*path)) for tag, path in _FRAME_VALUES.items()}
    return Plane(
        header,
        number,
        _position(numbers("PlanePositionSequence", "ImagePositionPatient"), header),
        _orientation(numbers("PlaneOrientationSequence", "ImageOrientationPatient"), header),
        _spacing(numbers("PixelMeasuresSequence", "PixelSpacing"), header),
        slope,
        intercept,
        pixel_format,
        # Type 1 in enhanced CT (PS3.3 C.8.15.3.10): a missing value leaves the unit unspecified.
        _unit(frame_values[tags.RESCALE_TYPE] or "US", frame_values[tags.IMAGE_TYPE], header),
        frame_values,
    )


def _as_text(value: Any) -> str:
    """Return an attribute's value in pydicom as the text in a file."""
    if value is None:
        return ""
    several = hasattr(value, "__iter__") and not isinstance(value, str)
    return one_line("\\".join(map(str, value)) if several else str(value))


def _pixel_format(header: Header) -> PixelFormat:
    rows, columns = header.number(tags.ROWS), header.number(tags.COLUMNS)
    allocated, stored = header.number(tags.BITS_ALLOCATED), header.number(tags.BITS_STORED)
    if (
        not rows
        or not columns
        or max(rows, columns) > LARGEST_SIDE
        or (rows * columns > LARGEST_SLICE)
    ):
        raise InputError(
            f"'{header.path}' says it has {rows} rows and {columns} columns; export it again."
        )
    if allocated not in (8, 16, 32) or not stored or stored > allocated:
        raise InputError(
            f"'{header.path}' stores {stored} of {allocated} bits a value; 8, 16 or 32 can be read."
        )
    samples, photometric = header.number(tags.SAMPLES_PER_PIXEL), header.text(tags.PHOTOMETRIC)
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise InputError(
            f"'{header.path}' is a {photometric or 'colour'} picture with {samples} samples a "
            "pixel, not CT values; give the original CT series."
        )
    signed = header.number(tags.PIXEL_REPRESENTATION) == 1
    below = (header.number(tags.HIGH_BIT) or 0) + 1 - stored
    return PixelFormat(
        rows,
        columns,
        allocated,
        stored,
        signed,
        header.syntax,
        below if 0 < below <= allocated - stored else 0,
        _padding(header, signed=signed),
    )


def _padding(header: Header, *, signed: bool) -> tuple[int, int] | None:
    """Return the stored values of padded pixels (PS3.3 C.7.5.1.1.2).

    Writers confuse the two VRs, US and SS: the bits are read with the sign of the pixels.
    """
    bits = [header.number(tag) for tag in (tags.PIXEL_PADDING, tags.PIXEL_PADDING_LIMIT)]
    values = [n - (1 << 16) * (signed and n >= 1 << 15) for n in bits if n is not None]
    return (min(values), max(values)) if bits[0] is not None else None


def _check_length(header: Header, pixel_format: PixelFormat, frames: int) -> None:
    if pixel_format.syntax == tags.DEFLATED and header.pixel_length is None:
        return
    if header.pixel_offset < 0:
        raise InputError(f"'{header.path}' has no pixel data; export the series again.")
    available = header.file_size - header.pixel_offset
    if header.pixel_length is not None:
        available = min(available, header.pixel_length)
    if not pixel_format.compressed and available < pixel_format.frame_bytes * frames:
        raise InputError(
            f"'{header.path}' is truncated: {max(available, 0)} of "
            f"{pixel_format.frame_bytes * frames} bytes of pixel data are there; copy it again."
        )


def _position(values: tuple[float, ...], header: Header) -> Point:
    if len(values) != 3 or not plausible_position(values):
        raise InputError(
            f"'{header.path}' does not say where its slice lies "
            "(Image Position (Patient)); give the original CT series."
        )
    return (values[0], values[1], values[2])


def _orientation(values: tuple[float, ...], header: Header) -> tuple[float, ...]:
    if is_orientation(values):
        return values
    raise InputError(
        f"'{header.path}' has no usable Image Orientation (Patient): two perpendicular unit "
        f"vectors are needed, found {one_line(values or 'none', most=100)}."
    )


def is_orientation(values: Sequence[float]) -> bool:
    """Whether the values are two perpendicular unit vectors, to the precision of decimals."""
    if len(values) != 6 or not all(map(math.isfinite, values)):
        return False
    row, column = values[:3], values[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    return all(abs(length - 1) < 1e-2 for length in lengths) and abs(dot) < 1e-2


def _spacing(values: tuple[float, ...], header: Header) -> tuple[float, float]:
    if len(values) != 2 or not plausible_steps(values):
        raise InputError(
            f"'{header.path}' has no usable Pixel Spacing: two lengths in mm above zero are "
            f"needed, found {one_line(values or 'none', most=100)}."
        )
    return (values[0], values[1])


def _rescale(
    slope: tuple[float, ...], intercept: tuple[float, ...], header: Header
) -> tuple[float, float]:
    if len(slope) != 1 or len(intercept) != 1:
        raise InputError(
            f"'{header.path}' has no rescale slope and intercept, so its values cannot be turned "
            "into HU; give the original CT series."
        )
    if not (0 < abs(slope[0]) <= LARGEST_SLOPE and abs(intercept[0]) <= LARGEST_INTERCEPT):
        raise InputError(
            f"'{header.path}' has the rescale slope {slope[0]} and intercept {intercept[0]}, "
            "which give no HU."
        )
    return slope[0], intercept[0]


def _unit(rescale_type: str, image_type: str, header: Header) -> str:
    """Return Rescale Type (PS3.3 C.11.1.1.2) as HU, US (unspecified) or empty.

    Raises:
        InputError: the values are not HU.
    """
    for word in image_type.upper().split("\\"):
        if word in _MAPS:
            raise InputError(
                f"'{header.path}' is a map computed from a multi-energy CT (Image Type {word}), "
                "whose values are not HU; give the CT series itself."
            )
    letters = "".join(char for char in rescale_type.casefold() if char.isalnum())
    if letters in _HU:
        return "HU"
    if letters in _UNSPECIFIED:
        return "US"
    if rescale_type:
        raise InputError(f"'{header.path}' holds values in '{rescale_type}', not HU.")
    return ""
