"""Slices put in order along their normal, and every reason why they are not one volume.

A Series Instance UID should stand for one scan of one patient. It does not where an archive merged
series, where a scanner puts several passes into one series, or where files were lost on the way.
Attributes are those of PS3.3 C.7.1.1 (Patient), C.7.6.1 (General Image) and C.8.2.1 (CT Image).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...errors import InputError
from ..flags import Flag
from ..geometry import Grid, plausible_steps
from . import header as tags
from .planes import Plane

# A slice may lie this part of the spacing off the even grid: positions are written in decimals.
UNEVEN_TOLERANCE = 0.1
UNEVEN_WORTH_REPORTING = 0.01
# Slices may be shifted sideways by this part of a pixel over the whole stack.
SHEAR_TOLERANCE = 0.5

# What differs between two acquisitions, or two reconstructions, of one patient. A contrast agent
# may be left out, which is a value like any other; elsewhere a missing value is ignored.
_ACQUISITION = {
    tags.ACQUISITION_NUMBER: "Acquisition Number",
    tags.TEMPORAL_POSITION: "Temporal Position Identifier",
    tags.CONTRAST_AGENT: "Contrast/Bolus Agent",
    tags.CONVOLUTION_KERNEL: "Convolution Kernel",
    tags.KVP: "KVP",
    tags.SLICE_THICKNESS: "Slice Thickness",
    tags.ACQUISITION_TIME: "Acquisition Time",
    tags.IMAGE_TYPE: "Image Type",
}
# These differ from slice to slice in many sound series; only their alternation counts.
_VARIES = (tags.ACQUISITION_TIME, tags.IMAGE_TYPE)
_FEW = 4  # more acquisitions or times than this are the steps of one axial scan
GAP_WORTH_REPORTING = 1.2  # slices this many thicknesses apart leave tissue between them unseen
_WHOLE = 0.1  # how near to a whole number a ratio must be


@dataclass(frozen=True)
class Stack:
    """Planes in order along the normal, on one regular grid."""

    grid: Grid
    planes: tuple[Plane, ...]
    flags: tuple[Flag, ...]


def stack(planes: Sequence[Plane], same_pixels: Callable[[Plane, Plane], bool]) -> Stack:
    """Order planes by their position along the normal and check that they make one volume.

    Args:
        planes: the slices of one series, in any order.
        same_pixels: whether two planes hold the same values; called only for planes at the same
            position. A copied file is dropped, two different images there are an error.

    Raises:
        InputError: several patients, acquisitions or geometries; duplicate, missing or unevenly
            spaced slices (with their positions in mm along the normal); gantry tilt.
    """
    check_one_patient(planes)
    _check_one_geometry(planes)
    first = planes[0]
    row, column = _perpendicular(first.orientation)
    normal = np.cross(row, column)
    points = np.array([plane.position for plane in planes])
    along = points @ normal
    order = np.argsort(along, kind="stable")
    keep, dropped = _without_copies(planes, along, order, same_pixels)
    if len(keep) < 2:
        raise InputError(
            f"The series has {len(keep)} slice ('{first.name}'); a volume needs at least two."
        )
    ordered = tuple(planes[index] for index in keep)
    flags = acquisition_flags(ordered)
    spacing, uneven = _even_spacing(along[keep])
    flags += [*uneven, *gap_flags(ordered, spacing)]
    if not plausible_steps([spacing]):
        raise InputError(f"The slices are {spacing:g} mm apart; no CT is like that.")
    _check_tilt(points[keep], normal, first)
    if dropped:
        flags.append(
            Flag(
                "duplicate_slices",
                "info",
                f"{dropped} slices were there twice, with the same pixels; one of each was used.",
            )
        )
    grid = Grid(
        (first.format.columns, first.format.rows, len(ordered)),
        (first.spacing[1], first.spacing[0], spacing),
        ordered[0].position,
        tuple(np.stack([row, column, normal], axis=1).ravel().tolist()),
    )
    return Stack(grid, ordered, (*flags, *_format_flags(ordered)))


def _check_one_geometry(planes: Sequence[Plane]) -> None:
    first = planes[0]

    def kind(plane: Plane) -> str:
        rows, columns = plane.format.rows, plane.format.columns
        if plane.orientation is first.orientation and plane.spacing is first.spacing:
            return f"{columns} x {rows}"  # read from the same bytes
        turn = "" if _close(plane.orientation, first.orientation, 1e-3) else " turned differently"
        pixel = plane.spacing
        size = "" if _close(pixel, first.spacing, 1e-4) else f" of {pixel[1]:g} x {pixel[0]:g} mm"
        return f"{columns} x {rows}{size}{turn}"

    kinds = Counter(map(kind, planes))
    if len(kinds) > 1:
        listed = ", ".join(f"{count} slices {name}" for name, count in kinds.most_common())
        raise InputError(f"The series mixes geometries: {listed}. Give one of them alone.")
    frames = {plane.header.text(tags.FRAME_OF_REFERENCE) for plane in planes}
    if len(frames) > 1:
        raise InputError(f"The series mixes {len(frames)} frames of reference; give one alone.")


def _perpendicular(orientation: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column directions, made exactly unit and perpendicular."""
    row = np.array(orientation[:3])
    row /= np.linalg.norm(row)
    column = np.array(orientation[3:])
    column -= row * (row @ column)
    return row, column / np.linalg.norm(column)


