"""Tumour outlines of a DICOM RTSTRUCT, rasterised on the CT they were drawn on.

A plane of contours fills a slab of slices, half-way to the neighbouring planes. Heights are in
slices of the CT, continuous; slice centres are whole numbers. Attributes: PS3.3 C.8.8.5 (Structure
Set) and C.8.8.6 (ROI Contour).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, one_line, parsing
from ..contours import fill_contours
from ..flags import Flag
from ..geometry import FARTHEST_MM, LARGEST_SLICE_STEP_MM, Box, Grid, Index, extent_text, span
from ..label_maps import LONGEST_NAME, MaskBlock, assembled
from .header import read_dataset

_CONTOUR_DATA = 0x30060050
_XOR = "CLOSEDPLANAR_XOR"
# Contours whose heights differ by less than this part of a slice are drawn in one plane.
SAME_PLANE = 0.1
_FLAT = SAME_PLANE  # points of one contour may leave its plane by this part of a slice
# A step longer than the usual one by this factor is a gap: missing planes, or two pieces.
_LONGEST_STEP = 1.5
_TIE = 1e-3


class Contour(NamedTuple):
    """A closed contour: its points (N, 3), LPS mm, and whether its kind is CLOSEDPLANAR_XOR."""

    points: np.ndarray
    exclusive: bool


@dataclass(frozen=True)
class Contours:
    """One ROI: its closed planar contours, and the kinds of those that enclose nothing.

    `same_number` names all ROIs of its number where there are several: their contours cannot be
    assigned.
    """

    number: int
    name: str
    frame_of_reference: str
    contours: tuple[Contour, ...]
    other_kinds: tuple[str, ...]
    same_number: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name, or where there is none the number, for people."""
        return self.name or f"ROI {self.number}"


def read_rtstruct(path: str) -> tuple[list[Contours], set[str]]:
    """Read the ROIs of an RTSTRUCT file, and the UIDs of the series they were drawn on.

    Raises:
        InputError: the file is damaged.
    """
    dataset = read_dataset(path)
    with parsing(path, "an RTSTRUCT"):
        drawn: defaultdict[int, list[Any]] = defaultdict(list)
        for item in dataset.get("ROIContourSequence") or []:
            drawn[int(item.ReferencedROINumber)] += item.get("ContourSequence") or []
        names: defaultdict[int, list[str]] = defaultdict(list)
        for roi in dataset.get("StructureSetROISequence") or []:
            name = one_line(roi.get("ROIName") or "", most=LONGEST_NAME)
            names[int(roi.ROINumber)].append(name)
        rois, read = [], dict.fromkeys(names, 0)
        for roi in dataset.get("StructureSetROISequence") or []:
            number = int(roi.ROINumber)
            closed, other_kinds = _sorted_by_kind(drawn[number], path)
            frame = str(roi.get("ReferencedFrameOfReferenceUID", ""))
            name, read[number] = names[number][read[number]], read[number] + 1
            same = tuple(names[number]) if len(names[number]) > 1 else ()
            rois.append(Contours(number, name, frame, closed, other_kinds, same))
        return rois, _referenced_series(dataset)


def rasterise(roi: Contours, grid: Grid) -> tuple[Box, np.ndarray, list[Flag]]:
    """Rasterise an ROI: return the box of its voxels in `grid`, the voxels (uint8, z, y, x), flags.

    The box may extend beyond the grid: the caller counts the voxels there. What
    several contours of one slice mean together is described in `contours`.

    Raises:
        InputError: no closed contour, contours across the slices, none within the CT, or none that
            encloses the centre of a voxel.
    """
    if roi.same_number:
        listed = ", ".join(f"'{name}'" for name in roi.same_number)
        raise InputError(
            f"{len(roi.same_number)} ROIs have the number {roi.number} ({listed}), so their "
            "contours cannot be assigned. Export the structure set again."
        )
    if not roi.contours:
        kinds = f" (it has only {', '.join(roi.other_kinds)})" if roi.other_kinds else ""
        raise InputError(f"The ROI '{roi.title}' has no closed contour{kinds}.")
    indices = [grid.to_index(contour.points) for contour in roi.contours]
    _check_within(roi, indices, grid)
    order = _axes_of_planes(roi.title, indices)
    heights = [float(points[:, order[2]].mean()) for points in indices]
    planes = planes_of(heights)
    levels = [float(np.mean([heights[number] for number in plane])) for plane in planes]
    slabs = slabs_of(levels, grid.spacing[order[2]])
    blocks: list[MaskBlock] = []
    repeated = nearly = 0
    margin = max(grid.size)  # voxels beyond the CT in which the mask is filled
    columns, rows, slices = (grid.size[axis] + margin for axis in order)
    for plane, (first, stop) in zip(planes, slabs.slices, strict=True):
        if first == stop:
            continue
        filled = range(min(max(first, -margin), slices - 1), max(min(stop, slices), 1 - margin))
        closed, exclusive = (
            [
                indices[number][:, order[:2]]
                for number in plane
                if roi.contours[number].exclusive == kind
            ]
            for kind in (False, True)
        )
        mask = fill_contours(closed, exclusive, (-margin, -margin), (columns, rows))
        repeated, nearly = repeated + mask.repeated, nearly + mask.nearly_repeated
        x, y, inside = mask.block
        if inside.any():
            across, along = (span(np.asarray(inside.any(axis=axis))) for axis in (1, 0))
            at = (y + across.start, x + along.start)
            blocks += [MaskBlock(z, *at, inside[across, along]) for z in filled]
    if not blocks:
        raise InputError(_encloses_nothing(roi, grid))
    box, array = assembled(sorted(blocks, key=lambda block: block.z), roi.title)
    flags = _repeat_flags(roi.title, repeated, nearly) + _kind_flags(roi)
    flags += _stack_flags(roi.title, slabs, levels, grid.spacing[order[2]])
    return (*_in_grid_order(box, array, order), flags)


