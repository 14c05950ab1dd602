"""Quality flags of a crop: what a reader should know before trusting what a network says of it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .flags import Flag
from .geometry import Box, Grid
from .resample import AIR

THICK_SLICE_MM = 3.0
TINY_ML = 0.05  # a ball of 4.6 mm
PADDING_WORTH_SAYING = 0.001
SOFT_TISSUE_HU = (-850.0, 250.0)  # between lung and bone: where a tumour's median lies
METAL_HU = 2500  # above cortical bone
BEYOND_VIEW_HU = -1100  # below air: written outside the scanner's field of view
LUNG_HU = -500


def crop_flags(
    ct: np.ndarray, mask: np.ndarray, *, padding: float, tumour_outside: float, chosen: bool
) -> list[Flag]:
    """Flags that the crop raises: its HU and mask (z, y, x), and how much of each is missing.

    `chosen` says that somebody chose its centre.
    """
    flags = []
    if tumour_outside > 0:
        why = "it is too large for it" if not chosen else "its centre was chosen by hand"
        sentence = f"{tumour_outside:.1%} of the tumour lies outside the crop: {why}."
        severity = "severe" if tumour_outside > 0.1 else "warning"
        flags.append(Flag("tumour_larger_than_crop", severity, sentence))  # type: ignore[arg-type]
    if padding > PADDING_WORTH_SAYING:
        sentence = f"{padding:.0%} of the crop lies outside the CT and was filled with {AIR} HU."
        flags.append(Flag("padding", "warning" if padding > 0.1 else "info", sentence))
    return flags + _hu_flags(ct, mask)


def mask_flags(mask: np.ndarray, at: Box, ct: Grid) -> list[Flag]:
    """Flags that the mask raises on the CT's grid: `mask` (z, y, x) in its box `at`."""
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


def _component_sizes(mask: np.ndarray) -> list[int]:
    """Voxels of each piece (connected by faces, edges or corners), largest first."""
    labels = sitk.ConnectedComponent(sitk.GetImageFromArray(mask), True)
    counts = np.bincount(sitk.GetArrayViewFromImage(labels).ravel())[1:]
    return sorted((int(count) for count in counts), reverse=True)
