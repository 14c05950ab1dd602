"""Axial slices that contain tumour, all on pixels of one size: what networks for slices learn from.

`imaging.slices` gives them as the CT has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .crop import centre_of_mass, mask_box
from .ct import CT
from .geometry import Box, Grid
from .masks import Mask
from .resample import Axis, linear, nearest, needed_box

Context: TypeAlias = Literal["tumour", "slice"]
CONTEXTS: tuple[Context, ...] = get_args(Context)
SMALLEST_MM2 = 12.0  # of tumour in a slice, a disc 4 mm wide: less is the frayed end of a mask

_HEAD_FOOT = 2  # the axis of a CT's grid
_TUMOUR_SLICES = 64  # of 1 mm, as the crop has them
_SOFT_TISSUE_HU = -400  # what is above is body, but for the table
_TABLE_MM = 8  # what is thinner is no body
_SMALLEST_BODY_MM = 100  # across


@dataclass(frozen=True)
class AxialSlices:
    """HU (int16) and mask (uint8), both (n, y, x), feet to head, patient's left on the right.

    `left_out` more slices have less than `SMALLEST_MM2` of tumour.
    """

    hu: np.ndarray
    mask: np.ndarray
    left_out: int


def axial_slices(
    ct: CT, mask: Mask, *, context: Context, pixels: int, pixel_mm: float
) -> AxialSlices:
    """The slices with tumour, on square pixels.

    CT linear between voxels, and averaged where pixels are larger than 1 mm; mask nearest
    neighbour; -1024 HU outside the CT.

    Args:
        ct: HU.
        mask: on the CT's grid.
        context: "tumour": round its centre of mass, 1 mm apart, as many as a crop of 64 voxels
            holds (with 64 pixels of 1 mm they are its slices); "slice": round the middle of the
            body, the CT's own slices.
        pixels: a side, an even number.
        pixel_mm: between pixels.

    Raises:
        InputError: no slice has enough tumour, or as `CT.hu`.
    """
    grid, at, along = ct.grid, mask_box(mask, ct.grid), _HEAD_FOOT
    voxels = sitk.GetArrayViewFromImage(mask.image)
    if context == "tumour":
        centre = centre_of_mass(voxels, at)
        heights = _line(grid, along, centre, count=_TUMOUR_SLICES, step_mm=1.0)
    else:
        heights = Axis.of(at.start[along], at.size[along], 1.0, grid.size[along])
        centre = _middle_of_body(ct, along, at.start[along] + at.size[along] // 2)
    # Where a pixel is an average it is of an odd number of points, the middle one its centre.
    folds = [1 if axis == along else _fold(pixel_mm, grid.spacing[axis]) for axis in range(3)]
    points = [
        heights
        if axis == along
        else _line(grid, axis, centre, count=pixels * fold, step_mm=pixel_mm / fold)
        for axis, fold in enumerate(folds)
    ]
    x, y, z = (
        Axis(line.index[fold // 2 :: fold], line.inside[fold // 2 :: fold])
        for line, fold in zip(points, folds, strict=True)
    )
    marked = nearest((x, y, z), voxels, at)
    chosen, left_out = _chosen(np.moveaxis(marked, 2 - along, 0), pixel_mm)
    hu = _averaged(ct, points, folds, along, chosen)
    marked = marked.take(chosen, 2 - along)
    return AxialSlices(hu, marked, left_out)


def slices_of_cube(hu: np.ndarray, mask: np.ndarray) -> AxialSlices:
    """The slices with tumour of a crop that is there already; see `axial_slices`.

    Args:
        hu: int16 (side, side, side), 1 mm apart, axes in LPS order.
        mask: uint8, of the same shape.
    """
    chosen, left_out = _chosen(mask, 1.0)
    return AxialSlices(hu[chosen], mask[chosen], left_out)


def _chosen(mask: np.ndarray, pixel_mm: float) -> tuple[np.ndarray, int]:
    """Which slices of a mask (n, y, x) have enough tumour, and how many have some but less."""
    areas = np.count_nonzero(mask, axis=(1, 2)) * pixel_mm**2
    chosen = np.flatnonzero(areas >= SMALLEST_MM2)
    if not len(chosen):
        raise InputError(f"None of its slices has {SMALLEST_MM2:g} mm2 of tumour.")
    return chosen, int(np.count_nonzero(areas)) - len(chosen)


def _fold(pixel_mm: float, spacing: float) -> int:
    """Of how many points a pixel is the average, along one axis: an odd number."""
    return 1 if pixel_mm <= 1 else math.ceil(pixel_mm / spacing - 1e-6) // 2 * 2 + 1


def _line(grid: Grid, axis: int, centre: np.ndarray, *, count: int, step_mm: float) -> Axis:
    """Points round an index, as the crop lies: the first of the upper half is nearest to it."""
    spacing = grid.spacing[axis]
    middle = math.floor(centre[axis] * spacing / step_mm + 0.5)
    return Axis.of(middle - count // 2, count, step_mm / spacing, grid.size[axis])


def _middle_of_body(ct: CT, along: int, height: int) -> np.ndarray:
    """The index amid the body, the largest thing in one slice that is no air; or amid the CT."""
    start, stop = [0, 0, 0], list(ct.grid.size)
    start[along], stop[along] = height, height + 1
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    tissue = (ct.hu(box) > _SOFT_TISSUE_HU).astype(np.uint8)
    radii = [
        0 if axis == along else round(_TABLE_MM / 2 / spacing)
        for axis, spacing in enumerate(ct.grid.spacing)
    ]
    opened = sitk.BinaryMorphologicalOpening(sitk.GetImageFromArray(tissue), radii, sitk.sitkBox)
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(opened))
    middle: np.ndarray = (np.array(start) + np.array(stop) - 1) / 2
    body = np.nonzero(sitk.GetArrayViewFromImage(parts) == 1)
    for axis, places in enumerate(reversed(body)):
        wide = np.ptp(places) * ct.grid.spacing[axis] if len(places) else 0.0
        if axis != along and wide >= _SMALLEST_BODY_MM:
            middle[axis] = (places.min() + places.max()) / 2
    return middle


def _averaged(
    ct: CT, points: list[Axis], folds: list[int], along: int, chosen: np.ndarray
) -> np.ndarray:
    """HU of the chosen slices (z, y, x), one at a time: little more than the CT's is in memory."""
    x, y, z = points
    slab = needed_box((x, y, z), ct.grid.size)
    block = ct.hu(slab)

    def read(part: Box) -> np.ndarray:
        x, y, z = slab.start
        return block[part.shifted((-x, -y, -z)).slices]

    slices = []
    for number in chosen.tolist():
        heights = points[along]
        one = Axis(heights.index[number : number + 1], heights.inside[number : number + 1])
        x, y, z = (one if axis == along else line for axis, line in enumerate(points))
        hu = linear((x, y, z), ct.grid.size, read)
        shape = [
            part
            for length, fold in zip(hu.shape, reversed(folds), strict=True)
            for part in (length // fold, fold)
        ]
        slices.append(np.rint(hu.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)))
    limits = np.iinfo(np.int16)
    return np.clip(np.concatenate(slices, 2 - along), limits.min, limits.max).astype(np.int16)
