"""The tumour mask on the grid of its CT: moved there, cut to its box, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .ct import CT, as_ct
from .flags import Flag, Severity
from .geometry import SAME_GRID_TOLERANCE, Box, Grid, Index, span, with_axes_of
from .label_maps import image_planes, label_number, labelled_box

_CHANGED = 0.1  # of the volume
_TIE = 1e-6  # voxels


@dataclass(frozen=True)
class Mask:
    """A tumour mask: `image` is uint8 (1 inside), in its box, on voxels of the CT's `grid`."""

    image: sitk.Image
    name: str
    source: str
    flags: tuple[Flag, ...] = ()


def as_mask(
    mask: Mask | sitk.Image,
    ct: CT | sitk.Image,
    *,
    label: int | float | str | None = None,
    name: str = "mask",
    source: str = "image",
) -> Mask:
    """Return a SimpleITK image as a mask on the CT's grid; a Mask only has its axes reordered.

    Raises:
        InputError: the image is empty, has several labels and none is named, or lies elsewhere.
    """
    if isinstance(mask, Mask):
        image = with_axes_of(mask.image, as_ct(ct).grid)
        return mask if image is mask.image else replace(mask, image=image)
    if mask.GetDimension() != 3 or mask.GetNumberOfComponentsPerPixel() != 1:
        raise InputError("The mask must be a 3D image with one value a voxel.")
    number = None if label is None else label_number(label)
    box, array = labelled_box(image_planes(mask), number, name)
    ct, grid = as_ct(ct), Grid.of(mask)
    return place_on_grid(
        grid.part(box).image(array), ct, name, source, geometry_flags(grid, ct.grid)
    )


def place_on_grid(image: sitk.Image, ct: CT, name: str, source: str, flags: list[Flag]) -> Mask:
    """Place a mask on the voxels of the CT's grid, without what lies beyond the CT.

    A mask on another grid is resampled by nearest neighbour, with a flag.

    Raises:
        InputError: mask and CT do not overlap, or no voxel centre of the CT lies in the mask.
    """
    image = with_axes_of(image, ct.grid)
    mask_grid = Grid.of(image)
    outside = _outside_fraction(image, ct.grid)
    if outside == 1:
        raise InputError(_no_overlap(mask_grid, ct.grid, name, flags))
    if outside > 0:
        percent = f"{outside:.1%}" if outside >= 0.001 else "Less than 0.1%"
        sentence = f"{percent} of the mask lies outside the CT and was left out."
        flags = [*flags, Flag("mask_outside_ct", "severe", sentence)]
    offset = mask_grid.offset_in(ct.grid)
    moved = image if offset is not None else _resampled(image, ct.grid)
    offset = Grid.of(moved).offset_in(ct.grid) or (0, 0, 0)
    within = Grid.of(moved).box.shifted(offset).within(ct.grid.box)
    kept = sitk.GetArrayViewFromImage(moved)[
        within.shifted((-offset[0], -offset[1], -offset[2])).slices
    ]
    if not kept.any():
        raise InputError(
            f"The mask '{name}' is smaller than the CT's voxels and holds the centre of none of "
            "them. Choose another mask, or the CT that it was drawn on."
        )
    if moved is not image:
        drawn = np.count_nonzero(sitk.GetArrayViewFromImage(image)) * (1 - outside)
        volumes = drawn * mask_grid.voxel_volume, np.count_nonzero(kept) * ct.grid.voxel_volume
        flags = [*flags, _resampled_flag(mask_grid, *volumes)]
    box, kept = _trimmed(within, kept)
    return Mask(ct.grid.part(box).image(kept), name, source, tuple(flags))


def geometry_flags(mask: Grid, ct: Grid) -> list[Flag]:
    """Flag a mask with the CT's number of voxels along each axis and another geometry."""
    if sorted(mask.size) != sorted(ct.size) or mask.covers_voxels_of(ct):
        return []
    sentence = (
        f"The mask has the CT's size ({' x '.join(map(str, ct.size))} voxels) and another "
        f"geometry. CT: {ct.text}. Mask: {mask.text}. Look whether it lies on the tumour."
    )
    return [Flag("mask_geometry", "warning", sentence)]


