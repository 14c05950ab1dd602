"""Small cases and models that tests share: made on the spot, the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LungSquadLib.models.card import (
    Baseline,
    Card,
    ClassLabel,
    InputSpec,
    NetworkSpec,
    ReferenceSpec,
    Training,
)
from LungSquadLib.models.file import Model, Reference, read_model_file, write_model_file
from LungSquadLib.networks import build


def ball_images(radius=9.0, spacing=(0.8, 0.7, 2.5)) -> tuple[sitk.Image, sitk.Image]:
    """A CT of noisy lung with chest wall and a ball of tumour, and its mask; 80 x 90 x 100 mm."""
    size = [round(n / s) for n, s in zip((80, 90, 100), spacing, strict=True)]
    x, y, z = (np.arange(n) * s for n, s in zip(size, spacing, strict=True))
    distance = np.sqrt((z[:, None, None] - 50) ** 2 + (y[:, None] - 40) ** 2 + (x - 38) ** 2)
    random = np.random.default_rng(3)
    hu = np.where(distance < radius, 40, -800) + random.normal(0, 12, distance.shape)
    hu[:, -10:] = 60
    images = (
        sitk.GetImageFromArray(np.rint(hu).astype(np.int16)),
        sitk.GetImageFromArray((distance < radius).astype(np.uint8)),
    )
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin((-30.5, 12.25, 100.0))
    return images


def write_model(path: Path, *, seed=0, reference=True, **changes) -> Model:
    """A narrow network with random weights; `changes` go into its card."""
    import torch

    torch.manual_seed(seed)
    arguments = {"width": 0.05, "classes": 2, "input_size": 50}
    network = build("prognosis", arguments).eval()
    spec = InputSpec(50, 1.0, -1000.0, 400.0, True)
    random = np.random.default_rng(seed)
    hu = random.integers(-1000, 300, (8, 1, 50, 50, 50)).astype(np.float32)
    with torch.no_grad():
        features = network.features(torch.from_numpy(spec.scaled(hu))).double().numpy()
    size = features.shape[1]
    card = Card(
        name="sample",
        title="Sample model",
        task="survival2y",
        question="Alive at two years?",
        classes=(ClassLabel("DEAD", "deceased"), ClassLabel("ALIVE", "alive")),
        network=NetworkSpec("prognosis", arguments),
        input=spec,
        positive=1,
        training=Training("Nothing: random weights."),
        licence="MIT",
        intended_use="Tests.",
        must_not=("Must not be used.",),
        notice="Random weights: it means nothing.",
        baseline=Baseline("log_volume_logistic", 0.5, -0.4),
        reference=ReferenceSpec(8, between_sd=1.0) if reference else None,
    )
    tensors = Reference(features.mean(axis=0), np.eye(size), np.linspace(1e-7, 1e-6, 200))
    write_model_file(
        path, network, card=replace(card, **changes), reference=tensors if reference else None
    )
    return read_model_file(path)
