"""A reader's test of an inpainter: real and inpainted nodules in one sheet, shuffled, with a key.

    python -m Testing.readers_test MODEL STORE -o FOLDER --fold 3 --seed 0

Half of the nodules drawn from the store are shown as they are, the others inpainted anew with
their own masks and mean HU, so that neither size nor place gives them away. `sheet.png` has an
axial and a coronal view of each, numbered from the upper left in rows; `key.json` says which are
synthetic.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from LungSquadLib.data.store import open_store
from LungSquadLib.files import make_folder, write_json
from LungSquadLib.imaging.blending import distance_mm
from LungSquadLib.imaging.files.write import write_png
from LungSquadLib.imaging.pictures import windowed
from LungSquadLib.inference.inpainting import BAND_MM, InpaintingRequest, blended, inpaint_cubes
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.models.file import Model
from LungSquadLib.training.inpainting.quality import HeldOutCase

COLUMNS, ENLARGED, GAP = 5, 3, 4


def main() -> None:
    """Write the sheet and its key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("store")
    parser.add_argument("-o", "--out", required=True, type=Path)
    parser.add_argument("--fold", default="3")
    parser.add_argument("--set", help="value of the store's column set (default: any)")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    model, store = read_model(arguments.model, kind="inpainter"), open_store(arguments.store)
    cases = [
        case
        for case in store.cases
        if case.columns.get("fold") == arguments.fold
        and arguments.set in (None, case.columns.get("set"))
    ]
    random = np.random.default_rng(arguments.seed)
    chosen = random.permutation(len(cases))[: arguments.count]
    synthetic = random.permutation(len(chosen)) < len(chosen) // 2
    views = []
    for number, is_synthetic in zip(chosen, synthetic, strict=True):
        case = cases[number]
        tumour = HeldOutCase.of(store.content(case), model.card.image.size, patient=case.patient)
        hu = inpainted_anew(model, tumour, seed=int(number)) if is_synthetic else tumour.hu
        views.append(view(hu, tumour.mask))
    key = {
        str(place + 1): {"case": cases[number].case, "synthetic": bool(is_synthetic)}
        for place, (number, is_synthetic) in enumerate(zip(chosen, synthetic, strict=True))
    }
    make_folder(arguments.out)
    write_png(arguments.out / "sheet.png", sheet(views))
    write_json(arguments.out / "key.json", key)


def inpainted_anew(model: Model, tumour: HeldOutCase, *, seed: int) -> np.ndarray:
    """Return a cube (z, y, x) whose tumour is inpainted anew, in its mask and with its mean."""
    spacing = model.card.image.spacing
    mean = float(tumour.hu[tumour.mask != 0].mean())
    request = InpaintingRequest(tumour.hu, tumour.mask, mean)
    return blended(
        tumour.hu,
        inpaint_cubes(model.network, model.card.image, [request])[0],
        distance_mm(tumour.mask, (spacing,) * 3),
        band_mm=BAND_MM,
        keeps_tissue=model.network.surroundings,
        seed=seed,
    )


def view(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the axial and the coronal plane (y, x) with most of the mask, side by side."""
    z, y = (int(mask.sum(axes).argmax()) for axes in ((1, 2), (0, 2)))
    return np.concatenate([hu[z], hu[::-1, y]], 1)


def sheet(views: list[np.ndarray]) -> np.ndarray:
    """Return views as a sheet of grey levels, in rows, with white gaps."""
    tiles = [np.kron(windowed(hu), np.ones((ENLARGED, ENLARGED), np.uint8)) for hu in views]
    framed = [np.pad(tile, ((0, GAP), (0, GAP)), constant_values=255) for tile in tiles]
    blank = np.full_like(framed[0], 255)
    framed += [blank] * (-len(framed) % COLUMNS)
    rows = [np.concatenate(framed[n : n + COLUMNS], 1) for n in range(0, len(framed), COLUMNS)]
    return np.concatenate(rows, 0)


if __name__ == "__main__":
    main()
