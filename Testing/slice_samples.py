"""A set of slices and a generator of such, made on the spot: discs of tumour in noisy lung."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from LungSquadLib.data.case_file import Content, write_content
from LungSquadLib.data.slice_set import SliceCase, SliceSet, Slicing, open_slices, write_index
from LungSquadLib.models.card import Card, ClassLabel, NetworkSpec, Seen, Training
from LungSquadLib.models.file import Model, read_model_file, write_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build

from .stored_cases import stored_case


def disc_slices(n: int, slicing: Slicing, *, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """HU and mask (n, r, r): a disc of 3 to 12 mm radius, near the middle, in lung."""
    random = np.random.default_rng(seed)
    y, x = (np.indices((slicing.resolution,) * 2) + 0.5) * slicing.pixel_mm - slicing.field_mm / 2
    cx, cy = random.uniform(-4, 4, (2, n, 1, 1))
    radius = max(3.0, slicing.pixel_mm) * random.uniform(1, 4, (n, 1, 1))
    disc = (x - cx) ** 2 + (y - cy) ** 2 <= radius**2
    hu = random.normal(-820, 40, disc.shape) + disc * 850
    return np.rint(hu).astype(np.int16), disc.astype(np.uint8)


def disc_set(
    folder: Path, cases: int, *, slicing: Slicing | None = None, slices=5, seed=0
) -> SliceSet:
    """A set of so many cases, each a patient, with columns histology (LUAD, LUSC in turn) and age.

    With `seed` patients, series and pixels change, too.
    """
    slicing = slicing or Slicing(16)
    made = []
    for number in range(cases):
        hu, mask = disc_slices(slices, slicing, seed=1000 * seed + number)
        known = stored_case(f"s{seed}c{number:03}")
        columns = {"histology": ("LUAD", "LUSC")[number % 2], "age": str(50 + number % 30)}
        own = vars(replace(known, columns=columns, crop=hashlib.sha256(hu).hexdigest()[:16]))
        case = SliceCase(**own, count=slices, left_out=0)
        path = folder / case.file
        path.parent.mkdir(parents=True, exist_ok=True)
        made.append(replace(case, sha256=write_content(path, Content(hu, mask, {}))))
    write_index(folder, slicing, made, rows=cases)
    return open_slices(folder)


def write_generator(
    path: Path,
    *,
    resolution=16,
    conditions=(),
    seed=0,
    channels=2,
    most=32,
    known: Seen | None = None,
) -> Model:
    """A small generator with random weights; masks are blobs of some of its pixels."""
    import torch

    torch.manual_seed(seed)
    arguments = {
        "resolution": resolution,
        "channels": channels,
        "classes": len(conditions),
        "latent": 32,
        "base": 16 * resolution,
        "most": most,
    }
    network = build("progressive", arguments).eval()
    with torch.no_grad():
        network.to_image[-1].weight.mul_(0.3)  # or most of what comes out is white
    slicing = Slicing(resolution)
    card = Card(
        name="sample-generator",
        title="Sample generator",
        task="generation",
        question="What could such a tumour look like?",
        classes=tuple(ClassLabel(code, code.lower()) for code in conditions),
        network=NetworkSpec("progressive", arguments),
        input=InputSpec(resolution, slicing.pixel_mm, slicing.hu_low, slicing.hu_high, True),
        positive=0,
        training=Training("Nothing: random weights.", seen=known),
        licence="MIT",
        intended_use="Tests.",
        must_not=("Must not be used.",),
        notice="Random weights: it means nothing.",
    )
    write_model_file(path, network, card=card)
    return read_model_file(path)