def _without_copies(
    planes: Sequence[Plane],
    along: np.ndarray,
    order: np.ndarray,
    same_pixels: Callable[[Plane, Plane], bool],
) -> tuple[list[int], int]:
    keep: list[int] = []
    clashes: list[float] = []
    for index in order.tolist():
        if not keep or along[index] - along[keep[-1]] > 1e-3:
            keep.append(index)
        elif not same_pixels(planes[keep[-1]], planes[index]):
            clashes.append(along[index])
    if clashes:
        numbers = {plane.header.text(tags.ACQUISITION_NUMBER) for plane in planes} - {""}
        several = f"; it holds the acquisitions {', '.join(sorted(numbers))}" * (len(numbers) > 1)
        raise InputError(
            f"The series has different duplicate slices at {_positions(clashes)}{several}. "
            "Keep one of each."
        )
    return keep, len(order) - len(keep)


def _even_spacing(along: np.ndarray) -> tuple[float, list[Flag]]:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    holes = [
        f"{round(gap / usual) - 1} between {before:g} and {after:g} mm"
        for gap, before, after in zip(gaps, along, along[1:], strict=False)
        if gap > 1.5 * usual and abs(gap / usual - round(gap / usual)) < 2 * UNEVEN_TOLERANCE
    ]
    if holes:
        raise InputError(
            f"Slices are missing: {_listed(holes)} (the others are {usual:g} mm apart). "
            "Find them, or export the series again."
        )
    # Positions are decimals of six digits at most: the mean gap is rounded alike, so that equal
    # gaps give exactly that gap.
    spacing = round(float(along[-1] - along[0]) / len(gaps), 6)
    off = np.abs(along - along[0] - spacing * np.arange(len(along))) / spacing
    if off.max() > UNEVEN_TOLERANCE:
        odd = [
            f"{gap:.4g} mm after {before:g} mm"
            for gap, before in zip(gaps, along, strict=False)
            if abs(gap - usual) > UNEVEN_TOLERANCE * usual
        ] or [f"gaps drift between {gaps.min():.4g} and {gaps.max():.4g} mm"]
        raise InputError(
            f"The slices are unevenly spaced: {_listed(odd)} (usually {usual:.4g} mm apart). "
            "Give an evenly spaced reconstruction."
        )
    if off.max() <= UNEVEN_WORTH_REPORTING:
        return spacing, []
    sentence = (
        f"Slices lie up to {off.max():.0%} of the spacing ({spacing:g} mm) off an even grid; "
        "they were taken as even."
    )
    return spacing, [Flag("uneven_slices", "warning", sentence)]


def _check_tilt(points: np.ndarray, normal: np.ndarray, first: Plane) -> None:
    relative = points - points[0]
    sideways = relative - np.outer(relative @ normal, normal)
    shift = np.linalg.norm(sideways, axis=1)
    if shift.max() <= SHEAR_TOLERANCE * min(first.spacing):
        return
    height = float(relative[-1] @ normal)
    angle = math.degrees(math.atan2(shift[-1], height))
    steady = np.outer(np.linspace(0, 1, len(points)), sideways[-1])
    if np.abs(sideways - steady).max() <= SHEAR_TOLERANCE * min(first.spacing):
        raise InputError(
            f"The series has a gantry tilt of {angle:.1f} degrees, so its slices are sheared; "
            "straighten it first (in Slicer: Acquisition geometry regularization)."
        )
    raise InputError(
        f"The slices are shifted sideways against one another by up to {shift.max():.1f} mm; "
        "this is more than one acquisition or a damaged export."
    )


def _format_flags(planes: Sequence[Plane]) -> list[Flag]:
    flags = []
    if any(plane.header.text(tags.LOSSY) == "01" for plane in planes):
        sentence = "The CT was compressed with loss at some time; HU and texture are changed."
        flags.append(Flag("lossy_compression", "warning", sentence))
    if any(plane.unit == "US" for plane in planes):
        sentence = (
            "The CT does not say that its values are HU (Rescale Type unspecified or absent); "
            "taken as HU."
        )
        flags.append(Flag("unit_unspecified", "warning", sentence))
    if any(plane.header.text(tags.PHOTOMETRIC) == "MONOCHROME1" for plane in planes):
        sentence = "MONOCHROME1 concerns display alone (PS3.3 C.7.6.3.1.2): HU were not inverted."
        flags.append(Flag("monochrome1", "info", sentence))
    return flags


def _close(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))


def _positions(values: Sequence[float]) -> str:
    return _listed([f"{value:g}" for value in values]) + " mm"


def _listed(parts: Sequence[str], most: int = 6) -> str:
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


