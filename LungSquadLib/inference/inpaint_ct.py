"""A drawn tumour put into a CT: its border blended, everything outside untouched."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..errors import InputError, ModelError
from ..files import whole_folder, write_json
from ..imaging.blending import blend_weights, distance_mm
from ..imaging.crop import box_round, flags_of_case, mask_box
from ..imaging.ct import CT, as_ct
from ..imaging.diameter import axial_diameter
from ..imaging.files.write import check_distinct, write_png, write_volumes
from ..imaging.flags import Flag, merged
from ..imaging.geometry import Box, Grid
from ..imaging.masks import Mask, as_mask
from ..imaging.pictures import side_by_side
from ..imaging.resample import axes_of, linear, nearest
from ..models.card import Card
from ..models.catalogue import check_kind
from ..models.file import Model
from ..progress import Part, Progress, Silent, step
from .inpainting import BAND_MM, TYPICAL, Order, blended, dense_piece, paint

RESULT = "synthesis.json"
SYNTHETIC_FIELD = "LungSquad_synthetic"  # of the files' headers
LARGEST_SIDE = 128  # voxels of the cube that is painted in
BANDS_MM = (2.0, 20.0)
NOTICE = (
    "Synthetic: a computer painted this tumour. It is of no patient's disease and must not be used "
    "for the care of anybody."
)
_AROUND_MM = 10.0  # beyond the band, where the scanner's noise is measured
_LUNG_HU = (-980, -500)
_LEAST_LUNG = 0.25  # of what surrounds a mask, for no flag to be raised


@dataclass(frozen=True)
class Synthesis:
    """A CT with a tumour that was painted into it.

    Attributes:
        ct: on the input's own grid, its axes in the stored order. Where `weights` is 0, and outside
            `box`, it is the input.
        mask: of the tumour, uint8, on the same grid.
        weights: the share of what was painted, on the voxels of `box`.
        box: of the stored CT's voxels; holds all that was changed.
        model: the name and the hash of what painted it.
        asked: what was asked for.
        found: mean HU in the mask, and mL and mm of what is dense there now.
        flags: what is to be known about it.
    """

    ct: sitk.Image
    mask: sitk.Image
    weights: sitk.Image
    box: Box
    model: dict[str, str]
    asked: dict[str, Any]
    found: dict[str, float]
    flags: tuple[Flag, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the voxels, for JSON."""
        return {
            "notice": NOTICE,
            "lungsquad": __version__,
            "model": self.model,
            "asked": self.asked,
            "found": self.found,
            "changed": {
                "start": list(self.box.start),
                "stop": list(self.box.stop),
                "voxels": int(np.count_nonzero(sitk.GetArrayViewFromImage(self.weights))),
            },
            "flags": [flag.to_dict() for flag in self.flags],
        }


@dataclass(frozen=True)
class _Part:
    """The part of a CT that changes, with what surrounds it: arrays (z, y, x) on its voxels."""

    grid: Grid
    box: Box
    hu: np.ndarray
    mask: np.ndarray
    distance: np.ndarray  # mm to the masks


def synthesise(
    model: Model,
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    *,
    hu: float | None = None,
    label: str | None = None,
    remove: Mask | sitk.Image | None = None,
    seed: int = 0,
    blend_mm: float = BAND_MM,
    progress: Progress | None = None,
) -> Synthesis:
    """Paint a tumour where a mask says.

    The network sees a cube of its own voxels round it, but nothing of what lies in the mask and the
    band. What it paints there is brought onto the CT's voxels, and gets the noise of what
    surrounds it.

    Args:
        model: a translator, of `lungsquad train inpainting`.
        ct: HU, LPS mm.
        mask: where the tumour is to be.
        hu: its mean; the median of the model's training where left out.
        label: its class, a code of the model's card; left open where left out.
        remove: a tumour that is to give way to lung.
        seed: of the noise.
        blend_mm: beyond the masks, in which what is painted passes into the CT.
        progress: told how it goes; may cancel.

    Raises:
        InputError: a mask is empty or too large, or what is asked for cannot be.
        ModelError: the model is none that paints into a CT.
    """
    progress, card = progress or Silent(), _translator(model.card)
    asked_hu, number = _asked_hu(card, hu), _class_number(card, label)
    _check(seed, blend_mm)
    step(progress, 0.0, "Reading the CT")
    ct = as_ct(ct).loaded(Part(progress, 0.0, 0.3))
    masks = [as_mask(one, ct) for one in (mask, remove) if one is not None]
    cube = _cube(ct.grid, masks, model, blend_mm)
    order = _order(ct, masks, cube=cube, card=card, asked_hu=asked_hu, label=number)
    step(progress, 0.3, "Painting")
    painted = paint(model.network, card.image, [order], band_mm=blend_mm)[0]
    step(progress, 0.8, "Blending")
    part = _part(ct, masks, blend_mm)
    on_voxels = _on_voxels(painted, cube, card.image.spacing, part)
    # Thick slices and the way onto other voxels dilute a small tumour: its mean is set right here.
    on_voxels[part.mask != 0] += asked_hu - on_voxels[part.mask != 0].mean()
    new = blended(part.hu, on_voxels, part.distance, band_mm=blend_mm, seed=seed)
    found = _found(new, part, asked_hu, blend_mm)
    asked = {
        "hu": asked_hu,
        "class": label,
        "volume_ml": _volume_ml(part.mask, part.grid),
        "diameter_mm": axial_diameter(masks[0].image).mm,
        "replaced": remove is not None,
        "blend_mm": blend_mm,
        "seed": seed,
    }
    flags = [flag for one in masks for flag in flags_of_case(ct, one)]
    flags += [*_flags(card, part, asked_hu, blend_mm), *_missed(card, asked, found)]
    whole = ct.hu(ct.grid.box)
    whole[part.box.slices] = new
    return Synthesis(
        ct.as_stored(ct.grid.image(whole)),
        ct.as_stored(ct.grid.image(_placed(masks[0], ct.grid, ct.grid.box))),
        ct.as_stored(part.grid.image(blend_weights(part.distance, blend_mm))),
        ct.stored_box(part.box),
        {"name": card.name, "sha256": model.sha256, "notice": card.notice or ""},
        asked,
        found,
        merged(flags),
    )


