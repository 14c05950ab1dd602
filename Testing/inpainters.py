"""Small inpainters for tests: untrained ones paint what was asked, and lung round it."""

from __future__ import annotations

from pathlib import Path

import torch

from LungSquadLib.inference.inpainting import TYPICAL
from LungSquadLib.models.card import Card, ClassLabel, Metric, NetworkSpec, Training
from LungSquadLib.models.file import Model, read_model_file, write_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build


def write_inpainter(path: Path, *, classes=(), random=False, **arguments) -> Model:
    """A model file; a `random` one gives random HU."""
    arguments = {"input_size": 32, "width": 2, "depth": 3} | arguments | {"classes": len(classes)}
    torch.manual_seed(0)
    network = build("inpainting", arguments)
    if random:
        torch.nn.init.normal_(network.unet.last.weight, std=0.1)
    card = Card(
        name="inpainter",
        title="An inpainter for tests",
        task="inpainting",
        question="What would it look like?",
        classes=tuple(ClassLabel(code, code.lower()) for code in classes),
        network=NetworkSpec("inpainting", arguments),
        input=InputSpec(arguments["input_size"], 1.0, -1000.0, 500.0, True),
        positive=0,
        training=Training("Nothing."),
        metrics={TYPICAL: Metric(-20.0, -200.0, 60.0, 9, "of no tumours")},
        licence="MIT",
        intended_use="Tests.",
        must_not=("Must not be used.",),
    )
    write_model_file(path, network, card=card)
    return read_model_file(path)
