"""Variants of a crop's position: from shifted, grown and shrunk masks, and from moved crops.

Two readers never draw the same outline, and the crop follows the outline. A prediction must not
depend on a millimetre. The network sees no mask, so another outline changes only the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from .crop import box_round, centre_of_mass, mask_box
from .ct import CT
from .geometry import Box, Grid, Index, Point
from .masks import Mask
from .resample import axes_of, linear, nearest

SHIFT_MM = 2.0  # of the mask, along each axis
MARGINS_MM = (1.0, 2.0)  # grown and shrunk outlines
JITTER_MM = 3.0  # of the crop, along each diagonal


@dataclass(frozen=True)
class Variant:
    """A variant of the crop: its box on the crop's grid."""

    name: str
    kind: str
    box: Box


@dataclass(frozen=True)
class Variants:
    """All variants of a crop, the crop itself first; `block` (z, y, x) has the HU of all of them.

    Several may have the same box: growing or shrinking the mask often does not move the crop.
    """

    variants: tuple[Variant, ...]
    skipped: tuple[str, ...]
    block: np.ndarray
    _at: Box

    @property
    def positions(self) -> dict[str, Variant]:
        """A variant for each box, by the box's offset from the crop, in voxels along x, y, z."""
        x, y, z = self.variants[0].box.start
        offsets = ((v.box.shifted((-x, -y, -z)).start, v) for v in reversed(self.variants))
        unique = dict(offsets)  # the first variant of each box, which is the last in this order
        return {_offset(start): unique[start] for start in sorted(unique, key=_distance)}

    def within_block(self, variant: Variant) -> Box:
        """Return the box of a variant in the block."""
        x, y, z = self._at.start
        return variant.box.shifted((-x, -y, -z))

    def hu(self, variant: Variant) -> np.ndarray:
        """Return the HU (z, y, x) of a variant."""
        return self.block[self.within_block(variant).slices]


def variants(
    ct: CT,
    mask: Mask,
    *,
    size: Index,
    spacing: float,
    centre_lps: Point | None = None,
    visible: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    progress: Progress | None = None,
) -> Variants:
    """Return the crop, and its variants: mask shifted, grown or shrunk, or the crop moved.

    Args:
        ct: the CT.
        mask: its mask.
        size: of the crop, voxels (x, y, z).
        spacing: of the crop, mm.
        centre_lps: another centre than the mask's centre of mass, in LPS mm; it goes with the mask.
        visible: returns the HU that the network sees, of HU and mask; it sees all by default.
        progress: receives the progress of reading the CT.

    Returns:
        19 variants; fewer where shrinking leaves nothing of a small mask (`skipped` says which).
    """
    at, array = mask_box(mask, ct.grid), sitk.GetArrayFromImage(mask.image)
    mass = centre_of_mass(array, at)
    centre = ct.grid.to_index(centre_lps) if centre_lps is not None else mass
    positions = [Variant("as drawn", "none", box_round(centre, ct.grid, size, spacing))]
    skipped = []
    for name, offset in _shifts():
        index = centre + np.array(offset) / np.array(ct.grid.spacing)
        positions.append(Variant(name, "shift", box_round(index, ct.grid, size, spacing)))
    for name, changed, box in _margins(array, at, ct.grid):
        if changed.any():
            index = centre_of_mass(changed, box) + (centre - mass)
            positions.append(Variant(name, "margin", box_round(index, ct.grid, size, spacing)))
        else:
            skipped.append(name)
    step = round(JITTER_MM / spacing)
    for x, y, z in product((-step, step), repeat=3):
        box = positions[0].box.shifted((x, y, z))
        positions.append(Variant(f"crop moved {x:+d}, {y:+d}, {z:+d} voxels", "jitter", box))
    whole = _around([variant.box for variant in positions])
    axes = axes_of(whole, ct.grid, spacing)
    block = linear(axes, ct.grid.size, lambda part: ct.hu(part, progress))
    if visible is not None:
        block = visible(block, nearest(axes, array, at))
    return Variants(tuple(positions), tuple(skipped), block, whole)


def perturbed_masks(mask: Mask, ct: CT) -> Iterator[tuple[str, sitk.Image]]:
    """Yield the shifted, grown and shrunk masks of `variants`: name, and image on any grid.

    A mask that shrinking leaves nothing of is not among them.
    """
    grid = ct.grid
    directions = np.array(grid.direction).reshape(3, 3)
    for name, offset in _shifts():
        moved = sitk.Image(mask.image)
        moved.SetOrigin((np.array(mask.image.GetOrigin()) + directions @ offset).tolist())
        yield name, moved
    array, at = sitk.GetArrayFromImage(mask.image), mask_box(mask, grid)
    for name, changed, box in _margins(array, at, grid):
        if changed.any():
            yield name, grid.part(box).image(changed)


def _distance(start: Index) -> tuple[int, Index]:
    return sum(n * n for n in start), start


def _offset(start: Index) -> str:
    return ", ".join(f"{n:+d}" if n else "0" for n in start)


def _shifts() -> Iterator[tuple[str, tuple[float, float, float]]]:
    for axis in range(3):
        for sign in (-1, 1):
            offset = [0.0, 0.0, 0.0]
            offset[axis] = sign * SHIFT_MM
            name = f"mask moved {sign * SHIFT_MM:+g} mm along {'xyz'[axis]}"
            yield name, (offset[0], offset[1], offset[2])


def _margins(array: np.ndarray, at: Box, grid: Grid) -> Iterator[tuple[str, np.ndarray, Box]]:
    """Yield the mask dilated and eroded by balls of `MARGINS_MM`, each with its box."""
    room = [int(np.ceil(max(MARGINS_MM) / spacing)) for spacing in grid.spacing]
    padded = np.pad(array, [(n, n) for n in reversed(room)])
    start = tuple(a - n for a, n in zip(at.start, room, strict=True))
    stop = tuple(b + n for b, n in zip(at.stop, room, strict=True))
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    to_tumour, to_rest = _distance_to(padded, grid), _distance_to(1 - padded, grid)
    for margin in MARGINS_MM:
        yield f"mask grown by {margin:g} mm", (to_tumour <= margin).astype(np.uint8), box
        yield f"mask shrunk by {margin:g} mm", (to_rest > margin).astype(np.uint8), box


def _distance_to(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Return each voxel's distance in mm to the nearest voxel of the mask; 0 or less in it."""
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing(grid.spacing)
    return sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(
            image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
    )


def _around(boxes: list[Box]) -> Box:
    starts, stops = np.array([b.start for b in boxes]), np.array([b.stop for b in boxes])
    (x0, y0, z0), (x1, y1, z1) = starts.min(axis=0).tolist(), stops.max(axis=0).tolist()
    return Box((x0, y0, z0), (x1, y1, z1))
