"""How a mask's grid lies against the CT's: what is outside, what differs, and moving it over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from .flags import Flag, Severity
from .geometry import SAME_GRID_TOLERANCE, Box, Grid, Index, span

_CHANGED = 0.1  # of the volume
_TIE = 1e-6  # voxels


def outside_fraction(image: sitk.Image, ct: Grid) -> float:
    """How much of a mask, on any grid, has its voxels' centres beyond the CT's voxels."""
    own, array = Grid.of(image), sitk.GetArrayViewFromImage(image)
    far = np.array(ct.size) - 0.5 + SAME_GRID_TOLERANCE
    near = -0.5 - SAME_GRID_TOLERANCE

    def beyond(index: np.ndarray) -> np.ndarray:
        there = ct.to_index(own.to_lps(index))
        return np.asarray((there < near).any(axis=-1) | (there > far).any(axis=-1))

    if not beyond(own.corners).any():
        return 0.0
    marked = outside = 0
    for z, plane in enumerate(array):
        y, x = np.nonzero(plane)
        marked += len(x)
        outside += int(np.count_nonzero(beyond(np.column_stack([x, y, np.full(len(x), z)]))))
    return outside / marked


def resampled_flag(own: Grid, drawn: float, kept: float) -> Flag:
    """That the mask was moved; a warning where its volume (mm3) changed by more than a tenth."""
    sentence = (
        f"The mask was on another grid (voxels of {own.spacing_text} mm); it was moved onto the "
        f"CT's by nearest neighbour: {drawn / 1000:.3g} mL became {kept / 1000:.3g} mL."
    )
    severity: Severity = "info" if abs(kept / drawn - 1) <= _CHANGED else "warning"
    return Flag("mask_resampled", severity, sentence)


def geometry_flags(mask: Grid, ct: Grid) -> list[Flag]:
    """That a mask has as many voxels as the CT along each axis, and has them elsewhere."""
    if sorted(mask.size) != sorted(ct.size) or mask.covers_voxels_of(ct):
        return []
    sentence = (
        f"The mask has the CT's size ({' x '.join(map(str, ct.size))} voxels) and another "
        f"geometry. CT: {ct.text}. Mask: {mask.text}. Look whether it lies on the tumour."
    )
    return [Flag("mask_geometry", "warning", sentence)]


def resampled(image: sitk.Image, ct: Grid) -> sitk.Image:
    """The mask on those voxels of the CT that it reaches, by nearest neighbour."""
    own = Grid.of(image)
    there = ct.to_index(own.to_lps(own.box_corners))
    size = np.array(ct.size)
    start = np.clip(np.floor(there.min(axis=0)), 0, size - 1).astype(int)
    stop = np.clip(np.ceil(there.max(axis=0)) + 1, start + 1, size).astype(int)
    part = ct.part(Box(_index(start), _index(stop)))
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    resample.SetSize(part.size)
    resample.SetOutputSpacing(part.spacing)
    # Centres half-way between two voxels all take the same side, whatever decimals do.
    resample.SetOutputOrigin((np.array(part.origin) + own.axes.sum(axis=1) * _TIE).tolist())
    resample.SetOutputDirection(part.direction)
    moved = resample.Execute(image)
    moved.SetOrigin(part.origin)
    return moved


def _index(values: np.ndarray) -> Index:
    return (int(values[0]), int(values[1]), int(values[2]))


def trimmed(at: Box, array: np.ndarray) -> tuple[Box, np.ndarray]:
    """The box round what is marked in `array` (z, y, x), which lies at the box `at`; its voxels."""
    z, y, x = (span(np.asarray(array.any(axis=axes))) for axes in ((1, 2), (0, 2), (0, 1)))
    size = (x.stop - x.start, y.stop - y.start, z.stop - z.start)
    box = Box((0, 0, 0), size).shifted((x.start, y.start, z.start)).shifted(at.start)
    return box, array[z, y, x]


def no_overlap(mask: Grid, ct: Grid, name: str, flags: Sequence[Flag]) -> str:
    """The sentence for a mask that lies outside the CT."""
    geometry = [flag.sentence for flag in flags if flag.code == "mask_geometry"]
    return " ".join(
        [
            f"The mask '{name}' and the CT do not overlap: the mask covers {mask.extent_text} mm "
            f"(LPS), the CT {ct.extent_text} mm. They belong to different scans or spaces.",
            *geometry,
        ]
    )
