"""A generator with random weights, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from LungSquadLib.cohort.slice_set import Slicing
from LungSquadLib.models.bundle import Model, read_bundle, write_bundle
from LungSquadLib.models.card import Card, InputSpec, NetworkSpec, Seen, Training
from LungSquadLib.networks import build


def write_generator(
    path: Path, slicing: Slicing, *, known: Seen | None = None, channels=2, resolution=None, seed=7
) -> Model:
    """A small one that makes slices such as those of a set; `known`: whom it has seen."""
    size = resolution or slicing.resolution
    arguments = {"resolution": size, "channels": channels, "latent": 8, "base": 32, "most": 16}
    torch.manual_seed(seed)
    card = Card(
        name="test-generator",
        title="A generator for tests",
        task="generation",
        question="What do other tumours look like?",
        classes=(),
        network=NetworkSpec("progressive", arguments),
        input=InputSpec(size, slicing.field_mm / size, slicing.hu_low, slicing.hu_high, clip=True),
        positive=0,
        training=Training("Nothing: random weights.", seen=known),
        licence="MIT",
        intended_use="Tests.",
        must_not=("Must not be used.",),
    )
    write_bundle(path, build("progressive", arguments), card=card)
    return read_bundle(path)
