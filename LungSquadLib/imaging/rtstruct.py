"""Tumour outlines of a DICOM RTSTRUCT, rasterised on the CT they were drawn on.

Attributes: PS3.3 C.8.8.5 (Structure Set) and C.8.8.6 (ROI Contour).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from .contours import fill_even_odd
from .ct import CT
from .dicom_header import read_dataset
from .flags import Flag
from .geometry import FARTHEST_MM, Box, Grid
from .label_maps import LONGEST_NAME
from .orientation import Reorientation

_CONTOUR_DATA = 0x30060050
# Points of one contour may leave its plane by this part of the slice spacing.
_FLAT = 0.1
_HEAD_FOOT = 2  # the axis of a CT's grid


@dataclass(frozen=True)
class Contours:
    """One ROI: its closed planar contours, each an (N, 3) array of LPS points in mm."""

    number: int
    name: str
    frame_of_reference: str
    contours: tuple[np.ndarray, ...]
    other_kinds: tuple[str, ...]


def read_rtstruct(path: str) -> tuple[list[Contours], set[str]]:
    """All ROIs of an RTSTRUCT file, and the UIDs of the series they were drawn on.

    Raises:
        InputError: the file is damaged.
    """
    dataset = read_dataset(path)
    with parsing(path, "an RTSTRUCT"):
        drawn = {
            int(item.ReferencedROINumber): item.get("ContourSequence") or []
            for item in dataset.get("ROIContourSequence") or []
        }
        rois = []
        for roi in dataset.get("StructureSetROISequence") or []:
            number = int(roi.ROINumber)
            closed, others = [], set()
            for contour in drawn.get(number, []):
                kind = str(contour.get("ContourGeometricType", ""))
                if kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
                    closed.append(_points(contour, path))
                else:
                    others.add(one_line(kind, most=40))
            frame = str(roi.get("ReferencedFrameOfReferenceUID", ""))
            name = one_line(roi.get("ROIName", ""), most=LONGEST_NAME)
            rois.append(Contours(number, name, frame, tuple(closed), tuple(sorted(others))))
        return rois, _referenced_series(dataset)


def mask_of_roi(roi: Contours, ct: CT) -> tuple[sitk.Image, list[Flag]]:
    """The ROI on voxels of the CT's grid (uint8, in its box); the image's last axis is across it.

    Contours lie in the slices as they are stored. A volume file may have other axes than the series
    that was drawn on: there they may also lie in axial planes.

    Raises:
        InputError: as `rasterise`.
    """
    axes = {ct.slice_axis} if ct.dicom is not None else {ct.slice_axis, _HEAD_FOOT}
    points = [ct.grid.to_index(points) for points in roi.contours if len(points) >= 3]
    thick = [np.median([np.ptp(one[:, axis]) for one in points] or [0.0]) for axis in range(3)]
    last = min(axes, key=lambda axis: thick[axis])
    order = {0: (1, 2, 0), 1: (2, 0, 1), 2: (0, 1, 2)}[last]
    slices = Reorientation(order, (False, False, False)).grid(ct.grid)
    box, array, flags = rasterise(roi, slices)
    return slices.part(box).image(array), flags


def rasterise(roi: Contours, grid: Grid) -> tuple[Box, np.ndarray, list[Flag]]:
    """The voxels of `grid` whose centre lies in the ROI, in their box (uint8, z, y, x).

    Within a slice all contours count together, even-odd: a contour inside another is a hole, and a
    hole joined to its rim by a keyhole is one too. Contours beyond the grid's slices are left out.

    Raises:
        InputError: no closed contour, contours across the slices, or none within the CT.
    """
    usable = [grid.to_index(points) for points in roi.contours if len(points) >= 3]
    if not usable:
        kinds = f" (it has only {', '.join(roi.other_kinds)})" if roi.other_kinds else ""
        raise InputError(f"The ROI '{roi.name}' has no closed contour{kinds}.")
    heights = np.array([points[:, 2].mean() for points in usable])
    if max(np.abs(p[:, 2] - h).max() for p, h in zip(usable, heights, strict=True)) > _FLAT:
        raise InputError(
            f"The contours of '{roi.name}' do not lie in the slices of this CT; "
            "give the CT that they were drawn on."
        )
    planes, flags = _planes(usable, heights, grid, roi.name)
    if not planes:
        low, high = grid.to_lps((0, 0, heights.min())), grid.to_lps((0, 0, heights.max()))
        raise InputError(
            f"The ROI '{roi.name}' lies outside the CT: its contours go from slice position "
            f"{low[2]:.1f} to {high[2]:.1f} mm. Is it the right series?"
        )
    flags += _gaps(sorted(planes), roi.name)
    filled = {
        z: fill_even_odd([points[:, :2] for points in polygons], grid.size[0], grid.size[1])
        for z, polygons in planes.items()
    }
    return (*_assembled(filled), flags)


def _points(contour: Any, path: str) -> np.ndarray:
    raw = contour.get_item(_CONTOUR_DATA).value
    if isinstance(raw, bytes):  # not parsed yet: a contour may have thousands of points
        values = np.array(raw.rstrip(b" \0").split(b"\\"), np.float64)
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


def _planes(
    usable: list[np.ndarray], heights: np.ndarray, grid: Grid, name: str
) -> tuple[dict[int, list[np.ndarray]], list[Flag]]:
    """Contours by slice of the grid; where contour planes are denser than slices, the nearest."""
    by_height: defaultdict[float, list[np.ndarray]] = defaultdict(list)
    for points, height in zip(usable, heights, strict=True):
        by_height[round(float(height), 2)].append(points)
    nearest: dict[int, float] = {}
    outside = 0
    for height in by_height:
        z = int(np.floor(height + 0.5))
        if not 0 <= z < grid.size[2]:
            outside += len(by_height[height])
        elif z not in nearest or abs(height - z) < abs(nearest[z] - z):
            nearest[z] = height
    flags = []
    if outside:
        sentence = f"{outside} of {len(usable)} contours of '{name}' lie beyond the CT's slices."
        flags.append(Flag("contours_outside_ct", "warning", sentence))
    off = max((abs(height - z) for z, height in nearest.items()), default=0.0)
    if off > _FLAT or len(nearest) + outside < len(by_height):
        sentence = (
            f"Contours of '{name}' lie between the CT's slices; each slice took the nearest ones."
        )
        flags.append(Flag("contours_between_slices", "warning", sentence))
    return {z: by_height[height] for z, height in nearest.items()}, flags


def _gaps(slices: list[int], name: str) -> list[Flag]:
    empty = slices[-1] - slices[0] + 1 - len(slices)
    if not empty:
        return []
    sentence = f"'{name}' is not outlined on {empty} slices between its first and last; left empty."
    return [Flag("contour_gaps", "warning", sentence)]


def _assembled(filled: dict[int, tuple[int, int, np.ndarray]]) -> tuple[Box, np.ndarray]:
    x0 = min(x for x, _, _ in filled.values())
    y0 = min(y for _, y, _ in filled.values())
    x1 = max(x + inside.shape[1] for x, _, inside in filled.values())
    y1 = max(y + inside.shape[0] for _, y, inside in filled.values())
    z0, z1 = min(filled), max(filled) + 1
    array = np.zeros((z1 - z0, y1 - y0, x1 - x0), np.uint8)
    for z, (x, y, inside) in filled.items():
        rows, columns = inside.shape
        array[z - z0, y - y0 : y - y0 + rows, x - x0 : x - x0 + columns] = inside
    return Box((x0, y0, z0), (x1, y1, z1)), array
