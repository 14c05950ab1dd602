"""Synthetic slices from a generator: each depends on seed and number alone; written to a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from .. import __version__
from ..errors import InputError, ModelError, one_line
from ..files import whole_folder, write_json
from ..imaging.files.write import write_png, write_volumes
from ..imaging.pictures import contact_sheet, tile
from ..imaging.slices import from_channels
from ..models.card import Card
from ..models.catalogue import check_kind
from ..models.file import Model
from ..networks import checked_arguments

NOTICE = "Synthetic image by a model of LungSquad: of no patient, not for diagnosis."
SAMPLES = "samples.json"
MOST_WRITTEN = 1000  # images in one folder
FORMAT_VERSION = 2
MOST_IMAGES = 10_000
MOST_KEYS, MOST_FRAMES = 64, 600
_BATCH, _BATCH_PIXELS = 8, 1 << 20  # images and pixels of a forward pass, at most
_NEAR = 0.25  # fraction of the way from an image to its neighbours
_CANDIDATES = 32  # for the centre of all images
_IMAGES, _NEIGHBOURS, _CENTRE, _LABELS = range(4)  # streams of random numbers


@dataclass(frozen=True)
class Images:
    """Synthetic slices.

    Attributes:
        hu: int16 (n, y, x).
        mask: the tumour, uint8 (n, y, x).
        spacing_mm: between pixels.
        labels: (n,) conditions, as numbers of the card's classes; None for a model without.
    """

    hu: np.ndarray
    mask: np.ndarray
    spacing_mm: float
    labels: np.ndarray | None


def sample(
    model: Model,
    n: int,
    *,
    seed: int = 0,
    truncation: float = 1.0,
    label: str | None = None,
    like: int | None = None,
    class_fractions: Sequence[float] = (),
    device: torch.device | str = "cpu",
) -> Images:
    """Generate images 0 to `n` - 1 of a seed; image 5 is the same for any `n`.

    Latents of a progressive GAN lie on a hypersphere, where scaling them has no effect. Truncation
    moves them along great circles towards a centre: the latent, of 32 fixed ones, whose image is
    nearest to their mean. It reduces variety; better images are not promised.

    Args:
        model: a generator.
        n: number of images.
        seed: of the latents, and of the conditions if none is given.
        truncation: the fraction of each latent's distance from the centre that is kept, above 0 to
            1 (no truncation).
        label: code of a condition; drawn by default.
        like: number of an image (of this seed, label and truncation): its neighbours are
            generated, a quarter of the way to other images.
        class_fractions: probabilities of the conditions, in the card's order; even by default.
        device: of the network.

    Raises:
        InputError: a value is out of range, or the model has no such condition.
        ModelError: the model is no generator.
    """
    check_generator(model.card)
    _check_whole("number of images", n, 1, MOST_IMAGES)
    _check_seed(seed)
    if not 0 < truncation <= 1:
        raise InputError(f"The truncation must be above 0 and at most 1, not {truncation:g}.")
    if like is not None:
        _check_whole("number of the image to be like", like, 0, MOST_IMAGES - 1)
    numbers = range(n) if like is None else [like] * n
    labels = _labels(model.card, label, seed, numbers, class_fractions)
    z = _drawn(model, _IMAGES, seed, numbers)
    if truncation < 1:
        z = between(_centres(model, labels, n, device), z, truncation)
    if like is not None:
        z = between(z, _drawn(model, _NEIGHBOURS, seed, range(n)), _NEAR)
    return _images(model, z, labels, device)


def interpolate(
    model: Model,
    frames: int,
    *,
    keys: int = 6,
    seed: int = 0,
    label: str | None = None,
    device: torch.device | str = "cpu",
) -> Images:
    """Generate images on a closed path of great circles through images 0, 1, 2, ... of a seed.

    Args:
        model: a generator.
        frames: number of images; `keys` of them, evenly spaced, are those of `sample`.
        keys: number of images that the path joins.
        seed: of these.
        label: code of a condition; that of image 0 by default.
        device: of the network.

    Raises:
        InputError: a value is out of range, or the model has no such condition.
        ModelError: the model is no generator.
    """
    check_generator(model.card)
    _check_whole("number of frames", frames, 2, MOST_FRAMES)
    if keys > frames:
        raise InputError(
            f"{keys} keys do not fit on a path of {frames} frames. Use more frames or fewer keys."
        )
    _check_whole("number of keys", keys, 2, frames)
    _check_seed(seed)
    latents = _drawn(model, _IMAGES, seed, range(keys))
    position = np.arange(frames) * keys / frames
    key = position.astype(int)
    z = between(latents[key], latents[(key + 1) % keys], (position - key)[:, None])
    return _images(model, z, _labels(model.card, label, seed, [0] * frames), device)


def between(start: np.ndarray, end: np.ndarray, fraction: float | np.ndarray) -> np.ndarray:
    """Interpolate latents (n, latent) on great circles (spherical linear interpolation)."""
    cosine = (start * end).mean(axis=1, keepdims=True)  # their values have a mean square of 1
    angle = np.arccos(np.clip(cosine, -1, 1))
    straight = np.sin(angle) < 1e-6  # equal or opposite latents
    sine = np.where(straight, 1, np.sin(angle))
    along = np.sin((1 - fraction) * angle) / sine * start + np.sin(fraction * angle) / sine * end
    return np.where(straight, start, along)


def check_generator(card: Card) -> None:
    """Raise `ModelError` unless a model generates CT slices with masks."""
    check_kind(card, "generator")
    channels = checked_arguments(card.network.name, card.network.arguments)["channels"]
    if channels != 2:
        raise ModelError(
            f"The model '{card.name}' generates images of {channels} channels. Choose a model of "
            "CT and mask."
        )


def _check_whole(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"The {what} must be {low} to {high}, not {value}.")


def _check_seed(seed: int) -> None:
    _check_whole("seed", seed, 0, 2**63 - 1)


def _drawn(model: Model, stream: int, seed: int, numbers: Iterable[int]) -> np.ndarray:
    """Latents (n, latent), uniform on the hypersphere of mean square 1."""
    size = model.network.latent
    z = np.stack([np.random.default_rng((stream, seed, k)).standard_normal(size) for k in numbers])
    return np.asarray(z / np.sqrt((z * z).mean(axis=1, keepdims=True)))


def _labels(
    card: Card,
    label: str | None,
    seed: int,
    numbers: Sequence[int],
    class_fractions: Sequence[float] = (),
) -> np.ndarray | None:
    """The conditions (n,): the given one, or drawn."""
    codes = [known.code for known in card.classes]
    if label is not None and label not in codes:
        conditions = ", ".join(codes) or "none"
        raise InputError(
            f"The model '{card.name}' has no condition '{one_line(label)}'; its conditions: "
            f"{conditions}."
        )
    if not codes:
        return None
    if label is not None:
        return np.full(len(numbers), codes.index(label))
    drawn = (np.random.default_rng((_LABELS, seed, k)) for k in numbers)
    if class_fractions:
        return np.array([random.choice(len(codes), p=class_fractions) for random in drawn])
    return np.array([random.integers(len(codes)) for random in drawn])


def _centres(
    model: Model, labels: np.ndarray | None, n: int, device: torch.device | str
) -> np.ndarray:
    """For each of `n` images the centre (n, latent) of its condition's images."""
    candidates = _drawn(model, _CENTRE, 0, range(_CANDIDATES))
    conditions = np.zeros(n, int) if labels is None else labels
    centres = np.empty((n, candidates.shape[1]))
    for condition in np.unique(conditions):
        same = None if labels is None else np.full(_CANDIDATES, condition)
        images = np.concatenate(list(_outputs(model, candidates, same, device)))
        distances = np.square(images - images.mean(axis=0)).sum(axis=(1, 2, 3))
        centres[conditions == condition] = candidates[distances.argmin()]
    return centres


