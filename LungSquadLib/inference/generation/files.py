"""Generated images as files, each of which says what it is as far as its format can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ... import __version__
from ...errors import InputError
from ...files import whole_folder, write_json
from ...imaging.files.write import write_volumes
from ...models.file import Model
from ...models.inputs import InputSpec
from .pictures import grid, tile
from .png import write_film, write_picture
from .sampling import Images

NOTICE = "Made up by a model of LungSquad: an image of no patient, not for diagnosis."
SAMPLES = "samples.json"
MOST_WRITTEN = 1000  # images in one folder
FORMAT_VERSION = 1


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
        tiles = list(_tiles(images, window))
        write_picture(place / "grid.png", grid(tiles, numbered=True), text=NOTICE)
        write_volumes(
            {
                place / "ct.nrrd": _stack(images.hu, images),
                place / "mask.nrrd": _stack(images.mask, images),
            }
        )
        for number, (hu, mask) in enumerate(zip(images.hu, images.mask, strict=True)):
            grey = np.rint(255 * window.scaled(hu).clip(0, 1)).astype(np.uint8)
            write_picture(place / f"ct-{number:04d}.png", grey, text=NOTICE)
            write_picture(place / f"mask-{number:04d}.png", mask * np.uint8(255), text=NOTICE)
        write_json(place / SAMPLES, _described(images, model, drawn))
    return target


def write_walk(path: str | os.PathLike[str], images: Images, model: Model) -> Path:
    """Write images as an animated PNG, which browsers play and other programs show the first of.

    Raises:
        InputError: the name does not end in .png or .apng.
    """
    check_film_name(path)
    write_film(Path(path), list(_tiles(images, model.card.image)), text=NOTICE)
    return Path(path)


def check_film_name(path: str | os.PathLike[str]) -> None:
    """Refuse a name that is not that of an animated PNG, before work is done for it."""
    if not os.fspath(path).lower().endswith((".png", ".apng")):
        raise InputError(f"'{path}' must end in .png or .apng: the film is an animated PNG.")


def _tiles(images: Images, window: InputSpec) -> Iterator[np.ndarray]:
    for hu, mask in zip(images.hu, images.mask, strict=True):
        yield tile(hu, mask, low=window.hu_low, high=window.hu_high)


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
