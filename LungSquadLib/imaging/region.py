"""A mask proposed from a click into a tumour: region growing that stops where the lung does not.

The region grows in a small cube of voxels round the click, first a fine one of 40 mm, then larger
and coarser ones, until the region ends within its cube. Tissue is denser than lung. Chest wall,
mediastinum and diaphragm are removed by a morphological opening with a ball somewhat thicker than
the tumour; tumour and vessels remain. The vessels are removed by an opening with a smaller ball,
which is widened until the rest is compact. The idea
to separate by openings scaled to the lesion: Kuhnigk et al. 2006, doi:10.1109/TMI.2006.871547.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from .ct import CT, as_ct
from .flags import Flag
from .geometry import Box, Grid, Index, Point, span
from .masks import Mask
from .resample import axes_of, linear

# Set on phantoms; the documentation reports the results on other phantoms and on real CT.
HALF_SIDES_MM = (20.0, 32.0, 50.0, 80.0)  # from the click to the faces of each cube
SOLID_HU, GLASS_HU = -400, -680  # half-way from lung to solid tumour, and to ground glass
HAZE_HU, HAZE_SHARE, HAZE_MM = -650, 0.5, (1.5, 3.0)  # a shell that is ground glass
NEAR_MM = 4.0  # the largest distance of a click from tissue
WALL_STEP = 1.25  # by which the ball that fills walls is widened
VESSEL_BALLS = (0.45, 0.6, 0.75, 0.9)  # of the tumour's thickness
MOST_SPRAWL = 3.5  # volume, in largest inscribed balls
LEAST_FREE = 0.25  # of the surface that borders on lung
TOUCHING_WORTH_REPORTING = 0.15

_HALF = 32  # voxels from a cube's middle to its faces
_MARGIN = 3  # voxels that must stay free at a cube's faces
_LUNG_HU = -800  # typical of lung
_GAP_MM = 2.0  # of the holes in a cavity's wall that are overlooked
_SMOOTHING_MM = 0.7  # against noise
_SLACK = 1.0  # voxels by which a ball must miss the click: rims have crumbs no ball fills
_CENTRE = (_HALF, _HALF, _HALF)

_Voxel: TypeAlias = tuple[int, int, int]  # z, y, x


class NoTissueError(InputError):
    """A click that lies in lung or air, with no tissue near it."""


@dataclass(frozen=True)
class _Cube:
    """Smoothed HU (z, y, x) of a cube round the click; `start` is its first voxel's number."""

    hu: np.ndarray
    spacing: float
    start: Index


@dataclass(frozen=True)
class _Region:
    """The region grown in a cube: its voxels, and whether it can be a tumour."""

    cube: _Cube
    voxels: np.ndarray
    tissue: np.ndarray
    glass: bool
    sprawl: float

    @property
    def free(self) -> float:
        """The fraction of the surface that borders on lung, not on other tissue."""
        lung = other = 0
        for axis in range(3):
            inside, tissue = np.moveaxis(self.voxels, axis, 0), np.moveaxis(self.tissue, axis, 0)
            for voxel, neighbour in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
                faces = inside[voxel] & ~inside[neighbour]
                other += np.count_nonzero(faces & tissue[neighbour])
                lung += np.count_nonzero(faces & ~tissue[neighbour])
        return lung / max(lung + other, 1)

    @property
    def hazy(self) -> bool:
        """Whether ground glass surrounds the region."""
        away = _distance_to(self.voxels) * self.cube.spacing
        shell = (away > HAZE_MM[0]) & (away < HAZE_MM[1]) & ~self.tissue
        return bool(shell.any()) and float((self.cube.hu[shell] > HAZE_HU).mean()) > HAZE_SHARE

    @property
    def sound(self) -> bool:
        return (
            not _reaches_faces(self.voxels, _MARGIN)
            and self.sprawl <= MOST_SPRAWL
            and self.free >= LEAST_FREE
        )


