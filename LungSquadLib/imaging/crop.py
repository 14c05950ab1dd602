"""The crop: a cube of CT and mask round the tumour, on the 1 mm grid of the whole CT.

The grid starts at the origin of the CT, its axes in LPS order, and runs along its axes; the crop
is centred on the grid point nearest to the mask's centre of mass. It equals, voxel for voxel, the
same cube cut from the whole resampled CT, but only the voxels that it needs are read and
resampled. It does not depend on the order in which the axes of CT and mask are stored. Its flags
say what a reader should know before trusting a prediction for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from .ct import CT, as_ct, content_hash
from .flags import Flag, merged
from .geometry import Box, Grid, Index, Point, plausible_position, point_of, span
from .masks import Mask, as_mask
from .resample import AIR, axes_of, linear, nearest

LARGEST_CROP = 512
_NO_CENTRE = "The crop's centre must be three finite numbers (LPS mm) near the CT."

THICK_SLICE_MM = 3.0
TINY_ML = 0.05  # a ball of 4.6 mm
PADDING_WORTH_REPORTING = 0.001
SOFT_TISSUE_HU = (-850.0, 250.0)  # between lung and bone: where a tumour's median lies
METAL_HU = 2500  # above cortical bone
BEYOND_VIEW_HU = -1100  # below air: written outside the scanner's field of view
LUNG_HU = -500
LUNG_RANGE_HU = (-980, -500)  # between the air outside the body and soft tissue
BORDER_MM = 3.0  # round the outline, where lung is looked for
BORDER_WORTH_REPORTING = 0.01
CONTRAST_HU = 50.0  # noise and vessels differ by less from lung, ground glass by more


@dataclass(frozen=True)
class Crop:
    """CT (HU) and mask (uint8) of one size and spacing, and their position in the CT.

    `tumour_outside_fraction` counts mask voxels of the CT whose centre lies beyond the crop;
    `padding_fraction` counts crop voxels beyond the CT. `centre_lps` is the centre on the crop's
    grid; `chosen_centre_lps` is the point it was rounded from, where the user chose it.
    """

    ct: sitk.Image
    mask: sitk.Image
    centre_lps: Point
    mask_centre_of_mass_lps: Point
    mask_volume_ml: float
    mask_voxels: int
    padding_fraction: float
    tumour_outside_fraction: float
    flags: tuple[Flag, ...]
    chosen_centre_lps: Point | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the voxels, for JSON."""
        chosen = self.chosen_centre_lps
        return {
            "size": list(self.ct.GetSize()),
            "spacing_mm": list(self.ct.GetSpacing()),
            "origin_lps": list(self.ct.GetOrigin()),
            "direction": list(self.ct.GetDirection()),
            "centre_lps": list(self.centre_lps),
            **({} if chosen is None else {"chosen_centre_lps": list(chosen)}),
            "mask_centre_of_mass_lps": list(self.mask_centre_of_mass_lps),
            "mask_volume_ml": self.mask_volume_ml,
            "mask_voxels": self.mask_voxels,
            "padding_fraction": self.padding_fraction,
            "tumour_outside_fraction": self.tumour_outside_fraction,
            "ct_sha256": content_hash(self.ct),
            "mask_sha256": content_hash(self.mask),
            "flags": [flag.to_dict() for flag in self.flags],
        }


