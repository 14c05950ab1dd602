"""Slices put in order along their normal, and every reason why they are not one volume."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..flags import Flag
from ..geometry import Grid, plausible_steps
from . import header as tags
from .consistency import acquisition_flags, check_one_patient, gap_flags
from .planes import Plane

# A slice may lie this part of the spacing off the even grid: positions are written in decimals.
UNEVEN_TOLERANCE = 0.1
UNEVEN_WORTH_SAYING = 0.01
# Slices may be shifted sideways by this part of a pixel over the whole stack.
SHEAR_TOLERANCE = 0.5


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
        same_pixels: whether two planes hold the same values; asked only of planes that lie at one
            place. A copied file is dropped, two different images at one place are an error.

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
    """Row and column directions made exactly unit and perpendicular; headers round them."""
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
    if off.max() <= UNEVEN_WORTH_SAYING:
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