def propose_mask(
    ct: CT | sitk.Image, point_lps: Point, *, progress: Progress | None = None
) -> Mask:
    """Propose a mask of the tumour that was clicked into. A person must look at it.

    Args:
        ct: HU, LPS mm.
        point_lps: in the tumour, or within 4 mm of it; LPS mm.
        progress: receives the progress of reading.

    Returns:
        A mask on voxels of the CT's grid; its flags say where it may be wrong. `CT.as_stored` gives
        its image the axes of the CT's file.

    Raises:
        InputError: the point lies outside the CT or in lung, or too little of the tissue there
            borders on lung to separate it (mediastinum, chest wall, a tumour that fills a lobe).
    """
    ct = as_ct(ct)
    index = index_in(ct.grid, point_lps)
    region = _region_round(ct, index, point_lps, progress)
    box, array = _on_grid(region, ct.grid)
    if not array.any():
        raise InputError(f"What lies at {_format(point_lps)} is smaller than the CT's voxels.")
    image = ct.grid.part(box).image(array)
    return Mask(image, "proposal", "region growing from a click", _flags(region))


def index_in(grid: Grid, point: Point) -> np.ndarray:
    """Return the continuous index (3,) of a point of the CT; `InputError` if it lies outside."""
    if len(point) != 3 or not np.isfinite(point).all():
        raise InputError("A point must be three finite numbers: X,Y,Z in LPS mm.")
    index = grid.to_index(point)
    if (index < -0.5).any() or (index > np.array(grid.size) - 0.5).any():
        last = np.array(grid.size) - 1
        corners = grid.to_lps(np.array([np.where(far, last, 0) for far in np.ndindex(2, 2, 2)]))
        extent = " x ".join(
            f"{low:.0f}..{high:.0f}"
            for low, high in zip(corners.min(0), corners.max(0), strict=True)
        )
        raise InputError(
            f"The point {_format(point)} lies outside the CT, which covers {extent} mm (LPS)."
        )
    return index


def _format(point: Point) -> str:
    return "({:.1f}, {:.1f}, {:.1f}) mm (LPS)".format(*point)


def _region_round(ct: CT, index: np.ndarray, point: Point, progress: Progress | None) -> _Region:
    """Return the first region, of growing cubes, that can be a tumour."""
    in_air, glass = True, False
    for half_side in HALF_SIDES_MM:
        cube = _cube_round(ct, index, half_side, progress)
        region = None if glass else _grown(cube, SOLID_HU)
        if region is None or region.hazy:
            with_haze = _grown(cube, GLASS_HU)
            glass, region = with_haze is not None, with_haze or region
        if region is not None and region.sound:
            return region
        in_air = in_air and region is None
    if in_air:
        raise NoTissueError(
            f"The point {_format(point)} lies in lung or air, and there is no tissue within "
            f"{NEAR_MM:g} mm: click into the tumour."
        )
    raise InputError(
        f"What lies at {_format(point)} cannot be separated from what surrounds it: too "
        "little of it borders on lung. Click into a lung tumour, or draw the outline by hand."
    )


def _cube_round(ct: CT, index: np.ndarray, half_side: float, progress: Progress | None) -> _Cube:
    spacing = half_side / _HALF
    x, y, z = np.rint(index * np.array(ct.grid.spacing) / spacing).astype(int).tolist()
    box = Box((x, y, z), (x + 1, y + 1, z + 1)).grown(_HALF)
    axes = axes_of(box, ct.grid, spacing)
    hu = linear(axes, ct.grid.size, lambda part: ct.hu(part, progress)).astype(np.float32)
    # Beyond the CT nothing is known; as lung it ends what grows there.
    inside = tuple(span(axis.inside) for axis in reversed(axes))
    known = np.full(hu.shape, _LUNG_HU, np.float32)
    known[inside] = hu[inside]
    smooth = sitk.DiscreteGaussian(sitk.GetImageFromArray(known), (_SMOOTHING_MM / spacing) ** 2)
    return _Cube(sitk.GetArrayFromImage(smooth), spacing, box.start)