def crop(
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    *,
    size: int | Index = 64,
    spacing: float = 1.0,
    centre_lps: Point | None = None,
    progress: Progress | None = None,
) -> Crop:
    """Cut a cube of CT and mask round the tumour.

    Args:
        ct: HU, LPS mm.
        mask: on any grid that overlaps the CT; what is not 0 is tumour.
        size: voxels a side, or along x (left), y (back) and z (head). The crop of 50 is the centre
            of that of 64: with an even size the centre is the first voxel of the upper half.
        spacing: mm between the crop's voxels.
        centre_lps: another centre than the mask's centre of mass, in LPS mm.
        progress: receives the progress of reading.

    Returns:
        The crop; CT linear, mask nearest neighbour, -1024 HU outside the CT.

    Raises:
        InputError: the mask is empty or outside the CT, size, spacing or centre are not usable, or
            the crop would contain nothing of the CT or of the tumour.
    """
    ct = as_ct(ct)
    mask = as_mask(mask, ct)
    sides = _sides(size, spacing)
    grid, at, voxels = ct.grid, mask_box(mask, ct.grid), sitk.GetArrayViewFromImage(mask.image)
    mass = centre_of_mass(voxels, at)
    wanted = mass if centre_lps is None else _index_of_centre(centre_lps, grid)
    box = box_round(wanted, grid, sides, spacing)
    axes = axes_of(box, grid, spacing)
    inside = float(np.prod([axis.inside.mean() for axis in axes]))
    cut = nearest(axes, voxels, at)
    outside = _outside_fraction(voxels, at, box, grid, spacing)
    _check_tumour(cut, grid.to_lps(wanted), grid.to_lps(mass), inside=inside, outside=outside)
    hu = linear(axes, grid.size, lambda part: ct.hu(part, progress))
    crop_grid = Grid(grid.size, (spacing, spacing, spacing), grid.origin, grid.direction).part(box)
    flags = (
        *ct.flags,
        *flags_of_mask(mask, grid),
        *crop_flags(
            hu,
            cut,
            padding=1 - inside,
            tumour_outside=outside,
            chosen=centre_lps is not None,
            spacing=spacing,
        ),
        *_centre_flags(centre_lps, grid.to_lps(mass)),
    )
    count = int(np.count_nonzero(voxels))
    return Crop(
        crop_grid.image(hu),
        crop_grid.image(cut),
        point_of(crop_grid.to_lps(_middle(box.size))),
        point_of(grid.to_lps(mass)),
        count * grid.voxel_volume / 1000,
        count,
        1 - inside,
        outside,
        merged(flags),
        None if centre_lps is None else point_of(np.asarray(centre_lps, float)),
    )


def flags_of_mask(mask: Mask, grid: Grid) -> tuple[Flag, ...]:
    """Return the flags of a mask on its CT's grid: those of its file and of its voxels."""
    voxels = sitk.GetArrayViewFromImage(mask.image)
    return (*mask.flags, *mask_flags(voxels, mask_box(mask, grid), grid))


def flags_of_case(ct: CT, mask: Mask, *more: Flag) -> tuple[Flag, ...]:
    """Return the flags of a CT and a mask on its grid, also where no crop is cut."""
    return merged((*ct.flags, *flags_of_mask(mask, ct.grid), *more))


def mask_box(mask: Mask, grid: Grid) -> Box:
    """Return the box of a mask's voxels in its CT's grid."""
    offset = Grid.of(mask.image).offset_in(grid)
    if offset is None:
        raise InputError(f"The mask '{mask.name}' was made for another CT.")
    return Grid.of(mask.image).box.shifted(offset)


def _sides(size: int | Index, spacing: float) -> Index:
    sides = (size, size, size) if isinstance(size, int) else size
    if len(sides) != 3 or not all(1 <= side <= LARGEST_CROP for side in sides):
        raise InputError(f"The crop's size must be 1 to {LARGEST_CROP} voxels, not {size}.")
    if not (np.isfinite(spacing) and 0.05 <= spacing <= 20):
        raise InputError(f"The crop's spacing must be 0.05 to 20 mm, not {spacing}.")
    return sides


def centre_of_mass(mask: np.ndarray, at: Box) -> np.ndarray:
    """Return the mean index (x, y, z) of the mask's voxels in the CT's grid."""
    counts = (mask.sum((0, 1)), mask.sum((0, 2)), mask.sum((1, 2)))
    return np.array(
        [
            np.average(np.arange(start, start + len(count)), weights=count)
            for count, start in zip(counts, at.start, strict=True)
        ]
    )


def _index_of_centre(centre_lps: Point, grid: Grid) -> np.ndarray:
    if not plausible_position(centre_lps):
        raise InputError(_NO_CENTRE)
    return grid.to_index(centre_lps)


def box_round(index: np.ndarray, grid: Grid, sides: Index, spacing: float) -> Box:
    """Return the box on the grid of `spacing` mm whose centre is nearest to a voxel index."""
    if not np.isfinite(index).all() or np.abs(index).max() > 1e6:
        raise InputError(_NO_CENTRE)
    centre = np.floor(index * np.array(grid.spacing) / spacing + 0.5).astype(int)
    start = (centre - _middle(sides)).tolist()
    x, y, z = start
    return Box((x, y, z), (x + sides[0], y + sides[1], z + sides[2]))