def write_synthesis(
    made: Synthesis,
    ct: CT,
    mask: Mask,
    *,
    folder: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, Any]:
    """Write `ct.nrrd`, `mask.nrrd`, `beside.png` and `synthesis.json`; return what that says.

    Args:
        made: what is written.
        ct: into which it was painted.
        mask: the tumour's.
        folder: where to write.
        inputs: files that must not be replaced.
    """
    target, described = Path(folder), made.to_dict()
    check_distinct([target / name for name in ("ct.nrrd", "mask.nrrd", RESULT)], inputs)
    for image in (made.ct, made.mask):
        image.SetMetaData(SYNTHETIC_FIELD, NOTICE)
    with whole_folder(target, last=RESULT) as temporary:
        write_volumes({temporary / "ct.nrrd": made.ct, temporary / "mask.nrrd": made.mask})
        write_png(temporary / "beside.png", side_by_side(ct, as_ct(made.ct), mask))
        write_json(temporary / RESULT, described)
    return described


def _translator(card: Card) -> Card:
    check_kind(card, "translator")
    if card.network.arguments["dimensions"] != 3:
        raise ModelError(f"The model '{card.name}' paints slices; a CT wants one of 3 dimensions.")
    return card


def _asked_hu(card: Card, hu: float | None) -> float:
    if hu is None:
        if TYPICAL not in card.metrics:
            raise InputError(
                f"The card of '{card.name}' does not say what HU are usual: say which you want."
            )
        return card.metrics[TYPICAL].value
    low, high = card.image.hu_low, card.image.hu_high
    if not low <= hu <= high:
        raise InputError(f"The mean HU of a tumour must be {low:g} to {high:g} here, not {hu:g}.")
    return float(hu)


def _class_number(card: Card, label: str | None) -> int:
    if label is None:
        return -1
    codes = [one.code for one in card.classes]
    if label not in codes:
        there = f"it knows {', '.join(codes)}" if codes else "it knows none"
        raise InputError(f"The model '{card.name}' knows no class '{label}'; {there}.")
    return codes.index(label)


def _check(seed: int, blend_mm: float) -> None:
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
    if not BANDS_MM[0] <= blend_mm <= BANDS_MM[1]:
        low, high = BANDS_MM
        raise InputError(f"The band must be {low:g} to {high:g} mm wide, not {blend_mm:g}.")


def _cube(grid: Grid, masks: Sequence[Mask], model: Model, blend_mm: float) -> Box:
    """The network's cube, on the grid of its spacing: as large as in training, or as need be."""
    spacing, multiple = model.card.image.spacing, model.network.step
    start, stop = _spanned(masks, grid)
    extent = (stop - start) * np.array(grid.spacing) + 2 * blend_mm
    needed = math.ceil((float(extent.max()) / spacing + 2) / multiple) * multiple
    if needed > LARGEST_SIDE:
        what = "mask with its band takes" if len(masks) == 1 else "two masks with their band take"
        raise InputError(
            f"The {what} {extent.max():.0f} mm, and the model paints within "
            f"{(LARGEST_SIDE - 2) * spacing:.0f} mm: choose a smaller mask, or one that is nearer."
        )
    side = max(needed, model.card.image.size)
    return box_round((start + stop - 1) / 2, grid, (side, side, side), spacing)


def _order(
    ct: CT, masks: Sequence[Mask], *, cube: Box, card: Card, asked_hu: float, label: int
) -> Order:
    axes = axes_of(cube, ct.grid, card.image.spacing)
    cuts = [
        nearest(axes, sitk.GetArrayViewFromImage(one.image), mask_box(one, ct.grid))
        for one in masks
    ]
    if not cuts[0].any():
        raise InputError(
            f"The mask '{masks[0].name}' is smaller than a voxel of the model's "
            f"({card.image.spacing:g} mm): draw a larger one."
        )
    remove = cuts[1] if len(cuts) > 1 else None
    return Order(linear(axes, ct.grid.size, ct.hu), cuts[0], asked_hu, label, remove)


