"""Inpainting of a tumour in a CT: the border is blended, everything outside stays untouched."""

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
from ..imaging.blending import distance_mm
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
from .inpainting import (
    BAND_MM,
    CORE_MM,
    MOSTLY,
    TYPICAL,
    InpaintingRequest,
    blended,
    dense_component,
    inpaint_cubes,
    weights_of,
)

RESULT = "inpainting.json"
SYNTHETIC_FIELD = "LungSquad_synthetic"  # of the files' headers
LARGEST_SIDE = 128  # voxels of the inpainted cube
BANDS_MM = (2.0, 20.0)
NOTICE = (
    "Synthetic: a computer generated this tumour. It is of no patient's disease and must not be "
    "used for the care of anybody."
)
_AROUND_MM = 10.0  # beyond the band, where the scanner's noise is measured
_LUNG_HU = (-980, -500)
_LEAST_LUNG = 0.25  # share of lung in a mask's surroundings below which a flag is raised


@dataclass(frozen=True)
class InpaintedCT:
    """A CT with an inpainted tumour.

    Attributes:
        ct: on the input's own grid, its axes in the stored order. Where `weights` is 0, and outside
            `box`, it is the input.
        mask: of the tumour, uint8, on the same grid.
        weights: the share of inpainted HU, on the voxels of `box`.
        box: of the stored CT's voxels; holds all that was changed.
        model: name, hash and notice of the model.
        requested: mean HU, class, volume (mL) and diameter (mm) that were requested.
        measured: mean HU in the mask, and volume (mL) and diameter (mm) of the synthetic tumour.
        flags: warnings.
    """

    ct: sitk.Image
    mask: sitk.Image
    weights: sitk.Image
    box: Box
    model: dict[str, str]
    requested: dict[str, Any]
    measured: dict[str, float]
    flags: tuple[Flag, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the voxels, for JSON."""
        return {
            "notice": NOTICE,
            "lungsquad": __version__,
            "model": self.model,
            "requested": self.requested,
            "measured": self.measured,
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


def inpaint(
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
) -> InpaintedCT:
    """Inpaint a tumour in a CT at the position of a mask.

    The network sees a cube of its own voxels round the mask, but nothing inside the mask and the
    band. Its output is resampled onto the CT's voxels and gets the noise of its surroundings.

    Args:
        model: an inpainter, of `lungsquad train inpainting`.
        ct: HU, LPS mm.
        mask: where the tumour is to be.
        hu: its mean; by default the median of the model's training tumours.
        label: its class, a code of the model's card; any by default.
        remove: mask of a tumour that is replaced by lung.
        seed: of the noise.
        blend_mm: width of the band round the masks in which the output blends into the CT.
        progress: receives progress; may cancel.

    Raises:
        InputError: a mask is empty or too large, or the requested tumour is out of range.
        ModelError: the model is no inpainter of volumes.
    """
    progress, card = progress or Silent(), _inpainter(model.card)
    mean_hu, number = _mean_hu(card, hu), _class_number(card, label)
    _check(seed, blend_mm)
    step(progress, 0.0, "Reading the CT")
    ct = as_ct(ct).loaded(Part(progress, 0.0, 0.3))
    masks = [as_mask(image, ct) for image in (mask, remove) if image is not None]
    cube = _cube(ct.grid, masks, model, blend_mm)
    request = _request(ct, masks, cube=cube, card=card, mean_hu=mean_hu, label=number)
    step(progress, 0.3, "Inpainting")
    inpainted = inpaint_cubes(model.network, card.image, [request], band_mm=blend_mm)[0]
    step(progress, 0.8, "Blending")
    part = _part(ct, masks, blend_mm)
    resampled = _resampled(inpainted, cube, card.image.spacing, part)
    # Thick slices and resampling dilute a small tumour: its mean is corrected here.
    near = np.clip(1 - part.distance / CORE_MM, 0, 1)
    resampled += near * (mean_hu - resampled[part.mask != 0].mean())
    keeps = model.network.surroundings
    how = {"band_mm": blend_mm, "keeps_tissue": keeps}
    hu_in_part = blended(part.hu, resampled, part.distance, **how, seed=seed)
    weights = weights_of(part.hu, part.distance, **how)
    measured = _measured(hu_in_part, part, mean_hu, weights > MOSTLY)
    requested = {
        "hu": mean_hu,
        "class": label,
        "volume_ml": _volume_ml(part.mask, part.grid),
        "diameter_mm": axial_diameter(masks[0].image).mm,
        "replaced": remove is not None,
        "blend_mm": blend_mm,
        "seed": seed,
    }
    flags = [flag for each in masks for flag in flags_of_case(ct, each)]
    flags += [*_flags(card, part, mean_hu, blend_mm), *_deviations(card, requested, measured)]
    new_hu = ct.hu(ct.grid.box)
    new_hu[part.box.slices] = hu_in_part
    return InpaintedCT(
        ct.as_stored(ct.grid.image(new_hu)),
        ct.as_stored(ct.grid.image(_in_box(masks[0], ct.grid, ct.grid.box))),
        ct.as_stored(part.grid.image(weights)),
        ct.stored_box(part.box),
        {"name": card.name, "sha256": model.sha256, "notice": card.notice or ""},
        requested,
        measured,
        merged(flags),
    )


def write_inpainting(
    inpainted: InpaintedCT,
    ct: CT,
    mask: Mask,
    *,
    folder: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, Any]:
    """Write `ct.nrrd`, `mask.nrrd`, `comparison.png` and `inpainting.json`.

    Args:
        inpainted: result of `inpaint`.
        ct: the CT as it was.
        mask: of the tumour.
        folder: where to write.
        inputs: files that must not be replaced.

    Returns:
        The content of `inpainting.json`.
    """
    target, described = Path(folder), inpainted.to_dict()
    check_distinct([target / name for name in ("ct.nrrd", "mask.nrrd", RESULT)], inputs)
    for image in (inpainted.ct, inpainted.mask):
        image.SetMetaData(SYNTHETIC_FIELD, NOTICE)
    volumes = {"ct.nrrd": inpainted.ct, "mask.nrrd": inpainted.mask}
    with whole_folder(target, last=RESULT) as temporary:
        write_volumes({temporary / name: image for name, image in volumes.items()})
        write_png(
            temporary / "comparison.png",
            side_by_side(ct, as_ct(inpainted.ct), mask),
            description=NOTICE,
        )
        write_json(temporary / RESULT, described)
    return described


def _inpainter(card: Card) -> Card:
    check_kind(card, "inpainter")
    if card.network.arguments["dimensions"] != 3:
        raise ModelError(
            f"The model '{card.name}' inpaints slices. Choose a model of 3 dimensions for a CT."
        )
    return card


def _mean_hu(card: Card, hu: float | None) -> float:
    if hu is None:
        if TYPICAL not in card.metrics:
            raise InputError(
                f"The card of '{card.name}' has no typical mean HU of tumours. State the mean HU."
            )
        return card.metrics[TYPICAL].value
    low, high = card.image.hu_low, card.image.hu_high
    if not low <= hu <= high:
        raise InputError(f"The mean HU of a tumour must be {low:g} to {high:g}, not {hu:g}.")
    return float(hu)


def _class_number(card: Card, label: str | None) -> int:
    if label is None:
        return -1
    codes = [known.code for known in card.classes]
    if label not in codes:
        classes = ", ".join(codes) or "none"
        raise InputError(f"The model '{card.name}' has no class '{label}'; its classes: {classes}.")
    return codes.index(label)


def _check(seed: int, blend_mm: float) -> None:
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
    if not BANDS_MM[0] <= blend_mm <= BANDS_MM[1]:
        low, high = BANDS_MM
        raise InputError(f"The band must be {low:g} to {high:g} mm wide, not {blend_mm:g}.")


def _cube(grid: Grid, masks: Sequence[Mask], model: Model, blend_mm: float) -> Box:
    """The network's cube on its own grid: as large as in training, or larger if needed."""
    spacing, multiple = model.card.image.spacing, model.network.step
    start, stop = _spanned(masks, grid)
    extent = (stop - start) * np.array(grid.spacing) + 2 * blend_mm
    needed = math.ceil((float(extent.max()) / spacing + 2) / multiple) * multiple
    if needed > LARGEST_SIDE:
        what = "mask with its band takes" if len(masks) == 1 else "two masks with their band take"
        raise InputError(
            f"The {what} {extent.max():.0f} mm, and the model inpaints at most "
            f"{(LARGEST_SIDE - 2) * spacing:.0f} mm. Choose a smaller mask, or one that is nearer."
        )
    side = max(needed, model.card.image.size)
    return box_round((start + stop - 1) / 2, grid, (side, side, side), spacing)


def _request(
    ct: CT, masks: Sequence[Mask], *, cube: Box, card: Card, mean_hu: float, label: int
) -> InpaintingRequest:
    axes = axes_of(cube, ct.grid, card.image.spacing)
    cuts = [
        nearest(axes, sitk.GetArrayViewFromImage(mask.image), mask_box(mask, ct.grid))
        for mask in masks
    ]
    if not cuts[0].any():
        raise InputError(
            f"The mask '{masks[0].name}' is smaller than a voxel of the model "
            f"({card.image.spacing:g} mm). Draw a larger mask."
        )
    remove = cuts[1] if len(cuts) > 1 else None
    return InpaintingRequest(linear(axes, ct.grid.size, ct.hu), cuts[0], mean_hu, label, remove)


def _part(ct: CT, masks: Sequence[Mask], blend_mm: float) -> _Part:
    start, stop = _spanned(masks, ct.grid)
    margin = np.ceil((blend_mm + _AROUND_MM) / np.array(ct.grid.spacing)).astype(int)
    (x0, y0, z0), (x1, y1, z1) = (start - margin).tolist(), (stop + margin).tolist()
    box = Box((x0, y0, z0), (x1, y1, z1)).within(ct.grid.box)
    arrays = [_in_box(mask, ct.grid, box) for mask in masks]
    distance = distance_mm(np.maximum.reduce(arrays), ct.grid.spacing)
    return _Part(ct.grid.part(box), box, ct.hu(box), arrays[0], distance)


def _spanned(masks: Sequence[Mask], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """First and last-plus-one voxel (x, y, z) of all masks together."""
    boxes = [mask_box(mask, grid) for mask in masks]
    return np.min([box.start for box in boxes], 0), np.max([box.stop for box in boxes], 0)


def _in_box(mask: Mask, grid: Grid, box: Box) -> np.ndarray:
    """The mask on all voxels of a box of the CT's grid that holds it: uint8 (z, y, x)."""
    (x, y, z), array = box.start, np.zeros(box.size[::-1], np.uint8)
    voxels = mask_box(mask, grid).shifted((-x, -y, -z))
    array[voxels.slices] = sitk.GetArrayViewFromImage(mask.image) != 0
    return array


def _resampled(inpainted: np.ndarray, cube: Box, spacing: float, part: _Part) -> np.ndarray:
    """Resample the network's cube onto the CT's voxels (trilinear).

    Both grids start at the CT's first voxel and run along its axes: in mm along these, neither
    needs a direction.
    """
    image = sitk.GetImageFromArray(inpainted)
    image.SetSpacing((spacing,) * 3)
    image.SetOrigin([float(n) * spacing for n in cube.start])
    target = sitk.Image(part.box.size, sitk.sitkFloat32)
    target.SetSpacing(part.grid.spacing)
    target.SetOrigin(
        [float(n) * mm for n, mm in zip(part.box.start, part.grid.spacing, strict=True)]
    )
    resampled = sitk.Resample(image, target, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.GetArrayFromImage(resampled)


def _measured(hu: np.ndarray, part: _Part, mean_hu: float, region: np.ndarray) -> dict[str, float]:
    tumour = dense_component(hu, part.mask, region, mean_hu=mean_hu)
    image = part.grid.image(tumour.astype(np.uint8))
    return {
        "hu": float(hu[part.mask != 0].mean()),
        "volume_ml": _volume_ml(tumour, part.grid),
        "diameter_mm": axial_diameter(image).mm if tumour.any() else 0.0,
    }


def _volume_ml(mask: np.ndarray, grid: Grid) -> float:
    return int(np.count_nonzero(mask)) * grid.voxel_volume / 1000


def _flags(card: Card, part: _Part, mean_hu: float, blend_mm: float) -> list[Flag]:
    flags = [Flag("synthetic", "severe", NOTICE)]
    typical = card.metrics.get(TYPICAL)
    if typical is not None and not typical.low <= mean_hu <= typical.high:
        sentence = (
            f"The requested mean is {mean_hu:.0f} HU; 95 % of the model's training tumours have "
            f"{typical.low:.0f} to {typical.high:.0f} HU."
        )
        flags.append(Flag("unusual_hu", "warning", sentence))
    shell = part.hu[(part.distance > 0) & (part.distance < blend_mm)]
    lung = float(((shell > _LUNG_HU[0]) & (shell < _LUNG_HU[1])).mean()) if shell.size else 0.0
    if lung < _LEAST_LUNG:
        sentence = (
            f"Only {lung:.0%} of the mask's surroundings are lung; the model was trained there."
        )
        flags.append(Flag("outside_lung", "warning", sentence))
    return flags


def _deviations(
    card: Card, requested: dict[str, Any], measured: dict[str, float]
) -> Iterator[Flag]:
    """Flag what differs from the request by more than the model's own error."""
    for name, metric, what, unit in (
        ("hu", "HU_error", "mean", "HU"),
        ("diameter_mm", "diameter_error_mm", "diameter", "mm"),
    ):
        error = card.metrics.get(metric)
        if error is not None and abs(measured[name] - requested[name]) > error.high:
            sentence = (
                f"The requested {what} is {requested[name]:.1f} {unit}, and {measured[name]:.1f} "
                f"{unit} was measured; on held-out tumours the model's mean error is "
                f"{error.value:.1f} {unit} ({error.low:.1f} to {error.high:.1f})."
            )
            yield Flag(f"{name}_missed", "warning", sentence)