def _outside_fraction(image: sitk.Image, ct: Grid) -> float:
    """Return the fraction of a mask, on any grid, whose voxel centres lie outside the CT."""
    grid, array = Grid.of(image), sitk.GetArrayViewFromImage(image)
    far = np.array(ct.size) - 0.5 + SAME_GRID_TOLERANCE
    near = -0.5 - SAME_GRID_TOLERANCE

    def beyond(index: np.ndarray) -> np.ndarray:
        in_ct = ct.to_index(grid.to_lps(index))
        return np.asarray((in_ct < near).any(axis=-1) | (in_ct > far).any(axis=-1))

    if not beyond(grid.corners).any():
        return 0.0
    marked = outside = 0
    for z, plane in enumerate(array):
        y, x = np.nonzero(plane)
        marked += len(x)
        outside += int(np.count_nonzero(beyond(np.column_stack([x, y, np.full(len(x), z)]))))
    return outside / marked


def _resampled_flag(mask: Grid, drawn: float, kept: float) -> Flag:
    """Flag a resampled mask: a warning where its volume (mm3) changed by more than a tenth."""
    sentence = (
        f"The mask was on another grid (voxels of {mask.spacing_text} mm); it was resampled onto "
        f"the CT's by nearest neighbour: {drawn / 1000:.3g} mL became {kept / 1000:.3g} mL."
    )
    severity: Severity = "info" if abs(kept / drawn - 1) <= _CHANGED else "warning"
    return Flag("mask_resampled", severity, sentence)


def _resampled(image: sitk.Image, ct: Grid) -> sitk.Image:
    """Resample a mask by nearest neighbour onto the part of the CT's grid that it covers."""
    grid = Grid.of(image)
    corners = ct.to_index(grid.to_lps(grid.box_corners))
    size = np.array(ct.size)
    start = np.clip(np.floor(corners.min(axis=0)), 0, size - 1).astype(int)
    stop = np.clip(np.ceil(corners.max(axis=0)) + 1, start + 1, size).astype(int)
    part = ct.part(Box(_index(start), _index(stop)))
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    resample.SetSize(part.size)
    resample.SetOutputSpacing(part.spacing)
    # Centres half-way between two voxels all take the same side, whatever decimals do.
    resample.SetOutputOrigin((np.array(part.origin) + grid.axes.sum(axis=1) * _TIE).tolist())
    resample.SetOutputDirection(part.direction)
    moved = resample.Execute(image)
    moved.SetOrigin(part.origin)
    return moved


def _index(values: np.ndarray) -> Index:
    return (int(values[0]), int(values[1]), int(values[2]))


def _trimmed(at: Box, array: np.ndarray) -> tuple[Box, np.ndarray]:
    """Cut `array` (z, y, x) at the box `at` to its marked voxels; return their box and voxels."""
    z, y, x = (span(np.asarray(array.any(axis=axes))) for axes in ((1, 2), (0, 2), (0, 1)))
    size = (x.stop - x.start, y.stop - y.start, z.stop - z.start)
    box = Box((0, 0, 0), size).shifted((x.start, y.start, z.start)).shifted(at.start)
    return box, array[z, y, x]


def _no_overlap(mask: Grid, ct: Grid, name: str, flags: Sequence[Flag]) -> str:
    """Return the message for a mask that lies outside the CT."""
    geometry = [flag.sentence for flag in flags if flag.code == "mask_geometry"]
    return " ".join(
        [
            f"The mask '{name}' and the CT do not overlap: the mask covers {mask.extent_text} mm "
            f"(LPS), the CT {ct.extent_text} mm. They belong to different scans or spaces.",
            *geometry,
        ]
    )
