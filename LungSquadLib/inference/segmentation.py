"""Segmentation of a tumour by a network: from clicks into a CT, or without any.

From coarse to fine: a first look, at a cube round the click with voxels of twice the network's
spacing, tells how large the tumour is and where. Where its mask comes near the cube's faces, the
cube is centred on it anew, and then taken with still coarser voxels. The tumour is then segmented
in the finest cube that holds it, round its middle, so that a click at a large tumour's rim will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..imaging.ct import CT, as_ct
from ..imaging.flags import Flag
from ..imaging.geometry import Grid, Point, point_of
from ..imaging.masks import Mask
from ..imaging.region import NoTissueError, index_in, level_set_on_grid, propose_mask
from ..models.file import Model
from ..progress import Progress, Silent, step
from .segmentation_cubes import (
    UNKNOWN_LOGIT,
    Clicks,
    averaged_logits,
    check_dimensions,
    connected,
    cube_of,
    expected_dice,
    known_voxels,
    logits_of,
    network_input,
)

COARSE = (2, 3, 4)  # voxels of the first look, in voxels of the network's spacing
LUNG_HU = -500.0  # below: lung, or air
LEAST_FREE = 0.25  # share of a tumour's surface that borders on lung; else coarser cubes are tried
WITHIN = 0.05  # share below which a mask lies within a tumour
NEAR = 3  # voxels of the finest cube between a click and its mask
CENTRED = 2  # times that a cube is looked at, each time round the mask that was found
THRESHOLDS = (1.0, 2.0, 3.0, 4.0)  # logits, tried in turn
GROWN_BACK = 1  # voxels, after a higher threshold
UNSURE = 0.75  # expected Dice coefficient below which a mask is flagged
DIFFERS = 0.7  # Dice coefficient with region growing below which a mask is flagged
_MARGIN = 2  # voxels that must stay free at a cube's faces


@dataclass(frozen=True)
class _Segmented:
    """A cube of the CT and its mask.

    Attributes:
        start: x, y, z of the first voxel, in voxels of the cube, from the CT's first voxel.
        spacing: of its voxels, in mm.
        factor: of its voxels, in voxels of the network's spacing.
        near_faces: whether the mask comes near the cube's faces.
        free: share of its surface that borders on lung.
    """

    logits: np.ndarray
    mask: np.ndarray
    start: tuple[float, ...]
    spacing: float
    factor: int
    near_faces: bool
    free: float

    @property
    def expected_dice(self) -> float:
        """The Dice coefficient that the network expects."""
        nearby = np.where(_dilated(self.mask), self.logits, -np.inf)  # of this tumour alone
        return expected_dice(1 / (1 + np.exp(-nearby)), self.mask)


@dataclass(frozen=True)
class _Clicks:
    """Clicks (n, 3) x, y, z in mm along the CT's axes from its first voxel.

    `box` holds the least and the largest x, y, z of a mask (2, 3), where that is limited.
    """

    inside: np.ndarray
    outside: np.ndarray
    box: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        grid: Grid,
        inside: Sequence[Point],
        outside: Sequence[Point],
        corners: Sequence[Point] = (),
    ) -> _Clicks:
        """Take points in LPS mm; without one inside, the box's middle is one."""
        box, steps = None, np.array(grid.spacing)
        if corners:
            inside = inside or [point_of(np.mean(corners, axis=0))]
            ends = grid.to_index(np.array(corners)) * steps
            box = np.array([ends.min(axis=0), ends.max(axis=0)])
        inside_mm, outside_mm = (
            np.array([index_in(grid, point) * steps for point in points]).reshape(-1, 3)
            for points in (inside, outside)
        )
        return cls(inside_mm, outside_mm, box)

    def beyond_box(self, start: np.ndarray, spacing: float, shape: Sequence[int]) -> np.ndarray:
        """Return the voxels (z, y, x) of a cube whose middles lie beyond the box."""
        beyond = np.zeros(tuple(shape), bool)
        if self.box is not None:
            for axis, (low, high) in enumerate(self.box.T.tolist()):
                at = (start[axis] + np.arange(shape[2 - axis])) * spacing
                line = (at < low - spacing / 2) | (at > high + spacing / 2)
                beyond |= np.expand_dims(line, tuple({0, 1, 2} - {2 - axis}))
        return beyond

    def in_cube(self, start: np.ndarray, spacing: float) -> tuple[Clicks, Clicks]:
        """Return the indices z, y, x of both groups in a cube."""
        inside, outside = (
            (group / spacing - start)[:, ::-1].tolist() for group in (self.inside, self.outside)
        )
        return inside, outside


