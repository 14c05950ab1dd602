"""Small segmenters for tests: one that takes all above a threshold for tumour, without learning."""

from __future__ import annotations

from pathlib import Path

import torch

from LungSquadLib.models.card import Card, NetworkSpec, Training
from LungSquadLib.models.file import Model, read_model_file, write_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build

THRESHOLD_HU = -400.0


class Threshold(torch.nn.Module):
    """Dense voxels that are known, but not within 4 voxels of a click outside."""

    step = 1

    def __init__(self, spec: InputSpec):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.scaled = float((THRESHOLD_HU - spec.hu_low) / (spec.hu_high - spec.hu_low))

    def forward(self, x):
        ct, known, _, outside = x[:, :1], x[:, 1:2], x[:, 2:3], x[:, 3:4]
        return torch.where((known > 0) & (outside < 0.14), (ct - self.scaled) * 20, -9.0)


def write_segmenter(
    path: Path,
    *,
    threshold=True,
    spacing=1.0,
    name="segmenter",
    title="A segmenter for tests",
    seen=None,
    **arguments,
) -> Model:
    """A model file with random weights; the `threshold` one ignores them."""
    arguments = {"input_size": 32, "width": 2, "depth": 3} | arguments | {"classes": 0}
    torch.manual_seed(0)
    spec = InputSpec(arguments["input_size"], spacing, -1000.0, 400.0, True)
    card = Card(
        name=name,
        title=title,
        task="segmentation",
        question="Where is it?",
        classes=(),
        network=NetworkSpec("segmentation", arguments),
        input=spec,
        positive=0,
        training=Training("Nothing.", seen=seen),
        licence="MIT",
        intended_use="Tests.",
        must_not=("Must not be used.",),
    )
    write_model_file(path, build("segmentation", arguments), card=card)
    model = read_model_file(path)
    if threshold:
        model.__dict__["network"] = Threshold(spec)
    return model