def check_one_patient(planes: Sequence[Plane]) -> None:
    """Refuse slices of several patients under one Series Instance UID.

    Raises:
        InputError: Patient ID, name or birth date differ; no value is shown.
    """
    for tag in (tags.PATIENT_ID, tags.PATIENT_NAME, tags.PATIENT_BIRTH_DATE):
        stored = {
            (plane.header.elements.get(tag), plane.header.text(tags.CHARACTER_SET)): plane
            for plane in planes
        }
        if len({_identity(plane, tag) for plane in stored.values()} - {""}) > 1:
            raise InputError(
                "The series holds slices of several patients (Patient ID, name or birth date "
                "differ between its files). Separate them, or export the series again."
            )


def acquisition_flags(planes: Sequence[Plane]) -> list[Flag]:
    """Flag several acquisitions in slices that are in order along their normal.

    Raises:
        InputError: the slices of several acquisitions or reconstructions lie between one another.
    """
    stacked, mixed = [], {}
    for tag, name in _ACQUISITION.items():
        values = [_acquisition(plane, tag) for plane in planes]
        if tag != tags.CONTRAST_AGENT:
            values = [value for value in values if value]
        runs = 1 + sum(a != b for a, b in pairwise(values))
        counts = Counter(values)
        if len(counts) < 2 or (tag == tags.ACQUISITION_TIME and len(counts) > _FEW):
            continue
        if runs > len(counts):
            mixed[name] = counts
        elif len(counts) <= _FEW < len(values) and tag not in _VARIES:
            stacked.append(name)
    if mixed:
        numbers = " and ".join(map(str, sorted(next(iter(mixed.values())).values(), reverse=True)))
        raise InputError(
            "The series holds several acquisitions or reconstructions whose slices lie between "
            f"one another ({numbers} slices; they differ in {', '.join(mixed)}). "
            "Move one of them to a separate folder."
        )
    if len({plane.header.text(tags.STUDY_UID) for plane in planes} - {""}) > 1:
        stacked.append("Study Instance UID")
    if not stacked:
        return []
    sentence = (
        "The series is put together from several acquisitions or reconstructions, one above the "
        f"other ({', '.join(stacked)} differ): anatomy may jump where they meet."
    )
    return [Flag("several_acquisitions", "warning", sentence)]


def gap_flags(planes: Sequence[Plane], spacing: float) -> list[Flag]:
    """Flag gaps between evenly spaced slices: tissue that was not imaged, or missing slices.

    Spacing Between Slices and Slice Thickness give the nominal distance of slices, Instance Numbers
    show left-out slices. `spacing` is the measured distance in mm.

    Raises:
        InputError: both show that slices are missing.
    """
    nominal = _nominal_spacing(planes)
    ratio = spacing / nominal if nominal else 0.0
    skip = _instance_step(planes)
    if skip > 1 and abs(ratio - skip) <= _WHOLE:
        raise InputError(
            f"Slices are missing: only every {_ordinal(skip)} is present (Instance Numbers rise by "
            f"{skip}, the slices are {spacing:g} mm apart and should be {nominal:g} mm). "
            "Find them, or export the series again."
        )
    if ratio > GAP_WORTH_REPORTING:
        sentence = (
            f"The slices are {spacing:g} mm apart but, after the header, {nominal:g} mm: tissue "
            "between them was not imaged, or slices are missing."
        )
        return [Flag("gaps_between_slices", "warning", sentence)]
    if skip > 1 and not nominal:
        sentence = (
            f"Instance Numbers rise by {skip} from slice to slice: slices may be missing "
            "between them."
        )
        return [Flag("gaps_between_slices", "warning", sentence)]
    return []


def _identity(plane: Plane, tag: int) -> str:
    """Return a patient's attribute without case, blanks and separators."""
    return "".join(char for char in plane.header.decoded(tag).casefold() if char.isalnum())


def _acquisition(plane: Plane, tag: int) -> str:
    """Return the attribute as text, equal for equal values."""
    if tag in plane.frame_values:
        return plane.frame_values[tag]
    text = plane.header.text(tag)
    if tag in (tags.KVP, tags.SLICE_THICKNESS, tags.ACQUISITION_NUMBER):
        return " ".join(f"{number:g}" for number in plane.header.decimals(tag))
    return text.casefold()


def _nominal_spacing(planes: Sequence[Plane]) -> float:
    """Return the distance of slices in mm after the header, or their thickness; 0 without both."""
    for tag in (tags.SPACING_BETWEEN_SLICES, tags.SLICE_THICKNESS):
        values = {_number(plane, tag) for plane in planes}
        if len(values) == 1 and (value := abs(values.pop())) > 0:
            return value
    return 0.0


def _number(plane: Plane, tag: int) -> float:
    if tag in plane.frame_values:
        return float(plane.frame_values[tag] or 0)
    values = plane.header.decimals(tag)
    return values[0] if len(values) == 1 and np.isfinite(values[0]) else 0.0


def _instance_step(planes: Sequence[Plane]) -> int:
    """Return the even step of Instance Numbers from slice to slice; 0 where it is uneven."""
    steps = set(np.abs(np.diff([_number(plane, tags.INSTANCE_NUMBER) for plane in planes])))
    return int(steps.pop()) if len(steps) == 1 else 0


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")
