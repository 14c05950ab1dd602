"""Boxes round tumours in DICOM structured reports (PS3.16 TID 1500), in voxels of a CT.

Reports of Lung-PET-CT-Dx and NLST have a planar group (TID 1410) for each slice, with a rectangle
on an image (SCOORD, PS3.3 C.18.6). Rectangles that lie over one another on neighbouring slices are
one box. Regions in space (SCOORD3D, C.18.9) are boxes by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, one_line, parsing
from ..geometry import Box, Grid, Point
from .header import read_dataset

if TYPE_CHECKING:
    from ..ct import CT

_GROUP, _SITE = "125007", "363698007"  # measurement group, finding site
_MOST_ITEMS, _DEEPEST = 100_000, 12
_GAP_MM = 6.0  # slices without a rectangle between two of one tumour


@dataclass(frozen=True)
class Region:
    """A region of a report.

    Attributes:
        points: (N, 2) columns and rows of an image, from the corner of its first pixel; or (N, 3)
            LPS mm.
        image: SOP Instance UID of the image; "" for points in space.
        frame_of_reference: of points in space.
        site: the finding site, in words; "" where the report does not say.
    """

    points: np.ndarray
    image: str
    frame_of_reference: str
    site: str


@dataclass(frozen=True)
class TumourBox:
    """A box round a tumour.

    Attributes:
        number: from 1, from the lowest to the highest.
        low, high: its edges as continuous indices (x, y, z) of the CT's grid.
        grid: of the CT.
        slices: rectangles it was made of; 0 for a region in space.
        site: in words.
    """

    number: int
    low: np.ndarray
    high: np.ndarray
    grid: Grid
    slices: int
    site: str

    @property
    def centre_lps(self) -> Point:
        x, y, z = self.grid.to_lps((self.low + self.high) / 2).tolist()
        return x, y, z

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Extent along x, y and z of the CT's grid."""
        x, y, z = ((self.high - self.low) * np.array(self.grid.spacing)).tolist()
        return x, y, z

    @property
    def voxels(self) -> Box:
        """The CT's voxels whose centres lie in it."""
        low, high = np.ceil(self.low).astype(int), np.floor(self.high).astype(int) + 1
        (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
        return Box((x0, y0, z0), (x1, y1, z1)).within(self.grid.box)


def read_regions(path: str) -> list[Region]:
    """Read the regions of a report.

    Raises:
        InputError: the file is damaged.
    """
    dataset = read_dataset(path)
    with parsing(path, "a structured report"):
        return [
            region
            for group in _containers(dataset, _GROUP)
            for region in _regions(group, _site(group))
        ]


def read_boxes(path: str, ct: CT) -> list[TumourBox]:
    """Return the boxes of a report that lie on a CT.

    Raises:
        InputError: the file is damaged, the CT is no DICOM series, or no box is on it.
    """
    regions = read_regions(path)
    if ct.dicom is None:
        raise InputError("Boxes of a report need the CT as DICOM, to whose images they refer.")
    number_of = {plane.sop_instance: number for number, plane in enumerate(ct.dicom.planes)}
    parts = []
    for region in regions:
        if region.image in number_of:
            parts.append((_on_slice(region, number_of[region.image], ct), region))
        elif not region.image and region.frame_of_reference == ct.dicom.frame_of_reference:
            parts.append((_in_space(region, ct.grid), region))
    if not parts:
        raise InputError(
            f"'{path}' has no box on this CT (it has {len(regions)} regions): choose the report "
            "that refers to the series."
        )
    groups = _grouped(parts, ct.grid)
    groups.sort(key=lambda group: min(edges[0][2] for edges, _ in group))
    return [
        TumourBox(
            number,
            np.min([low for (low, _), _ in group], axis=0),
            np.max([high for (_, high), _ in group], axis=0),
            ct.grid,
            sum(bool(region.image) for _, region in group),
            next((region.site for _, region in group if region.site), ""),
        )
        for number, group in enumerate(groups, start=1)
    ]


Edges = tuple[np.ndarray, np.ndarray]
_Part = tuple[Edges, Region]


def _on_slice(region: Region, number: int, ct: CT) -> Edges:
    """Return the edges of a rectangle on a slice, half a slice thick to either side."""
    (left, top), (right, bottom) = region.points.min(0) - 0.5, region.points.max(0) - 0.5
    corners = [
        (x, y, z)
        for x in (left, right)
        for y in (top, bottom)
        for z in (number - 0.5, number + 0.5)
    ]
    index = ct.grid.to_index(ct.stored.to_lps(np.array(corners)))
    return index.min(0), index.max(0)


def _in_space(region: Region, grid: Grid) -> Edges:
    index = grid.to_index(region.points)
    low, high = index.min(0), index.max(0)
    flat = high - low < 1
    return np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)


def _grouped(parts: list[_Part], grid: Grid) -> list[list[_Part]]:
    """Return the parts of each box: rectangles that lie over one another, and whole regions."""
    groups = [[part] for part in parts if not part[1].image]
    flat: list[list[_Part]] = []
    for part in (part for part in parts if part[1].image):
        near = [group for group in flat if any(_is_over(part[0], each, grid) for each, _ in group)]
        flat = [group for group in flat if all(group is not each for each in near)]
        flat.append([part, *(each for group in near for each in group)])
    return [*groups, *flat]


def _is_over(first: Edges, second: Edges, grid: Grid) -> bool:
    """Return whether two rectangles overlap as seen along the slices, a small gap apart."""
    thin = int(np.argmin((first[1] - first[0]) * np.array(grid.spacing)))
    gap = np.maximum(first[0], second[0]) - np.minimum(first[1], second[1])
    gap[thin] -= _GAP_MM / grid.spacing[thin]
    return bool((gap <= 0).all())


def _containers(item: Any, code: str, depth: int = 0) -> Iterator[Any]:
    """Yield the containers of a concept in the tree of a report."""
    if depth > _DEEPEST:
        raise ValueError("its content is nested too deeply")
    for child in (item.get("ContentSequence") or [])[:_MOST_ITEMS]:
        if child.get("ValueType") == "CONTAINER" and _code(child, "ConceptName") == code:
            yield child
        else:
            yield from _containers(child, code, depth + 1)


def _regions(group: Any, site: str) -> Iterator[Region]:
    for item in group.get("ContentSequence") or []:
        data = np.array([float(value) for value in item.get("GraphicData") or []])
        if item.get("ValueType") == "SCOORD" and data.size:
            images = [
                reference
                for child in item.get("ContentSequence") or []
                for reference in child.get("ReferencedSOPSequence") or []
            ]
            image = str(images[0].ReferencedSOPInstanceUID) if images else ""
            if image:
                yield Region(_finite(data.reshape(-1, 2)), image, "", site)
        elif item.get("ValueType") == "SCOORD3D" and data.size:
            frame = str(item.get("ReferencedFrameOfReferenceUID", ""))
            yield Region(_finite(data.reshape(-1, 3)), "", frame, site)


def _finite(points: np.ndarray) -> np.ndarray:
    if not (np.isfinite(points).all() and np.abs(points).max() < 1e6):
        raise ValueError("a region has points that are no positions")
    return points


def _site(group: Any) -> str:
    for item in group.get("ContentSequence") or []:
        if item.get("ValueType") == "CODE" and _code(item, "ConceptName") == _SITE:
            return one_line(item.ConceptCodeSequence[0].get("CodeMeaning") or "", most=60)
    return ""


def _code(item: Any, name: str) -> str:
    sequence = item.get(f"{name}CodeSequence") or []
    return str(sequence[0].get("CodeValue", "")) if sequence else ""
