"""Small models of tables for tests: random weights, on the scale that their sources say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from LungSquadLib.data.tables.profile import Profile
from LungSquadLib.models.card import Card, ClassLabel, Metric, NetworkSpec, ReferenceSpec, Training
from LungSquadLib.models.file import Model, Reference, read_model_file, write_model_file
from LungSquadLib.models.inputs import Source, TableSpec
from LungSquadLib.networks import build

GENES = tuple(f"GENE{number}" for number in range(40))
SCALE = "z-scores over the training patients"


def expression(scale: str = SCALE) -> Source:
    """The source that every model here has."""
    return Source("expression", "expression", GENES, scale)


def profile(seed: int = 3, *, known: int = len(GENES)) -> Profile:
    """z-scores of a patient who has the first `known` genes."""
    values = np.random.default_rng(seed).normal(size=len(GENES)).astype(np.float32)
    return Profile.of(dict(zip(GENES[:known], values.tolist(), strict=False)))


def integrator(
    path: Path,
    *others: Source,
    scale: str | None = SCALE,
    training: np.ndarray | None = None,
    reference: bool = True,
    branch: int = 0,
    **changes,
) -> Model:
    """An integrator of expression and other sources, in this order.

    Args:
        path: where to write it.
        others: further sources.
        scale: of the expression, in words; None: it takes no expression.
        training: rows of patients, whose scale it takes; z-scores, if they are left out.
        reference: whether it has reference cases.
        branch: of the network.
        changes: fields of its card.
    """
    spec = TableSpec((*([expression(scale)] if scale else []), *others))
    return _written(
        path,
        spec,
        {"name": "integration", "widths": spec.widths, "branch_width": branch, "hidden": (8, 4)},
        training,
        reference,
        {
            "name": "sample-integrator",
            "title": "Sample integrator",
            "task": "histology",
            "question": "Adenocarcinoma or squamous cell carcinoma?",
            "classes": (
                ClassLabel("LUAD", "adenocarcinoma"),
                ClassLabel("LUSC", "squamous cell carcinoma"),
            ),
            "positive": 0,
        }
        | changes,
    )


def autoencoder(path: Path, *, groups: int = 4, **changes) -> Model:
    """An autoencoder of expression; its groups are stages where there are four."""
    stages = tuple(ClassLabel(f"T{n + 1}", f"stage T{n + 1}") for n in range(groups))
    return _written(
        path,
        TableSpec((expression(),)),
        {"name": "autoencoder", "widths": (len(GENES),), "latent": 3, "hidden": (6,)},
        None,
        False,
        {
            "name": "sample-autoencoder",
            "title": "Sample autoencoder",
            "task": "t_stage",
            "question": "Which T stage, by the cluster of the expression?",
            "classes": stages,
            "positive": 0,
        }
        | changes,
    )


def _written(path, spec, network, training, reference, fields) -> Model:
    torch.manual_seed(1)
    arguments = {**network, "classes": len(fields["classes"])}
    name = arguments.pop("name")
    made = build(name, arguments).eval()
    rows = np.random.default_rng(0).normal(size=(60, sum(spec.widths)))
    rows = torch.from_numpy(np.asarray(rows if training is None else training, np.float32))
    made.scale.fit(rows)
    tensors = None
    with torch.no_grad():
        if name == "autoencoder":
            made.group_mean.copy_(torch.randn(made.group_mean.shape) / 2)
        elif reference:
            features = made(rows).features.double().numpy()
            inverse = np.linalg.inv(np.cov(features.T) + 0.05 * np.eye(features.shape[1]))
            tensors = Reference(features.mean(0), inverse, np.linspace(0.1, 10, 50))
    card = Card(
        **{
            "network": NetworkSpec(name, arguments),
            "input": spec,
            "training": Training("Nothing: random weights.", 60),
            "metrics": {"auc": Metric(0.9, 0.8, 0.95, 60, "nested cross-validation")},
            "licence": "MIT",
            "intended_use": "Tests.",
            "must_not": ("Must not be used.",),
            "notice": "Random weights: it means nothing.",
            "reference": None if tensors is None else ReferenceSpec(60),
        }
        | fields
    )
    write_model_file(path, made, card=card, reference=tensors)
    return read_model_file(path)