def _middle(sides: Index) -> np.ndarray:
    return np.array(sides) // 2


def _outside_fraction(mask: np.ndarray, at: Box, box: Box, grid: Grid, spacing: float) -> float:
    """Return the fraction of the tumour beyond the outer faces of the crop's voxels."""
    within = []
    for start, stop, first, last, voxel_mm in zip(
        at.start, at.stop, box.start, box.stop, grid.spacing, strict=True
    ):
        position = np.arange(start, stop) * voxel_mm / spacing
        within.append(span((position >= first - 0.5) & (position < last - 0.5)))
    kept = np.count_nonzero(mask[tuple(reversed(within))])
    return 1 - int(kept) / int(np.count_nonzero(mask))


def _check_tumour(
    cut: np.ndarray, centre: np.ndarray, mass: np.ndarray, *, inside: float, outside: float
) -> None:
    """Refuse a crop without CT or without tumour; `centre` and `mass` are in LPS mm."""
    if inside > 0 and cut.any():
        return
    where = ", ".join(f"{value:.1f}" for value in centre)
    if inside == 0:
        what = f"The crop round {where} mm (LPS) lies outside the CT"
    elif outside == 1:
        what = f"The crop round {where} mm (LPS) holds no tumour"
    else:
        raise InputError(
            "The tumour is smaller than the crop's voxels: none of their centres lies in its mask. "
            "Choose another mask, or a smaller spacing."
        )
    tumour = ", ".join(f"{value:.1f}" for value in mass)
    raise InputError(
        f"{what}; the tumour's centre of mass is {tumour}. Choose a nearer "
        "centre, a larger crop, or the mask of one tumour."
    )


def _centre_flags(chosen: Point | None, mass: np.ndarray) -> list[Flag]:
    if chosen is None:
        return []
    sentence = (
        f"The cube's centre was chosen by hand, {np.linalg.norm(mass - chosen):.1f} mm away from "
        "the tumour's centre of mass; models were trained on crops centred on that."
    )
    return [Flag("centre_chosen", "info", sentence)]


def central_cube(hu: np.ndarray, size: int) -> np.ndarray:
    """Return the middle of a stored block, on which networks predict.

    Args:
        hu: (side, side, side), the crop with its margins.
        size: voxels along each axis of the result, at most `side`.

    Returns:
        (size, size, size) float32, HU.
    """
    if hu.shape[0] < size:
        raise ValueError(f"a block of {hu.shape[0]} voxels has no crop of {size}")
    start = (hu.shape[0] - size) // 2
    middle = (slice(start, start + size),) * 3
    return hu[middle].astype(np.float32, order="C")


def crop_flags(
    ct: np.ndarray,
    mask: np.ndarray,
    *,
    padding: float,
    tumour_outside: float,
    chosen: bool,
    spacing: float = 1.0,
) -> list[Flag]:
    """Return the flags of a crop.

    Args:
        ct: HU (z, y, x).
        mask: (z, y, x).
        padding: the fraction of the crop outside the CT.
        tumour_outside: the fraction of the tumour outside the crop.
        chosen: whether the user chose the crop's centre.
        spacing: mm between its voxels.
    """
    flags = []
    if tumour_outside > 0:
        why = "it is too large for it" if not chosen else "its centre was chosen by hand"
        sentence = f"{tumour_outside:.1%} of the tumour lies outside the crop: {why}."
        severity = "severe" if tumour_outside > 0.1 else "warning"
        flags.append(Flag("tumour_larger_than_crop", severity, sentence))  # type: ignore[arg-type]
    if padding > PADDING_WORTH_REPORTING:
        sentence = f"{padding:.0%} of the crop lies outside the CT and was filled with {AIR} HU."
        flags.append(Flag("padding", "warning" if padding > 0.1 else "info", sentence))
    return flags + _hu_flags(ct, mask) + _border_flags(ct, mask, spacing)


