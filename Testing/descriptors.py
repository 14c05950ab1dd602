"""A small descriptor for tests, whose ratings are known: they do not depend on the image."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from LungSquadLib.models.card import Card, Metric, NetworkSpec, ReferenceSpec, Training
from LungSquadLib.models.characteristics import Characteristic
from LungSquadLib.models.file import Model, Reference, read_model_file, write_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build
from LungSquadLib.training.description.data import SCALES

SPREAD = 0.7  # of readers, at every rating unless a test says otherwise
RATINGS = {"malignancy": 4, "spiculation": 5, "margin": 1, "texture": 5, "subtlety": 2}


def write_descriptor(
    path: Path,
    *,
    ratings: Mapping[str, int] = RATINGS,
    abstains: Collection[str] = ("subtlety",),
    scaling: tuple[float, float] = (0.0, 1.0),
    spread: Sequence[float] = (SPREAD,) * 6,
    reference: Reference | None = None,
    **changes,
) -> Model:
    """A model file that gives these ratings to every nodule, and abstains from some of them."""
    scales = {name: SCALES[name].words for name in ratings}
    arguments = {
        "width": 0.1,
        "levels": [len(words) for words in scales.values()],
        "input_size": 32,
        "hidden": 4,
    }
    network = build("description", arguments)
    with torch.no_grad():
        network.last.weight.zero_()
        for number, (name, words) in enumerate(scales.items()):
            # A new network has its thresholds log 2 apart, and the middle value is at 0.
            location = math.log(2) * (ratings[name] - (len(words) + 1) / 2)
            network.last.bias[number] = location
            network.last.bias[len(scales) + number] = -3  # log scale: one value is nearly certain
    characteristics = tuple(
        Characteristic(
            name,
            1,
            words,
            scaling=scaling,
            temperature=1.0,
            most_sd=0.0 if name in abstains else 5.0,
            sd=tuple(spread[: len(words)]),
            groups=(2.0, 4.0),
            volume=(3.0, 0.0),
        )
        for name, words in scales.items()
    )
    metrics = {
        "malignancy.kappa": Metric(0.61, 0.5, 0.7, 40, "held-out patients"),
        "malignancy.AUC": Metric(0.93, 0.9, 0.96, 40, "held-out patients"),
        "malignancy.volume_AUC": Metric(0.91, 0.87, 0.95, 40, "held-out patients"),
    }
    fields = {
        "name": "descriptor",
        "title": "A descriptor for tests",
        "task": "description",
        "question": "How would readers describe it?",
        "classes": (),
        "network": NetworkSpec("description", arguments),
        "input": InputSpec(32, 1.0, -1000.0, 400.0, True, margin_mm=4.0),
        "positive": 0,
        "characteristics": characteristics,
        "training": Training("Nothing: its ratings are set."),
        "metrics": metrics,
        "licence": "MIT",
        "intended_use": "Tests.",
        "must_not": ("Must not be used.",),
        "notice": "Set ratings: they mean nothing.",
        "reference": None if reference is None else ReferenceSpec(50),
    }
    write_model_file(path, network, card=Card(**fields | changes), reference=reference)
    return read_model_file(path)
