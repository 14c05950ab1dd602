"""Shapes of real lung nodules, and masks of a requested size made from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, parsing
from .ct import CT
from .diameter import axial_diameter
from .flags import Flag
from .geometry import Box, Grid, Point
from .masks import Mask, as_mask

SHAPES = ("any", "smooth", "spiculated")
SMOOTH, SPICULATED = 0, 1
SIDE = 48  # voxels of 1 mm
DIAMETERS_MM = (3.0, 60.0)
CITATION = (
    "Shapes: contours of LIDC-IDRI, The Cancer Imaging Archive, CC BY 3.0: Armato et al. 2011, "
    "doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX."
)
_WALL_HU, _WALL_MM = -300.0, 4.0  # soft tissue that holds a ball of this radius is no vessel
_FITS = 5  # passes that fit the scale to the diameter
_LEAST_LEFT = 0.2  # share of a shape outside the chest wall and mediastinum


@dataclass(frozen=True, eq=False)
class ShapeLibrary:
    """Shapes (n, 48, 48, 48) of 1 mm voxels, uint8, and the kind (n,) of each."""

    masks: np.ndarray
    kinds: np.ndarray

    def chosen(self, shape: str, random: np.random.Generator) -> np.ndarray:
        """Draw a shape (48, 48, 48) of a kind of `SHAPES`, turned and mirrored at random."""
        kinds = {"smooth": (SMOOTH,), "spiculated": (SPICULATED,), "any": (SMOOTH, SPICULATED)}
        numbers = np.flatnonzero(np.isin(self.kinds, kinds[shape]))
        mask = self.masks[random.choice(numbers)]
        mask = np.rot90(mask, int(random.integers(4)), (1, 2))
        return np.flip(mask, tuple(axis for axis in range(3) if random.integers(2)))


def write_library(file: Path, masks: np.ndarray, kinds: np.ndarray) -> None:
    """Write shapes (n, 48, 48, 48) and their kinds (n,), one bit a voxel, with their citation."""
    packed = np.packbits(masks != 0).reshape(len(masks), -1)
    with file.open("wb") as target:
        np.savez_compressed(target, masks=packed, kinds=kinds, citation=np.array(CITATION))


def read_library(file: Path) -> ShapeLibrary:
    """Read a library of shapes.

    Raises:
        InputError: the file is damaged or is none.
        OSError: it cannot be read.
    """
    with parsing(file, "a library of shapes"), np.load(file, allow_pickle=False) as archive:
        packed, kinds = archive["masks"], archive["kinds"]
        masks = np.unpackbits(packed, axis=1).reshape(len(kinds), SIDE, SIDE, SIDE)
    return ShapeLibrary(masks, kinds)


def nodule_mask(
    ct: CT,
    at: Point,
    library: ShapeLibrary,
    *,
    shape: str = "any",
    diameter_mm: float = 15.0,
    seed: int = 0,
) -> Mask:
    """Make the mask of a nodule of a real one's shape at a point of a CT.

    What would lie in the chest wall or in the mediastinum is left out, as readers do.

    Args:
        ct: HU.
        at: the nodule's centre, LPS mm.
        library: of shapes.
        shape: one of `SHAPES`.
        diameter_mm: longest axial diameter of the shape.
        seed: chooses the shape and how it is turned.

    Raises:
        InputError: the point lies outside the CT or in soft tissue, or an argument is out of range.
    """
    low, high = DIAMETERS_MM
    if not low <= diameter_mm <= high:
        raise InputError(f"The diameter must be {low:g} to {high:g} mm, not {diameter_mm:g}.")
    if shape not in SHAPES:
        raise InputError(f"There is no shape '{shape}': choose {', '.join(SHAPES)}.")
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
    index = ct.grid.to_index(np.array(at))
    if (index < -0.5).any() or (index > np.array(ct.grid.size) - 0.5).any():
        raise InputError(
            f"The point is outside the CT, which covers {ct.grid.extent_text} mm (LPS)."
        )
    drawn = library.chosen(shape, np.random.default_rng((seed, 6)))
    box = _box_round(index, ct.grid, diameter_mm + 2 * _WALL_MM)
    placed = _placed(drawn, at, diameter_mm, ct.grid.part(box))
    left = _largest(placed & ~_wall(ct.hu(box), ct.grid.spacing))
    share = int(np.count_nonzero(left)) / max(int(np.count_nonzero(placed)), 1)
    if share < _LEAST_LEFT:
        raise InputError(
            "The point lies in the chest wall, the mediastinum or another soft tissue: choose a "
            "point in the lung, or draw a mask."
        )
    mask = as_mask(ct.grid.part(box).image(left.astype(np.uint8)), ct, name=f"{shape} nodule")
    if share == 1:
        return mask
    sentence = f"{1 - share:.0%} of the shape lay in soft tissue and was left out."
    return replace(mask, flags=(*mask.flags, Flag("shape_cut", "info", sentence)))


def _box_round(index: np.ndarray, grid: Grid, side_mm: float) -> Box:
    """Return the voxels within `side_mm` of an index (x, y, z), within the grid."""
    radius = np.ceil(side_mm / np.array(grid.spacing)).astype(int)
    middle = np.rint(index).astype(int)
    (x0, y0, z0), (x1, y1, z1) = (middle - radius).tolist(), (middle + radius + 1).tolist()
    return Box((x0, y0, z0), (x1, y1, z1)).within(grid.box)


def _placed(shape: np.ndarray, at: Point, diameter_mm: float, grid: Grid) -> np.ndarray:
    """Scale a shape to a diameter, and resample it onto a grid with its centre at a point."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(shape))
    centre = np.argwhere(shape)[:, ::-1].mean(axis=0)
    soft = sitk.Cast(image, sitk.sitkFloat32)
    target = grid.image(np.zeros(grid.size[::-1], np.uint8))
    scale = diameter_mm / axial_diameter(image).mm
    fits: list[tuple[float, np.ndarray]] = []
    for _ in range(_FITS):
        soft.SetSpacing((scale,) * 3)
        soft.SetOrigin((np.array(at) - centre * scale).tolist())
        resampled = sitk.Resample(soft, target, sitk.Transform(), sitk.sitkLinear, 0.0)
        placed = sitk.BinaryThreshold(resampled, 0.5, 2.0)
        if not sitk.GetArrayViewFromImage(placed).any():
            raise InputError(
                f"A nodule of {diameter_mm:g} mm has no voxel of this CT: choose a larger diameter."
            )
        measured = axial_diameter(placed).mm
        fits.append((abs(measured - diameter_mm), sitk.GetArrayFromImage(placed) != 0))
        # Thin spicules are lost on the CT's voxels: the scale makes up for them.
        scale *= (diameter_mm / measured) ** 0.5
    return min(fits, key=lambda fit: fit[0])[1]


def _wall(hu: np.ndarray, spacing: Point) -> np.ndarray:
    """Return the soft tissue that is thicker than a vessel."""
    soft = sitk.GetImageFromArray((hu > _WALL_HU).astype(np.uint8))
    radius = [max(round(_WALL_MM / step), 1) for step in spacing]
    # Padded: a wall goes on beyond the part that is looked at.
    padded = sitk.ZeroFluxNeumannPad(soft, radius, radius)
    opened = sitk.BinaryMorphologicalOpening(padded, radius, sitk.sitkBall)
    return np.asarray(sitk.GetArrayFromImage(sitk.Crop(opened, radius, radius)) != 0)


def _largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask."""
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    labels = sitk.GetArrayFromImage(components)
    counts = np.bincount(labels.ravel(), minlength=2)[1:]
    return np.asarray(mask & (labels == 1 + int(counts.argmax())))