def mask_flags(mask: np.ndarray, at: Box, ct: Grid) -> list[Flag]:
    """Return the flags of a mask (z, y, x), which lies at the box `at` of the CT's grid."""
    flags = []
    thickest = max(ct.spacing)
    if round(thickest, 2) > THICK_SLICE_MM:  # headers round: 3.0000001 is 3
        sentence = f"The CT's slices are {thickest:g} mm apart: fine structure is lost."
        flags.append(Flag("thick_slices", "warning", sentence))
    if min(at.start) == 0 or any(a == b for a, b in zip(at.stop, ct.size, strict=True)):
        sentence = "The mask touches the border of the CT: part of the tumour may be missing."
        flags.append(Flag("mask_at_ct_border", "warning", sentence))
    volume = np.count_nonzero(mask) * ct.voxel_volume / 1000
    if volume < TINY_ML:
        sentence = f"The mask has only {volume:.3f} mL ({np.count_nonzero(mask)} voxels)."
        flags.append(Flag("tiny_mask", "warning", sentence))
    sizes = _component_sizes(mask)
    if len(sizes) > 1:
        sentence = (
            f"The mask has {len(sizes)} separate pieces; the largest has "
            f"{sizes[0] / sum(sizes):.0%} of it."
        )
        flags.append(Flag("several_components", "warning", sentence))
    return flags


def _hu_flags(ct: np.ndarray, mask: np.ndarray) -> list[Flag]:
    flags = []
    if mask.any():
        median, (low, high) = float(np.median(ct[mask > 0])), SOFT_TISSUE_HU
        if not low <= median <= high:
            sentence = f"The median inside the mask is {median:.0f} HU, which no lung tumour has."
            flags.append(Flag("implausible_hu", "severe", sentence))
    if np.count_nonzero(ct > METAL_HU) >= 10:
        sentence = f"There is metal in the crop (above {METAL_HU} HU); streaks may disturb it."
        flags.append(Flag("metal", "warning", sentence))
    if beyond := np.count_nonzero(ct < BEYOND_VIEW_HU):
        sentence = (
            f"The scanner's field of view ends inside the crop ({beyond / ct.size:.1%} of it)."
        )
        flags.append(Flag("field_of_view_cut", "warning", sentence))
    around = (mask == 0) & (ct > AIR)
    if not (ct[around] < LUNG_HU).any():
        sentence = "There is no lung in the crop: is this the tumour's mask?"
        flags.append(Flag("no_lung", "severe", sentence))
    return flags


def _border_flags(ct: np.ndarray, mask: np.ndarray, spacing: float) -> list[Flag]:
    """Return the flags of an outline that does not lie against lung, or is lung itself."""
    inside = mask > 0
    if not inside.any():
        return []
    around = ct[_widened(inside, max(1, round(BORDER_MM / spacing))) & ~inside]
    lung = around[(around > LUNG_RANGE_HU[0]) & (around < LUNG_RANGE_HU[1])]
    median = float(np.median(ct[inside]))
    if lung.size < BORDER_WORTH_REPORTING * around.size:
        if median < SOFT_TISSUE_HU[0] or not (ct[~inside & (ct > AIR)] < LUNG_HU).any():
            return []  # air inside, or no lung anywhere: these are other flags
        sentence = (
            f"No lung borders on the outline (median {median:.0f} HU inside): it may lie in the "
            "chest wall or the mediastinum. Check that it is the tumour's."
        )
        return [Flag("not_at_lung", "warning", sentence)]
    lung_hu = float(np.median(lung))
    if 2 * lung.size > around.size and median - lung_hu < CONTRAST_HU:
        sentence = (
            f"The outline is as dense as the lung round it (median {median:.0f} HU inside, "
            f"{lung_hu:.0f} HU around). Check that it is the tumour's."
        )
        return [Flag("no_contrast", "warning", sentence)]
    return []


def _widened(inside: np.ndarray, steps: int) -> np.ndarray:
    """Return the voxels that are at most so many steps away along each axis."""
    for axis in range(inside.ndim):
        done = 0
        while done < steps:  # each pass reaches as far again as all before, and one step more
            step = min(done + 1, steps - done)
            wide = inside.copy()
            to, by = np.moveaxis(wide, axis, 0), np.moveaxis(inside, axis, 0)
            to[step:] |= by[:-step]
            to[:-step] |= by[step:]
            inside, done = wide, done + step
    return inside


def _component_sizes(mask: np.ndarray) -> list[int]:
    """Return the voxels of each connected component (26 neighbours), largest first."""
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(mask), True)
    counts = np.bincount(sitk.GetArrayViewFromImage(labels).ravel())[1:]
    return sorted((int(count) for count in counts), reverse=True)