def _grown(cube: _Cube, above: float) -> _Region | None:
    """Grow a region from the click: empty if all tissue is wall; None for a click in air."""
    tissue = _tissue(cube, above)
    depth = _distance_to(~tissue)
    seed = _deepest_near_centre(depth, NEAR_MM / cube.spacing)
    if not tissue[seed]:
        return None
    empty = _Region(cube, np.zeros_like(tissue), tissue, above == GLASS_HU, np.inf)
    piece = _without_walls(tissue, depth, seed)
    if not piece[seed]:
        return empty
    depth = _distance_to(~piece)
    top = _uphill(depth, seed)
    thick = max(float(depth[top]), 1.0)
    ball = 4 / 3 * np.pi * thick**3
    for size in VESSEL_BALLS:
        core = _piece_at(depth >= size * depth[top], top)
        region = _piece_at(piece & (_distance_to(core) <= size * depth[top] + 0.5), top)
        sprawl = np.count_nonzero(region) / ball
        if sprawl <= MOST_SPRAWL:
            break
    return _Region(cube, region, tissue, above == GLASS_HU, sprawl)


def _tissue(cube: _Cube, above: float) -> np.ndarray:
    """Return the voxels denser than lung, with the air in cavities."""
    dense = cube.hu > GLASS_HU
    tissue = (cube.hu > above) | (_filled(dense) & ~dense)
    if not tissue[_CENTRE]:
        tissue |= _cavity(dense, _GAP_MM / cube.spacing)
    return _filled(tissue)


def _cavity(dense: np.ndarray, gap: float) -> np.ndarray:
    """Return the air round the click if its walls are closed but for holes of twice `gap`."""
    away = _distance_to(dense) > gap
    if not away[_CENTRE]:
        return np.zeros_like(dense)
    air = _piece_at(away, _CENTRE)
    if _reaches_faces(air, 1):
        return np.zeros_like(dense)
    return _distance_to(air) <= gap + 1


def _without_walls(tissue: np.ndarray, depth: np.ndarray, seed: _Voxel) -> np.ndarray:
    """Return the tissue round the seed without walls, by an opening; empty if all is wall."""
    away, radius = _away_from(seed), max(float(depth[seed]), 1.0)
    while radius < 0.75 * _HALF:
        middles = depth >= radius
        if not middles.any() or away[middles].min() > radius + _SLACK:
            return _piece_at(tissue & (_distance_to(middles) > radius - 0.5), seed)
        radius *= WALL_STEP
    return np.zeros_like(tissue)


def _deepest_near_centre(depth: np.ndarray, radius: float) -> _Voxel:
    """Return the deepest voxel within `radius` of the click, with a preference for near ones."""
    away = _away_from(_CENTRE)
    worth = np.where((away <= radius) & (depth > 0), depth - 0.5 * away, -np.inf)
    z, y, x = np.unravel_index(worth.argmax(), worth.shape)
    return int(z), int(y), int(x)


def _away_from(voxel: _Voxel) -> np.ndarray:
    """Return the distance, in voxels, from each voxel of a cube to one of them."""
    z, y, x = (np.arange(2 * _HALF + 1) - i for i in voxel)
    return np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)


def _uphill(depth: np.ndarray, start: _Voxel) -> _Voxel:
    """Return the local maximum that steepest ascent from `start` reaches."""
    at = start
    while True:
        first = [max(i - 1, 0) for i in at]
        around = depth[tuple(slice(a, i + 2) for a, i in zip(first, at, strict=True))]
        steepest = np.unravel_index(around.argmax(), around.shape)
        z, y, x = (a + int(i) for a, i in zip(first, steepest, strict=True))
        if depth[z, y, x] <= depth[at]:
            return at
        at = (z, y, x)