def _sorted_by_kind(items: list[Any], path: str) -> tuple[tuple[Contour, ...], tuple[str, ...]]:
    """Return the closed contours, and the kinds of all others."""
    closed, other_kinds = [], set()
    for item in items:
        kind = str(item.get("ContourGeometricType", ""))
        points = _points(item, path) if kind in ("CLOSED_PLANAR", _XOR) else None
        if points is None:
            other_kinds.add(one_line(kind, most=40) or "contours of no kind")
        elif len(points) < 3:
            other_kinds.add("contours of fewer than three points")
        else:
            closed.append(Contour(points, kind == _XOR))
    return tuple(closed), tuple(sorted(other_kinds))


def _check_within(roi: Contours, indices: list[np.ndarray], grid: Grid) -> None:
    """Refuse an ROI of which nothing lies in the grid."""
    every = np.concatenate(indices)
    low, high = every.min(axis=0), every.max(axis=0)
    if (high < -0.5).any() or (low > np.array(grid.size) - 0.5).any():
        points = np.concatenate([contour.points for contour in roi.contours])
        raise InputError(
            f"The ROI '{roi.title}' lies outside the CT: its contours cover "
            f"{extent_text(points.min(axis=0), points.max(axis=0))} mm (LPS), the CT "
            f"{grid.extent_text} mm. Is it the right series?"
        )


def _axes_of_planes(name: str, indices: list[np.ndarray]) -> Index:
    """Return the two grid axes along the contours' planes, and the axis across them."""
    for across in (2, 1, 0):
        if max(np.ptp(points[:, across]) for points in indices) <= 2 * _FLAT:
            along = [axis for axis in range(3) if axis != across]
            return (along[0], along[1], across)
    raise InputError(
        f"The contours of '{name}' do not lie in the slices of this CT; "
        "give the CT that they were drawn on."
    )


def _in_grid_order(box: Box, array: np.ndarray, order: Index) -> tuple[Box, np.ndarray]:
    """Reorder a box and its array (z, y, x) from axes in `order` to those of the grid."""
    back = [order.index(axis) for axis in range(3)]
    start, stop = ([corner[axis] for axis in back] for corner in (box.start, box.stop))
    turned = array.transpose([2 - axis for axis in reversed(back)])
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])), turned


def _encloses_nothing(roi: Contours, grid: Grid) -> str:
    if any(contour.exclusive for contour in roi.contours):
        why = f"its contours are of the kind {_XOR} and may cancel each other out"
    else:
        spacing = " x ".join(f"{step:g}" for step in grid.spacing)
        why = f"it is smaller than the CT's voxels ({spacing} mm)"
    return (
        f"None of the {len(roi.contours)} contours of '{roi.title}' encloses the centre of a "
        f"voxel: {why}. Draw the ROI again, or choose another ROI."
    )


def _repeat_flags(name: str, repeated: int, nearly: int) -> list[Flag]:
    flags = []
    if repeated:
        sentence = f"Contours of '{name}' are repeated in the file; each was counted once."
        flags.append(Flag("contours_repeated", "info", sentence))
    if nearly:
        sentence = (
            f"{nearly} contours of '{name}' run along another contour, less than half a voxel "
            "away; they were read as the same outline drawn again, not as a hole."
        )
        flags.append(Flag("contours_nearly_repeated", "warning", sentence))
    return flags


def _kind_flags(roi: Contours) -> list[Flag]:
    if not roi.other_kinds:
        return []
    sentence = (
        f"'{roi.title}' also has {', '.join(roi.other_kinds)}, which enclose nothing; left out."
    )
    return [Flag("other_contours", "info", sentence)]