def _images(
    model: Model, z: np.ndarray, labels: np.ndarray | None, device: torch.device | str
) -> Images:
    spec = model.card.image
    pairs = [
        from_channels(images, low=spec.hu_low, high=spec.hu_high)
        for images in _outputs(model, z, labels, device)
    ]
    hu, mask = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return Images(hu, mask, spec.spacing, labels)


@torch.inference_mode()
def _outputs(
    model: Model, z: np.ndarray, labels: np.ndarray | None, device: torch.device | str
) -> Iterator[np.ndarray]:
    """Run the network on latents; yields batches (batch, 2, y, x).

    All batches have one size, the last one is filled up: the last bits depend on the size.
    """
    network = model.network.to(device)
    size = max(1, min(_BATCH, _BATCH_PIXELS // network.resolution**2))
    for start in range(0, len(z), size):
        chosen = np.minimum(np.arange(start, start + size), len(z) - 1)
        latents = torch.from_numpy(z[chosen].astype(np.float32)).to(device)
        codes = None if labels is None else torch.from_numpy(labels[chosen]).to(device)
        yield network(latents, codes)[: len(z) - start].cpu().numpy()


def write_samples(
    folder: str | os.PathLike[str], images: Images, model: Model, **parameters: Any
) -> Path:
    """Write generated images, all of them or none.

    `grid.png` is a numbered contact sheet in the model's window with outlined masks; `ct-NNNN.png`
    and `mask-NNNN.png` are single images, as `lungsquad slices` writes real ones. `ct.nrrd` (HU)
    and `mask.nrrd` are stacks of all images, which 3D Slicer opens as a volume and a segmentation
    to scroll through. `samples.json` has the model, the parameters and measurements.

    Args:
        folder: to write in; other files in it stay.
        images: of `sample` or `interpolate`.
        model: the generator.
        parameters: of the sampling, for `samples.json`.

    Returns:
        The folder.
    """
    window, target = model.card.image, Path(folder)
    with whole_folder(target, last=SAMPLES) as temporary:
        tiles = [
            tile(hu, mask, low=window.hu_low, high=window.hu_high)
            for hu, mask in zip(images.hu, images.mask, strict=True)
        ]
        write_png(temporary / "grid.png", contact_sheet(tiles, numbered=True), description=NOTICE)
        write_volumes(
            {
                temporary / "ct.nrrd": _stack(images.hu, images),
                temporary / "mask.nrrd": _stack(images.mask, images),
            }
        )
        for number, (hu, mask) in enumerate(zip(images.hu, images.mask, strict=True)):
            grey = np.rint(255 * window.scaled(hu).clip(0, 1)).astype(np.uint8)
            write_png(temporary / f"ct-{number:04d}.png", grey, description=NOTICE)
            write_png(
                temporary / f"mask-{number:04d}.png", mask * np.uint8(255), description=NOTICE
            )
        write_json(temporary / SAMPLES, _described(images, model, parameters))
    return target


def _stack(array: np.ndarray, images: Images) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((images.spacing_mm, images.spacing_mm, 1.0))
    image.SetMetaData("synthetic", NOTICE)
    return image


def _described(images: Images, model: Model, parameters: dict[str, Any]) -> dict[str, Any]:
    card = model.card
    return {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "notice": NOTICE,
        "model": {
            "name": card.name,
            "title": card.title,
            "sha256": model.sha256,
            "notice": card.notice,
        },
        "parameters": parameters,
        "pixels": images.hu.shape[1],
        "spacing_mm": images.spacing_mm,
        "window_hu": [card.image.hu_low, card.image.hu_high],
        "images": [_measured(images, model, number) for number in range(len(images.hu))],
    }


def _measured(images: Images, model: Model, number: int) -> dict[str, Any]:
    hu, tumour = images.hu[number], images.mask[number] != 0
    labels = images.labels
    return {
        "number": number,
        "label": None if labels is None else model.card.classes[int(labels[number])].code,
        "tumour_mm2": round(int(tumour.sum()) * images.spacing_mm**2, 2),
        "hu_inside": round(float(hu[tumour].mean()), 1) if tumour.any() else None,
        "hu_outside": round(float(hu[~tumour].mean()), 1) if not tumour.all() else None,
    }