def _on_grid(region: _Region, grid: Grid) -> tuple[Box, np.ndarray]:
    """Resample the region onto the CT's grid: return its box, and uint8 (z, y, x)."""
    level = _distance_to(~region.voxels) - _distance_to(region.voxels)
    cube = region.cube
    return level_set_on_grid(level, region.voxels, cube.start, cube.spacing, grid)


def level_set_on_grid(
    level: np.ndarray, mask: np.ndarray, start: Sequence[float], spacing: float, grid: Grid
) -> tuple[Box, np.ndarray]:
    """Resample the mask of a cube onto the CT's grid by linear interpolation of a level set.

    Args:
        level: (z, y, x), 0 or more in the mask.
        mask: (z, y, x), not empty.
        start: x, y, z of the cube's first voxel in voxels of its own, from the CT's first voxel
            along the CT's axes.
        spacing: of the cube's voxels, in mm.
        grid: of the CT.

    Returns:
        The mask's box on the grid, and uint8 (z, y, x).
    """
    steps = np.array(grid.spacing)
    voxels = np.argwhere(mask)[:, ::-1] + np.array(start)
    first, last = (voxels.min(0) - 1) * spacing, (voxels.max(0) + 1) * spacing
    low, high = np.floor(first / steps).astype(int), np.ceil(last / steps).astype(int) + 1
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    box = Box((x0, y0, z0), (x1, y1, z1)).within(grid.box)
    # Both grids run along the CT's axes: in mm along these, neither needs a direction.
    image = sitk.GetImageFromArray(level)
    image.SetSpacing((spacing,) * 3)
    image.SetOrigin([float(i) * spacing for i in start])
    wanted = sitk.Image(box.size, sitk.sitkUInt8)
    wanted.SetSpacing(grid.spacing)
    wanted.SetOrigin([float(i) for i in np.array(box.start) * steps])
    wanted_level = sitk.Resample(image, wanted, sitk.Transform(), sitk.sitkLinear, -1.0)
    return box, (sitk.GetArrayFromImage(wanted_level) >= 0).astype(np.uint8)


def _flags(region: _Region) -> tuple[Flag, ...]:
    flags = []
    if (touching := 1 - region.free) > TOUCHING_WORTH_REPORTING:
        sentence = (
            f"{touching:.0%} of the proposal's surface touches other tissue (chest wall, "
            "mediastinum, diaphragm or vessels): check the border there."
        )
        flags.append(Flag("proposal_touches_tissue", "warning", sentence))
    if region.glass:
        sentence = f"Ground glass was included: all above {GLASS_HU} HU. Check the border."
        flags.append(Flag("proposal_with_ground_glass", "info", sentence))
    return tuple(flags)


def _distance_to(marked: np.ndarray) -> np.ndarray:
    """Return each voxel's distance, in voxels, to the nearest marked one; 1000 without any."""
    if not marked.any():
        return np.full(marked.shape, 1e3, np.float32)
    image = sitk.GetImageFromArray(marked.astype(np.uint8))
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False)
    return np.maximum(sitk.GetArrayFromImage(distance), 0)


def _pieces(marked: np.ndarray) -> np.ndarray:
    """Label the connected components (6 neighbours) from 1; 0 where nothing is marked."""
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(marked.astype(np.uint8)))
    return sitk.GetArrayFromImage(image)


def _piece_at(marked: np.ndarray, voxel: _Voxel) -> np.ndarray:
    pieces = _pieces(marked)
    return marked & (pieces == pieces[voxel])


def _filled(marked: np.ndarray) -> np.ndarray:
    image = sitk.BinaryFillhole(sitk.GetImageFromArray(marked.astype(np.uint8)))
    return sitk.GetArrayFromImage(image) > 0


def _reaches_faces(marked: np.ndarray, margin: int) -> bool:
    """Whether anything is marked in the outermost voxels of a cube."""
    inner = marked[(slice(margin, -margin),) * 3]
    return bool(np.count_nonzero(inner) < np.count_nonzero(marked))
