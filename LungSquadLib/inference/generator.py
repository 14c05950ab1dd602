"""Synthetic slices out of a generator: drawn by seed and number, and written into a folder."""

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
from ..imaging.channels import from_channels
from ..imaging.files.write import write_png, write_volumes
from ..imaging.pictures import grid, tile
from ..models.card import Card
from ..models.catalogue import check_kind
from ..models.file import Model
from ..networks import checked_arguments

NOTICE = "Made up by a model of LungSquad: an image of no patient, not for diagnosis."
SAMPLES = "samples.json"
MOST_WRITTEN = 1000  # images in one folder
FORMAT_VERSION = 1
MOST_IMAGES = 10_000
MOST_KEYS, MOST_FRAMES = 64, 600
_BATCH, _BATCH_PIXELS = 8, 1 << 20  # that go through the network together: so many at most
_NEAR = 0.25  # of the way to another image: what is still "like this"
_CANDIDATES = 32  # for the middle of all images
_IMAGES, _NEIGHBOURS, _MIDDLE, _LABELS = range(4)  # each has random numbers of its own


@dataclass(frozen=True)
class Images:
    """Made-up slices, of no patient.

    Attributes:
        hu: int16 (n, y, x).
        mask: where the generator says that the tumour is, uint8 (n, y, x).
        spacing_mm: between pixels.
        labels: (n,) conditions, as numbers of the card's classes; None of a model without any.
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
    truncate: float = 1.0,
    label: str | None = None,
    like: int | None = None,
    device: torch.device | str = "cpu",
) -> Images:
    """Images 0 to `n` - 1 of a seed; image 5 is the same whatever `n` is.

    Latents of a progressive GAN lie on a hypersphere, where to scale them, as other generators are
    truncated, changes nothing. Here they are drawn along great circles towards a middle: the
    latent, of 32 fixed ones, whose image is nearest to their mean. Less and less variety is left,
    all of it round an ordinary image; that images get better is not promised.

    Args:
        model: a generator.
        n: how many.
        seed: of the latents, and of the conditions where none is asked for.
        truncate: how far from the middle images may be, of what they are: above 0, 1 for all.
        label: the code of a condition; they are drawn evenly where it is left out.
        like: the number of an image (of this seed, label and truncation): the images are
            neighbours of it, a quarter of the way to others.
        device: where the network runs.

    Raises:
        InputError: a number out of its range, a condition that the model does not know.
        ModelError: the model is no generator.
    """
    check_generator(model.card)
    _check_whole("number of images", n, 1, MOST_IMAGES)
    _check_seed(seed)
    if not 0 < truncate <= 1:
        raise InputError(f"The truncation must be above 0 and at most 1, not {truncate:g}.")
    if like is not None:
        _check_whole("number of the image to be like", like, 0, MOST_IMAGES - 1)
    numbers = range(n) if like is None else [like] * n
    labels = _labels(model.card, label, seed, numbers)
    z = _drawn(model, _IMAGES, seed, numbers)
    if truncate < 1:
        z = between(_middles(model, labels, n, device), z, truncate)
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
    """Images on a closed path of great circles from image 0 of a seed to 1, 2, ... and back.

    Args:
        model: a generator.
        frames: how many images there are on the way; `keys` of them, evenly, are those of `sample`.
        keys: how many images the path joins.
        seed: of these.
        label: the code of a condition; where it is left out all have that of image 0.
        device: where the network runs.

    Raises:
        InputError: a number out of its range, a condition that the model does not know.
        ModelError: the model is no generator.
    """
    check_generator(model.card)
    _check_whole("number of frames", frames, 2, MOST_FRAMES)
    _check_whole("number of keys", keys, 2, frames)
    _check_seed(seed)
    latents = _drawn(model, _IMAGES, seed, range(keys))
    place = np.arange(frames) * keys / frames
    key = place.astype(int)
    z = between(latents[key], latents[(key + 1) % keys], (place - key)[:, None])
    return _images(model, z, _labels(model.card, label, seed, [0] * frames), device)


def between(start: np.ndarray, end: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Latents (n, latent) on the great circles from `start` to `end`, a share of the way along."""
    cosine = (start * end).mean(axis=1, keepdims=True)  # their numbers have a mean square of 1
    angle = np.arccos(np.clip(cosine, -1, 1))
    straight = np.sin(angle) < 1e-6  # where both are one latent, or opposite
    sine = np.where(straight, 1, np.sin(angle))
    along = np.sin((1 - share) * angle) / sine * start + np.sin(share * angle) / sine * end
    return np.where(straight, start, along)


def check_generator(card: Card) -> None:
    """Raise `ModelError` unless a model makes CT slices with their masks."""
    check_kind(card, "generator")
    channels = checked_arguments(card.network.name, card.network.arguments)["channels"]
    if channels != 2:
        raise ModelError(
            f"The model '{card.name}' makes images of {channels} channels, and not of CT and mask."
        )


def _check_whole(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"The {what} must be {low} to {high}, not {value}.")


def _check_seed(seed: int) -> None:
    _check_whole("seed", seed, 0, 2**63 - 1)