def segment_clicks(
    model: Model,
    ct: CT | sitk.Image,
    inside: Sequence[Point],
    outside: Sequence[Point] = (),
    *,
    box: Sequence[Point] = (),
    progress: Progress | None = None,
) -> Mask:
    """Segment the tumour that was clicked into, or that lies in a box. A person must look at it.

    Args:
        model: a segmenter of cubes.
        ct: HU, LPS mm.
        inside: one or more points in the tumour, LPS mm.
        outside: points that the mask must leave out, LPS mm.
        box: two opposite corners of a box along the CT's axes, LPS mm, in which the mask lies; its
            middle is in the CT. With it there need be no point in the tumour.
        progress: gets the state of the work; may cancel.

    Returns:
        A mask on voxels of the CT's grid; its flags say where it may be wrong. Where the network
        finds nothing at the click, it is the mask of region growing, and a flag says so.

    Raises:
        InputError: there is no point, one lies outside the CT or far from the others, or neither
            network nor region growing finds anything there; or the click lies in lung, and the
            network is unsure of what it finds.
        ModelError: the model is no segmenter of cubes.
    """
    progress = progress or Silent()
    check_dimensions(model, 3)
    if not inside and not box:
        raise InputError("There is no point in the tumour: click into it.")
    if len(box) not in (0, 2):
        raise InputError(f"A box has two opposite corners, not {len(box)}.")
    ct = as_ct(ct)
    step(progress, 0.0, "Segmenting")
    segmented = _segmented(model, ct, _Clicks.of(ct.grid, inside, outside, box), progress)
    step(progress, 0.7, "Comparing with region growing")
    in_lung = False
    try:
        grown, why = propose_mask(ct, point_of(np.mean(inside[:1] or box, axis=0))), ""
    except InputError as error:
        grown, why, in_lung = None, str(error), isinstance(error, NoTissueError)
    marks = "clicks" if inside else "a box"
    mask = None if segmented is None else _mask_of(segmented, model, ct.grid, marks)
    if segmented is None or mask is None or (in_lung and segmented.expected_dice < UNSURE):
        return _fallback(grown, why, model)
    flags = _flags(segmented, None if grown is None else _dice_of_masks(mask, grown, ct.grid))
    return replace(mask, flags=flags)


def mask_from_clicks(
    model: Model,
    ct: CT,
    inside: Sequence[Point],
    outside: Sequence[Point] = (),
    *,
    box: Sequence[Point] = (),
) -> Mask | None:
    """Return the network's own mask, without flags; None if it finds nothing at the clicks."""
    segmented = _segmented(model, ct, _Clicks.of(ct.grid, inside, outside, box), Silent())
    return None if segmented is None else _mask_of(segmented, model, ct.grid)


def _mask_of(segmented: _Segmented, model: Model, grid: Grid, marks: str = "clicks") -> Mask | None:
    """Resample a mask onto the CT's grid; None if it holds the centre of no voxel."""
    level = np.where(_dilated(segmented.mask), segmented.logits, -10.0).astype(np.float32)
    box, array = level_set_on_grid(level, segmented.mask, segmented.start, segmented.spacing, grid)
    if not array.any():
        return None
    source = f"network {model.card.name} from {marks}"
    return Mask(grid.part(box).image(array), "proposal", source)


