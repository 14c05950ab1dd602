"""The axial slices that contain tumour: as the CT has them, or resampled for networks.

`tumour_slices` cuts whole slices at the CT's own resolution. `axial_slices` cuts them to one number
of pixels, resampled to one size or the CT's own, which `to_channels` turns into the input of 2D
networks.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..files import whole_folder, write_json
from ..progress import Progress
from .crop import centre_of_mass, flags_of_case, mask_box
from .ct import CT, as_ct
from .files.write import write_png
from .flags import Flag
from .geometry import Box, Grid
from .masks import Mask, as_mask
from .pictures import WINDOWS, windowed
from .resample import AIR, Axis, linear, nearest, needed_box

Context: TypeAlias = Literal["tumour", "slice"]
SMALLEST_MM2 = 12.0  # of tumour in a slice, a disc 4 mm wide: less is the frayed end of a mask

_HEAD_FOOT = 2  # the axis of a CT's grid
_TUMOUR_SLICES = 64  # of 1 mm, as the crop has them
_SOFT_TISSUE_HU = -400  # body and table lie above
_TABLE_MM = 8  # thinner objects are not the body
_SMALLEST_BODY_MM = 100  # across


@dataclass(frozen=True)
class TumourSlices:
    """Axial slices with tumour, feet to head, as a reader sees them (patient's left on the right).

    `ct` is HU and `mask` uint8, both (n, y, x); `positions_mm` is each slice's position along the
    head-foot axis (LPS) and `spacing_mm` the pixel size (x, y).
    """

    ct: np.ndarray
    mask: np.ndarray
    positions_mm: tuple[float, ...]
    spacing_mm: tuple[float, float]
    flags: tuple[Flag, ...] = ()


def tumour_slices(
    ct: CT | sitk.Image, mask: Mask | sitk.Image, *, progress: Progress | None = None
) -> TumourSlices:
    """Return the whole slices that contain tumour, at the CT's own resolution.

    A CT whose slices are coronal, sagittal or oblique is cut along its axes, across the one that is
    nearest to head-foot.

    Raises:
        InputError: as `read_mask` and `CT.hu`.
    """
    ct = as_ct(ct)
    mask = as_mask(mask, ct)
    at = mask_box(mask, ct.grid)
    columns, rows, _ = ct.grid.size
    box = Box((0, 0, at.start[2]), (columns, rows, at.stop[2]))
    marked = np.zeros(box.size[::-1], np.uint8)
    marked[at.shifted((0, 0, -at.start[2])).slices] = sitk.GetArrayViewFromImage(mask.image)
    kept = np.flatnonzero(marked.any(axis=(1, 2)))
    grid = ct.grid.part(box)
    heights = grid.to_lps(np.array([[columns / 2, rows / 2, z] for z in kept]))[:, 2]
    return TumourSlices(
        ct.hu(box, progress)[kept],
        marked[kept],
        tuple(float(height) for height in heights),
        (grid.spacing[0], grid.spacing[1]),
        flags_of_case(ct, mask),
    )


def write_slices(
    slices: TumourSlices, folder: str | os.PathLike[str], *, window: str = "lung"
) -> Path:
    """Write `slices.npz` (HU and mask), a PNG of each slice and mask, and `slices.json`."""
    target = Path(folder)
    with whole_folder(target, last="slices.json") as temporary:
        np.savez_compressed(temporary / "slices.npz", ct=slices.ct, mask=slices.mask)
        for number, (hu, mask) in enumerate(zip(slices.ct, slices.mask, strict=True)):
            write_png(temporary / f"ct-{number:04d}.png", windowed(hu, window))
            write_png(temporary / f"mask-{number:04d}.png", mask * np.uint8(255))
        centre, width = WINDOWS[window]
        write_json(
            temporary / "slices.json",
            {
                "slices": len(slices.positions_mm),
                "positions_mm": list(slices.positions_mm),
                "spacing_mm": list(slices.spacing_mm),
                "window": {"name": window, "centre_hu": centre, "width_hu": width},
                "tumour_pixels": [int(count) for count in slices.mask.sum(axis=(1, 2))],
                "flags": [flag.to_dict() for flag in slices.flags],
            },
        )
    return target


@dataclass(frozen=True)
class AxialSlices:
    """HU (int16) and mask (uint8), both (n, y, x), feet to head, patient's left on the right.

    `left_out` more slices have less than `SMALLEST_MM2` of tumour, `padded` more too much padding.
    """

    hu: np.ndarray
    mask: np.ndarray
    left_out: int
    padded: int = 0


def axial_slices(
    ct: CT, mask: Mask, *, context: Context, pixels: int, pixel_mm: float | None
) -> AxialSlices:
    """Return the slices with tumour, resampled onto square pixels, or as the CT has them.

    CT linear between voxels, and averaged where pixels are larger than 1 mm; mask nearest
    neighbour; -1024 HU outside the CT.

    Args:
        ct: HU.
        mask: on the CT's grid.
        context: "tumour": round its centre of mass, 1 mm apart, as many as a crop of 64 voxels
            holds (with 64 pixels of 1 mm they are its slices); "slice": round the middle of the
            body, the CT's own slices.
        pixels: a side, an even number.
        pixel_mm: between pixels; None keeps the CT's own pixels and slices, so that the mask has
            the outline that was drawn.

    Raises:
        InputError: no slice has enough tumour, or as `CT.hu`.
    """
    grid, at, along = ct.grid, mask_box(mask, ct.grid), _HEAD_FOOT
    steps = grid.spacing if pixel_mm is None else (pixel_mm, pixel_mm, 1.0)
    voxels = sitk.GetArrayViewFromImage(mask.image)
    if context == "tumour":
        centre = centre_of_mass(voxels, at)
    else:
        centre = _middle_of_body(ct, along, at.start[along] + at.size[along] // 2)
    if context == "slice" or pixel_mm is None:
        heights = Axis.of(at.start[along], at.size[along], 1.0, grid.size[along])
    else:
        heights = _line(grid, along, centre, count=_TUMOUR_SLICES, step_mm=steps[along])
    # Where a pixel is an average it is of an odd number of points, the middle one its centre.
    folds = [1 if axis == along else _fold(steps[axis], grid.spacing[axis]) for axis in range(3)]
    points = [
        heights
        if axis == along
        else _line(grid, axis, centre, count=pixels * fold, step_mm=steps[axis] / fold)
        for axis, fold in enumerate(folds)
    ]
    x, y, z = (
        Axis(line.index[fold // 2 :: fold], line.inside[fold // 2 :: fold])
        for line, fold in zip(points, folds, strict=True)
    )
    marked = nearest((x, y, z), voxels, at)
    chosen, left_out = _chosen(np.moveaxis(marked, 2 - along, 0), steps[0] * steps[1])
    hu = _averaged(ct, points, folds, along, chosen)
    marked = marked.take(chosen, 2 - along)
    return AxialSlices(hu, marked, left_out)


def slices_of_cube(hu: np.ndarray, mask: np.ndarray) -> AxialSlices:
    """Return the slices with tumour of a stored crop; see `axial_slices`.

    Args:
        hu: int16 (side, side, side), 1 mm apart, axes in LPS order.
        mask: uint8, of the same shape.
    """
    chosen, left_out = _chosen(mask, 1.0)
    return AxialSlices(hu[chosen], mask[chosen], left_out)


def without_padding(slices: AxialSlices, largest: float) -> AxialSlices:
    """Return the slices of which at most a fraction, 0 to 1, is padding: `AIR` or less.

    Raises:
        InputError: there is none.
    """
    fractions = (slices.hu <= AIR).mean(axis=(1, 2))
    kept = fractions <= largest
    if not kept.any():
        raise InputError(
            f"Of each slice at least {fractions.min():.0%} is padding ({AIR:g} HU, as beyond the "
            "CT): choose a smaller --field or a greater --largest-padding."
        )
    padded = int(np.count_nonzero(~kept))
    return AxialSlices(slices.hu[kept], slices.mask[kept], slices.left_out, padded)


def _chosen(mask: np.ndarray, pixel_mm2: float) -> tuple[np.ndarray, int]:
    """Return the slices of a mask (n, y, x) with enough tumour, and how many have less."""
    areas = np.count_nonzero(mask, axis=(1, 2)) * pixel_mm2
    chosen = np.flatnonzero(areas >= SMALLEST_MM2)
    if not len(chosen):
        raise InputError(f"No slice of the mask has {SMALLEST_MM2:g} mm2 of tumour.")
    return chosen, int(np.count_nonzero(areas)) - len(chosen)


def _fold(pixel_mm: float, spacing: float) -> int:
    """Return the number of points, odd, that a pixel averages along an axis."""
    return 1 if pixel_mm <= 1 else math.ceil(pixel_mm / spacing - 1e-6) // 2 * 2 + 1


def _line(grid: Grid, axis: int, centre: np.ndarray, *, count: int, step_mm: float) -> Axis:
    """Return points round an index, placed like a crop: the first of the upper half is nearest."""
    spacing = grid.spacing[axis]
    middle = math.floor(centre[axis] * spacing / step_mm + 0.5)
    return Axis.of(middle - count // 2, count, step_mm / spacing, grid.size[axis])


def _middle_of_body(ct: CT, along: int, height: int) -> np.ndarray:
    """Return the centre index of the body, the largest object in a slice; else of the CT."""
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
    for axis, indices in enumerate(reversed(body)):
        wide = np.ptp(indices) * ct.grid.spacing[axis] if len(indices) else 0.0
        if axis != along and wide >= _SMALLEST_BODY_MM:
            middle[axis] = (indices.min() + indices.max()) / 2
    return middle


def _averaged(
    ct: CT, points: list[Axis], folds: list[int], along: int, chosen: np.ndarray
) -> np.ndarray:
    """Return the HU of the chosen slices (z, y, x), resampled one by one to save memory."""
    x, y, z = points
    slab = needed_box((x, y, z), ct.grid.size)
    block = ct.hu(slab)

    def read(part: Box) -> np.ndarray:
        x, y, z = slab.start
        return block[part.shifted((-x, -y, -z)).slices]

    slices = []
    for number in chosen.tolist():
        heights = points[along]
        height = Axis(heights.index[number : number + 1], heights.inside[number : number + 1])
        x, y, z = (height if axis == along else line for axis, line in enumerate(points))
        hu = linear((x, y, z), ct.grid.size, read)
        shape = [
            part
            for length, fold in zip(hu.shape, reversed(folds), strict=True)
            for part in (length // fold, fold)
        ]
        slices.append(np.rint(hu.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)))
    limits = np.iinfo(np.int16)
    return np.clip(np.concatenate(slices, 2 - along), limits.min, limits.max).astype(np.int16)


def to_channels(hu: np.ndarray, mask: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """Return slices as the two input channels of a network, from -1 to 1.

    Args:
        hu: (n, y, x).
        mask: (n, y, x); what is not 0 is tumour.
        low: HU that become -1, as do those below.
        high: HU that become 1, as do those above.

    Returns:
        float32 (n, 2, y, x): the CT, and the mask as -1 and 1.
    """
    channels = np.empty((len(hu), 2, *hu.shape[1:]), np.float32)
    ct = np.subtract(hu, low, out=channels[:, 0], dtype=np.float32)
    ct *= 2 / (high - low)
    ct -= 1
    np.clip(ct, -1, 1, out=ct)
    channels[:, 1] = np.where(mask != 0, 1, -1)
    return channels


def from_channels(images: np.ndarray, *, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return HU (int16) and mask (uint8), both (n, y, x), of a network's images (n, 2, y, x).

    The CT stays within `low` and `high`; the mask is where the second channel is above 0.
    """
    ct = (np.clip(images[:, 0], -1, 1) + 1) * ((high - low) / 2) + low
    return np.rint(ct).astype(np.int16), (images[:, 1] > 0).astype(np.uint8)