def _part(ct: CT, masks: Sequence[Mask], blend_mm: float) -> _Part:
    start, stop = _spanned(masks, ct.grid)
    reach = np.ceil((blend_mm + _AROUND_MM) / np.array(ct.grid.spacing)).astype(int)
    (x0, y0, z0), (x1, y1, z1) = (start - reach).tolist(), (stop + reach).tolist()
    box = Box((x0, y0, z0), (x1, y1, z1)).within(ct.grid.box)
    placed = [_placed(one, ct.grid, box) for one in masks]
    distance = distance_mm(np.maximum.reduce(placed), ct.grid.spacing)
    return _Part(ct.grid.part(box), box, ct.hu(box), placed[0], distance)


def _spanned(masks: Sequence[Mask], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """First and last-plus-one voxel (x, y, z) of all masks together."""
    boxes = [mask_box(one, grid) for one in masks]
    return np.min([box.start for box in boxes], 0), np.max([box.stop for box in boxes], 0)


def _placed(mask: Mask, grid: Grid, box: Box) -> np.ndarray:
    """The mask on all voxels of a box of the CT's grid that holds it: uint8 (z, y, x)."""
    (x, y, z), array = box.start, np.zeros(box.size[::-1], np.uint8)
    own = mask_box(mask, grid).shifted((-x, -y, -z))
    array[own.slices] = sitk.GetArrayViewFromImage(mask.image) != 0
    return array


def _on_voxels(painted: np.ndarray, cube: Box, spacing: float, part: _Part) -> np.ndarray:
    """What was painted, at the CT's voxels (trilinear).

    Both grids start at the CT's first voxel and run along its axes: in mm along these, neither
    needs a direction.
    """
    image = sitk.GetImageFromArray(painted)
    image.SetSpacing((spacing,) * 3)
    image.SetOrigin([float(n) * spacing for n in cube.start])
    wanted = sitk.Image(part.box.size, sitk.sitkFloat32)
    wanted.SetSpacing(part.grid.spacing)
    wanted.SetOrigin(
        [float(n) * own for n, own in zip(part.box.start, part.grid.spacing, strict=True)]
    )
    moved = sitk.Resample(image, wanted, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.GetArrayFromImage(moved)


def _found(new: np.ndarray, part: _Part, asked_hu: float, blend_mm: float) -> dict[str, float]:
    piece = dense_piece(new, part.mask, part.distance < blend_mm, asked_hu=asked_hu)
    image = part.grid.image(piece.astype(np.uint8))
    return {
        "hu": float(new[part.mask != 0].mean()),
        "volume_ml": _volume_ml(piece, part.grid),
        "diameter_mm": axial_diameter(image).mm if piece.any() else 0.0,
    }


def _volume_ml(marked: np.ndarray, grid: Grid) -> float:
    return int(np.count_nonzero(marked)) * grid.voxel_volume / 1000


def _flags(card: Card, part: _Part, asked_hu: float, blend_mm: float) -> list[Flag]:
    flags = [Flag("synthetic", "severe", NOTICE)]
    usual = card.metrics.get(TYPICAL)
    if usual is not None and not usual.low <= asked_hu <= usual.high:
        sentence = (
            f"{asked_hu:.0f} HU were asked for; 95 % of the tumours that the model was trained on "
            f"have {usual.low:.0f} to {usual.high:.0f}."
        )
        flags.append(Flag("unusual_hu", "warning", sentence))
    shell = part.hu[(part.distance > 0) & (part.distance < blend_mm)]
    lung = float(((shell > _LUNG_HU[0]) & (shell < _LUNG_HU[1])).mean()) if shell.size else 0.0
    if lung < _LEAST_LUNG:
        sentence = f"Only {lung:.0%} of what surrounds the mask is lung; the model knows lung best."
        flags.append(Flag("outside_lung", "warning", sentence))
    return flags


def _missed(card: Card, asked: dict[str, Any], found: dict[str, float]) -> Iterator[Flag]:
    """Where what came out differs from what was asked for by more than the model's own error."""
    for name, metric, what, unit in (
        ("hu", "HU_error", "mean", "HU"),
        ("diameter_mm", "diameter_error_mm", "diameter", "mm"),
    ):
        error = card.metrics.get(metric)
        if error is not None and abs(found[name] - asked[name]) > error.high:
            sentence = (
                f"The {what} that was asked for is {asked[name]:.1f} {unit}, and "
                f"{found[name]:.1f} {unit} came out; on held-out tumours the model is off by "
                f"{error.value:.1f} {unit} on average ({error.low:.1f} to {error.high:.1f})."
            )
            yield Flag(f"{name}_missed", "warning", sentence)