def _segmented(model: Model, ct: CT, clicks: _Clicks, progress: Progress) -> _Segmented | None:
    """Segment the tumour at the clicks in the finest cube that holds it; None: nothing there."""
    low, high = clicks.inside.min(axis=0), clicks.inside.max(axis=0)
    largest = _room(model, COARSE[-1])
    if (high - low).max() > largest:
        raise InputError("The points in the tumour lie too far apart to be of one tumour.")
    if clicks.box is not None:
        side = float(np.ptp(clicks.box, axis=0).max())
        if side > largest:
            raise InputError(
                f"A side of the box has {side:.0f} mm, and {largest:.0f} mm is the most: draw it "
                "round the tumour alone."
            )
        factor = next(n for n in (1, *COARSE) if side <= _room(model, n))
        return _in_cube(model, ct, clicks, centre=clicks.box.mean(axis=0), factor=factor)
    coarse = _first_look(model, ct, clicks, progress)
    step(progress, 0.4, "Segmenting")
    if coarse is None:
        return _in_cube(model, ct, clicks, centre=(low + high) / 2, factor=1)
    factor = 1 if _extent(coarse).max() <= _room(model, 1) else coarse.factor
    fine = _in_cube(model, ct, clicks, centre=_middle(coarse), factor=factor)
    return coarse if fine is None or (fine.near_faces and not coarse.near_faces) else fine


def _first_look(model: Model, ct: CT, clicks: _Clicks, progress: Progress) -> _Segmented | None:
    """Segment in coarse cubes, until the mask ends within its cube and borders on lung."""
    low, high = clicks.inside.min(axis=0), clicks.inside.max(axis=0)
    results: list[_Segmented] = []
    for number, factor in enumerate(COARSE):
        room = _room(model, factor)
        if (high - low).max() > room:
            continue
        step(progress, 0.1 * number, "Looking for the tumour's extent")
        centre = (low + high) / 2
        for _ in range(CENTRED):
            result = _in_cube(model, ct, clicks, centre=centre, factor=factor, mirrored=False)
            if result is None:
                break
            results.append(result)
            if not result.near_faces:
                break
            centre = np.clip(_middle(result), high - room / 2, low + room / 2)
        if result is None and not results:
            return None
        # Deep in a large tumour a fine cube shows no lung, and its mask is a part.
        if result is not None and not result.near_faces and result.free >= LEAST_FREE:
            return result
    return max(
        results,
        key=lambda result: (not result.near_faces and result.free > WITHIN, result.free),
        default=None,
    )


def _room(model: Model, factor: int) -> float:
    """Return the largest extent, in mm, of a tumour that ends within a cube."""
    spec = model.card.image
    return (spec.size - 2 * (_MARGIN + 1)) * spec.spacing * factor


def _extent(segmented: _Segmented) -> np.ndarray:
    """Return the sides x, y, z of a mask's box, in mm."""
    voxels = np.argwhere(segmented.mask)[:, ::-1]
    sides: np.ndarray = (np.ptp(voxels, axis=0) + 1) * segmented.spacing
    return sides


def _middle(segmented: _Segmented) -> np.ndarray:
    """Return the middle x, y, z of a mask's box, in mm along the CT's axes."""
    voxels = np.argwhere(segmented.mask)[:, ::-1] + np.array(segmented.start)
    middle: np.ndarray = (voxels.min(axis=0) + voxels.max(axis=0)) / 2 * segmented.spacing
    return middle