def _stack_flags(name: str, slabs: Slabs, levels: list[float], slice_mm: float) -> list[Flag]:
    """Return the flags of the planes' distances: other slices than the CT's, or missing planes."""
    flags = []
    filled = [slab for slab in slabs.slices if slab[1] > slab[0]]
    if any(stop - first > 1 for first, stop in filled):
        sentence = (
            f"The contours of '{name}' are {slabs.step * slice_mm:.3g} mm apart and the CT's "
            f"slices {slice_mm:.3g} mm: each contour fills half its distance to the next."
        )
        flags.append(Flag("contours_spread", "warning", sentence))
    elif len(filled) < len(levels) or max(abs(h - round(h)) for h in levels) > SAME_PLANE:
        sentence = (
            f"Contours of '{name}' lie between the CT's slices; each slice took the nearest ones."
        )
        flags.append(Flag("contours_between_slices", "warning", sentence))
    empty = filled[-1][1] - filled[0][0] - sum(stop - first for first, stop in filled)
    if empty:
        sentence = (
            f"'{name}' is not outlined on {empty} slices between its first and last; left empty."
        )
        flags.append(Flag("contour_gaps", "warning", sentence))
    return flags


def _points(contour: Any, path: str) -> np.ndarray:
    raw = contour.get_item(_CONTOUR_DATA).value if _CONTOUR_DATA in contour else None
    raw = raw.rstrip(b" \0") if isinstance(raw, bytes) else raw
    if raw is None or not len(raw):
        return np.zeros((0, 3))
    if isinstance(raw, bytes):  # not parsed yet: a contour may have thousands of points
        values = np.array(raw.split(b"\\"), np.float64)
    else:
        values = np.array([float(value) for value in raw], np.float64)
    if len(values) % 3 or not (np.abs(values) <= FARTHEST_MM).all():  # NaN is not either
        raise InputError(
            f"'{path}' has a contour whose points are not triples of numbers within "
            f"{FARTHEST_MM:g} mm."
        )
    return values.reshape(-1, 3)


def _referenced_series(dataset: Any) -> set[str]:
    return {
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    }


@dataclass(frozen=True)
class Slabs:
    """The slices that each plane fills, as (first, stop); `step` is the planes' usual distance."""

    slices: tuple[tuple[int, int], ...]
    step: float


def planes_of(heights: Sequence[float]) -> list[list[int]]:
    """Group contours by plane: return the contour numbers of each plane, from below.

    A dense sequence of heights is a stack of planes, not one plane.
    """
    order = np.argsort(heights, kind="stable")
    ordered = np.asarray(heights, float)[order]
    planes: list[list[int]] = []
    for run in np.split(np.arange(len(order)), np.flatnonzero(np.diff(ordered) > SAME_PLANE) + 1):
        width = SAME_PLANE if ordered[run[-1]] - ordered[run[0]] <= SAME_PLANE else _TIE
        for number in run:
            first = planes[-1][0] if planes and number != run[0] else None
            if first is not None and ordered[number] - heights[first] <= width:
                planes[-1].append(int(order[number]))
            else:
                planes.append([int(order[number])])
    return planes


def slabs_of(heights: Sequence[float], slice_mm: float) -> Slabs:
    """Return the slab of each plane, from half-way to the plane below to half-way to that above.

    At the ends and next to a gap, a slab is as thick as the planes' usual distance (the lower
    median) or the distance to its other neighbour; a single plane is one slice. Slices within a
    gap belong to no plane. Where planes are so dense that none of them holds a slice's centre, the
    plane nearest to a centre takes that slice.

    Args:
        heights: of the planes, ascending.
        slice_mm: the distance of the CT's slices.
    """
    steps = np.diff(heights)
    usual = np.sort(steps[steps * slice_mm <= max(LARGEST_SLICE_STEP_MM, slice_mm * _LONGEST_STEP)])
    step = float(usual[(len(usual) - 1) // 2]) if len(usual) else 1.0
    half = np.where(steps <= _LONGEST_STEP * step, steps, step) / 2
    ends = half if len(half) else np.array([step / 2])
    below, above = np.append(ends[:1], half), np.append(half, ends[-1:])
    first = np.ceil(np.asarray(heights) - below - _TIE).astype(int)
    stop = np.ceil(np.asarray(heights) + above - _TIE).astype(int)
    if not (stop > first).any():
        distance = np.abs(np.asarray(heights) - np.rint(heights))
        nearest = int(distance.argmin())
        first[nearest] = int(np.rint(heights[nearest]))
        stop[nearest] = first[nearest] + 1
    return Slabs(tuple(zip(first.tolist(), stop.tolist(), strict=True)), step)
