"""Small networks and cards for the tests of networks/ and models/."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from LungSquadLib.models.card import (
    Baseline,
    Card,
    ClassLabel,
    InputSpec,
    Metric,
    NetworkSpec,
    Training,
)
from LungSquadLib.models.file import Reference, write_model_file
from LungSquadLib.models.published import PUBLISHED, PublishedModel
from LungSquadLib.networks import build
from LungSquadLib.networks.prognosis import TransferNetwork
from LungSquadLib.networks.trunk_and_head import TrunkAndHead


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and batch-norm statistics that keep activations near 1; in eval mode."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low, high, like):
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                sign = torch.where(uniform(0, 1, layer.weight) < 0.3, -1.0, 1.0)
                layer.weight.copy_(uniform(0.3, 1.5, layer.weight) * sign)
                layer.bias.copy_(uniform(-0.5, 0.5, layer.bias))
                layer.running_mean.copy_(uniform(-0.5, 0.5, layer.running_mean))
                layer.running_var.copy_(uniform(0.2, 2.0, layer.running_var))
            elif isinstance(layer, (nn.Conv3d, nn.Linear)):
                nn.init.kaiming_uniform_(layer.weight, generator=generator)
                if layer.bias is not None:
                    layer.bias.copy_(uniform(-0.2, 0.2, layer.bias))
    return network.eval()


def crops(cases: int, size: int, seed: int = 0) -> torch.Tensor:
    """Crops (cases, 1, size, size, size) of numbers from 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((cases, 1, size, size, size), generator=generator)


def network(name: str = "prognosis", *, seed: int = 0, **arguments) -> TrunkAndHead:
    """A small network with random weights, 32 voxels wide."""
    return randomise(build(name, {"width": 0.02, "input_size": 32} | arguments), seed)


def card(of: TrunkAndHead, **changes) -> Card:
    """A valid card for such a network, with every field there is."""
    transfer = isinstance(of, TransferNetwork)
    arguments = {"width": 0.02, "classes": of.classes, "input_size": of.input_size}
    if transfer:
        arguments["hidden"] = (of.feature_count,)
    fields = {
        "name": "test-model",
        "title": "A model for tests",
        "task": "histology",
        "question": "Adenocarcinoma or squamous-cell carcinoma?",
        "classes": tuple(ClassLabel(f"C{i}", f"Klasse {i} (größer)") for i in range(of.classes)),
        "network": NetworkSpec("transfer" if transfer else "prognosis", arguments),
        "input": InputSpec(of.input_size, 1.0, -1000.0, 400.0, clip=True),
        "temperature": 1.7,
        "positive": 1,
        "training": Training("phantoms", 40, "fp", "split", 7, "lungsquad train -o m"),
        "metrics": {"auc": Metric(0.7, 0.6, 0.8, 40, "five-fold cross-validation")},
        "baseline": Baseline(
            "log_volume_logistic", -1.0, 0.5, {"auc": Metric(0.6, 0.5, 0.7, 40, "the same folds")}
        ),
        "licence": "MIT",
        "intended_use": "Tests.",
        "must_not": ("Not for patients.",),
        "notice": "Trained on phantoms.",
        "doi": "10.1000/1",
    }
    return Card(**fields | changes)


def reference(of: TrunkAndHead, seed: int = 0) -> Reference:
    """Statistics of reference cases that fit a network."""
    features = np.random.default_rng(seed).normal(size=(50, of.feature_count))
    covariance = np.cov(features.T) + 0.1 * np.eye(of.feature_count)
    return Reference(features.mean(0), np.linalg.inv(covariance), np.sort(features[:, 0] ** 2))


def model_file(path: Path, **changes) -> Path:
    """Write a small valid model file."""
    of = network()
    write_model_file(path, of, card=card(of, **changes))
    return path


def keras_file(path: Path, of: TrunkAndHead, *, inside: str | None = None) -> Path:
    """Write a network's weights as Keras 1.2.2 stores them; `inside` a group as `model.save` does.

    Written apart from the importer and the other way round, so that each checks the other.
    """
    kinds = {"Conv3d": "convolution3d", "Linear": "dense"}
    counts: dict[str, int] = {}
    names, layers = [], {}
    for module in [*of.trunk, *of.head.before, *of.head.after]:
        kind = type(module).__name__
        kind = (
            "batchnormalization" if kind.startswith("BatchNorm") else kinds.get(kind, kind.lower())
        )
        counts[kind] = counts.get(kind, 0) + 1
        name = f"{kind}_{counts[kind]}"
        names.append(name)
        state = {key: value.numpy() for key, value in module.state_dict().items()}
        if kind == "convolution3d":
            arrays = {"W": np.moveaxis(state["weight"], (0, 1), (4, 3)), "b": state["bias"]}
        elif kind == "dense":
            weight, channels = state["weight"], of.trunk.conv4.out_channels
            if name == "dense_1":
                side = of.grid.size // 3
                weight = weight.reshape(-1, channels, side, side, side)
                weight = np.moveaxis(weight, 1, 4).reshape(len(weight), -1)
            arrays = {"W": weight.T, "b": state["bias"]}
        elif kind == "batchnormalization":
            keys = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean"}
            arrays = {
                key: state[ours] for key, ours in (keys | {"running_std": "running_var"}).items()
            }
        else:
            arrays = {}
        layers[name] = {f"{name}_{key}:0": array for key, array in arrays.items()}
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        root.attrs["layer_names"] = np.array(names, "S")
        for name, arrays in layers.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = np.array(list(arrays), "S" if arrays else float)
            for key, array in arrays.items():
                group.create_dataset(key, data=array)
    return path


def publish(weights: Path, root: Path, monkeypatch) -> PublishedModel:
    """Put weights where a server has the published ones; LungSquad knows their checksum."""
    known = PUBLISHED["hosny2018"]
    path = root / known.path
    path.parent.mkdir(parents=True)
    shutil.copyfile(weights, path)
    content = weights.read_bytes()
    sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    known = replace(known, git_sha1=sha1, size=len(content))
    monkeypatch.setitem(PUBLISHED, known.name, known)
    return known