def _in_cube(
    model: Model,
    ct: CT,
    clicks: _Clicks,
    *,
    centre: np.ndarray,
    factor: int,
    mirrored: bool = True,
) -> _Segmented | None:
    """Segment the cube at a centre (x, y, z in mm); None if nothing is at the clicks.

    `mirrored` averages over the mirrored cubes, which takes four times as long.
    """
    spec = model.card.image
    spacing = spec.spacing * factor
    x, y, z = (np.rint(centre / spacing).astype(int) - spec.size // 2).tolist()
    hu = cube_of(ct, (x, y, z), spec.size, spacing=spec.spacing, factor=factor)
    start = np.array((x, y, z)) - (0 if factor % 2 else 0.5 / factor)
    inside, outside = clicks.in_cube(start, spacing)
    logits_of_cube = averaged_logits if mirrored else logits_of
    logits = logits_of_cube(model.network, network_input(spec, hu, inside, outside)[None])[0]
    logits[clicks.beyond_box(start, spacing, logits.shape)] = UNKNOWN_LOGIT
    mask = _separated(logits, inside, near=NEAR // factor)
    if not mask.any():
        return None
    shell = _dilated(mask) & ~mask & known_voxels(hu)
    free = float((hu[shell] < LUNG_HU).mean()) if shell.any() else 1.0
    return _Segmented(logits, mask, tuple(start.tolist()), spacing, factor, _near_faces(mask), free)


def _separated(logits: np.ndarray, inside: Clicks, *, near: int = NEAR) -> np.ndarray:
    """Return the mask at the clicks, cut off from what it touches where that reaches the faces.

    Bridges to a wall or a vessel are less probable than the tumour: a higher threshold breaks them,
    and the mask grows back to as many voxels as a bridge is thick.
    """
    mask = whole = connected(logits > 0, inside, near=near)
    for threshold in THRESHOLDS:
        if not _near_faces(mask):
            break
        core = connected(logits > threshold, inside, near=near)
        if not core.any():
            return whole
        mask = _dilated(core, GROWN_BACK) & whole
        mask = connected(mask, inside, near=near)
    return whole if _near_faces(mask) else mask


def _near_faces(mask: np.ndarray) -> bool:
    """Whether a mask comes near the faces of its cube."""
    inner = mask[(slice(_MARGIN, -_MARGIN),) * 3]
    return bool(np.count_nonzero(inner) < np.count_nonzero(mask))


def _flags(segmented: _Segmented, agreement: float | None) -> tuple[Flag, ...]:
    flags = []
    if (expected := segmented.expected_dice) < UNSURE:
        sentence = (
            f"The network is unsure of this mask: it expects a Dice coefficient of {expected:.2f}. "
            "Check the border, or add clicks."
        )
        flags.append(Flag("segmentation_unsure", "warning", sentence))
    if segmented.near_faces:
        side = segmented.mask.shape[0] * segmented.spacing
        sentence = f"The mask reaches the faces of the cube of {side:g} mm that was looked at."
        flags.append(Flag("segmentation_reaches_faces", "warning", sentence))
    if agreement is None:
        sentence = "Region growing, the other method, finds no tumour here: check the mask."
        flags.append(Flag("segmentation_differs", "warning", sentence))
    else:
        sentence = f"The Dice coefficient with the mask of region growing is {agreement:.2f}."
        if agreement < DIFFERS:
            flags.append(Flag("segmentation_differs", "warning", f"{sentence} Check the mask."))
        else:
            flags.append(Flag("segmentation_agrees", "info", sentence))
    return tuple(flags)


def _fallback(grown: Mask | None, why: str, model: Model) -> Mask:
    if grown is None:
        raise InputError(f"The model '{model.card.name}' finds no tumour there. {why}")
    sentence = (
        f"The model '{model.card.name}' finds no tumour there; this is the mask of region growing."
    )
    flag = Flag("segmentation_by_region_growing", "warning", sentence)
    return Mask(grown.image, grown.name, grown.source, (flag, *grown.flags))


def _dice_of_masks(first: Mask, second: Mask, grid: Grid) -> float:
    """Return the Dice coefficient of two masks on voxels of a grid."""
    arrays = [sitk.GetArrayViewFromImage(mask.image) != 0 for mask in (first, second)]
    grids = [Grid.of(mask.image) for mask in (first, second)]
    boxes = [each.box.shifted(each.offset_in(grid) or (0, 0, 0)) for each in grids]
    shared = boxes[0].within(boxes[1])
    if not shared.voxels:
        return 0.0
    parts = []
    for array, box in zip(arrays, boxes, strict=True):
        x, y, z = box.start
        parts.append(array[shared.shifted((-x, -y, -z)).slices])
    both = sum(np.count_nonzero(array) for array in arrays)
    return 2 * np.count_nonzero(parts[0] & parts[1]) / both


def _dilated(mask: np.ndarray, voxels: int = 1) -> np.ndarray:
    """Return a mask with the voxels round it."""
    image = sitk.BinaryDilate(sitk.GetImageFromArray(mask.astype(np.uint8)), [voxels] * mask.ndim)
    return np.asarray(sitk.GetArrayFromImage(image) > 0)