def _drawn(model: Model, what: int, seed: int, numbers: Iterable[int]) -> np.ndarray:
    """Latents (n, latent), evenly spread over the hypersphere: of mean square 1."""
    size = model.network.latent
    z = np.stack([np.random.default_rng((what, seed, k)).standard_normal(size) for k in numbers])
    return np.asarray(z / np.sqrt((z * z).mean(axis=1, keepdims=True)))


def _labels(card: Card, label: str | None, seed: int, numbers: Sequence[int]) -> np.ndarray | None:
    """The conditions (n,): all the one that is asked for, or drawn."""
    codes = [one.code for one in card.classes]
    if label is not None and label not in codes:
        known = f"knows {', '.join(codes)}" if codes else "has no conditions to ask for"
        raise InputError(f"The model '{card.name}' does not know '{one_line(label)}': it {known}.")
    if not codes:
        return None
    if label is not None:
        return np.full(len(numbers), codes.index(label))
    return np.array(
        [np.random.default_rng((_LABELS, seed, k)).integers(len(codes)) for k in numbers]
    )


def _middles(
    model: Model, labels: np.ndarray | None, n: int, device: torch.device | str
) -> np.ndarray:
    """For each of `n` images the latent (n, latent) of the most ordinary image of its condition."""
    candidates = _drawn(model, _MIDDLE, 0, range(_CANDIDATES))
    wanted = np.zeros(n, int) if labels is None else labels
    middles = np.empty((n, candidates.shape[1]))
    for condition in np.unique(wanted):
        same = None if labels is None else np.full(_CANDIDATES, condition)
        images = np.concatenate(list(_outputs(model, candidates, same, device)))
        far = np.square(images - images.mean(axis=0)).sum(axis=(1, 2, 3))
        middles[wanted == condition] = candidates[far.argmin()]
    return middles


def _images(
    model: Model, z: np.ndarray, labels: np.ndarray | None, device: torch.device | str
) -> Images:
    made = model.card.image
    pairs = [
        from_channels(images, low=made.hu_low, high=made.hu_high)
        for images in _outputs(model, z, labels, device)
    ]
    hu, mask = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return Images(hu, mask, made.spacing, labels)


@torch.inference_mode()
def _outputs(
    model: Model, z: np.ndarray, labels: np.ndarray | None, device: torch.device | str
) -> Iterator[np.ndarray]:
    """What the network makes of latents, (batch, 2, y, x) at a time.

    Batches are all of one size, the last one filled up: in another size the last bits differ.
    """
    network = model.network.to(device)
    size = max(1, min(_BATCH, _BATCH_PIXELS // network.resolution**2))
    for start in range(0, len(z), size):
        chosen = np.minimum(np.arange(start, start + size), len(z) - 1)
        latents = torch.from_numpy(z[chosen].astype(np.float32)).to(device)
        codes = None if labels is None else torch.from_numpy(labels[chosen]).to(device)
        yield network(latents, codes)[: len(z) - start].cpu().numpy()


def write_samples(
    folder: str | os.PathLike[str], images: Images, model: Model, **drawn: Any
) -> Path:
    """Write generated images, all of them or none.

    `grid.png` shows them, numbered, in the model's window with the masks outlined; `ct-NNNN.png`
    and `mask-NNNN.png` are each one alone, as `lungsquad slices` writes real ones. `ct.nrrd` (HU)
    and `mask.nrrd` are stacks of all: two files that 3D Slicer opens as a volume and a segmentation
    to scroll through, and one line reads as an array; one file an image would be 2 n volumes in
    Slicer. In the stack's third direction neighbours have nothing to do with one another.
    `samples.json` says which model made them, of what, and how they look in numbers.

    Args:
        folder: where to; what else lies there stays.
        images: as `sample` gives them.
        model: which made them.
        drawn: how, for `samples.json`: the arguments of `sample`.

    Returns:
        The folder.
    """
    window, target = model.card.image, Path(folder)
    with whole_folder(target, last=SAMPLES) as place:
        tiles = [
            tile(hu, mask, low=window.hu_low, high=window.hu_high)
            for hu, mask in zip(images.hu, images.mask, strict=True)
        ]
        write_png(place / "grid.png", grid(tiles, numbered=True), description=NOTICE)
        write_volumes(
            {
                place / "ct.nrrd": _stack(images.hu, images),
                place / "mask.nrrd": _stack(images.mask, images),
            }
        )
        for number, (hu, mask) in enumerate(zip(images.hu, images.mask, strict=True)):
            grey = np.rint(255 * window.scaled(hu).clip(0, 1)).astype(np.uint8)
            write_png(place / f"ct-{number:04d}.png", grey, description=NOTICE)
            write_png(place / f"mask-{number:04d}.png", mask * np.uint8(255), description=NOTICE)
        write_json(place / SAMPLES, _described(images, model, drawn))
    return target


def _stack(array: np.ndarray, images: Images) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((images.spacing_mm, images.spacing_mm, 1.0))
    image.SetMetaData("synthetic", NOTICE)
    return image


def _described(images: Images, model: Model, drawn: dict[str, Any]) -> dict[str, Any]:
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
        "drawn": drawn,
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
