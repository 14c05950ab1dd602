"""Training of a classifier, read from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..models.card import InputSpec
from ..networks.parts import TrunkAndHead
from ..progress import Progress, step


@dataclass(frozen=True)
class Recipe:
    """How to train: every number that changes the result."""

    epochs: int = 6
    batch: int = 6
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    trunk_dropout: float = 0.0  # the head's stays as it is built
    norm_momentum: float = 0.05  # of batch norms; 0.01 lags behind for the whole of a short run
    noise_hu: float = 15.0  # added to each crop, standard deviation
    shift_hu: float = 20.0  # added to all of a crop, standard deviation
    seed: int = 0


@dataclass(frozen=True)
class Cases:
    """Crops with a margin on every side (N, z, y, x; int16 HU) and their class indices (N,)."""

    hu: np.ndarray
    labels: np.ndarray


def train(
    network: TrunkAndHead,
    spec: InputSpec,
    training: Cases,
    validation: Cases,
    *,
    recipe: Recipe,
    progress: Progress,
) -> float:
    """Train a network in place; it ends with the weights of its best epoch on validation.

    Args:
        network: fresh or trained before.
        spec: size and HU window of its input.
        training: with margins, from which crops are cut at random places.
        validation: cut in the middle.
        recipe: the numbers.
        progress: told the losses; may cancel between batches.

    Returns:
        The best validation loss (cross-entropy).
    """
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    _prepare(network, recipe)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    batches = -(-len(training.labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.epochs * batches
    )
    best, weights, said = np.inf, {}, ""
    for epoch in range(recipe.epochs):
        network.train()
        for number, (x, y) in enumerate(_batches(training, spec, recipe, random)):
            step(progress, (epoch + number / batches) / recipe.epochs, f"Epoch {epoch + 1}{said}")
            loss = nn.functional.cross_entropy(network(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        logits, _ = answers(network, spec, validation.hu)
        validated = float(nn.functional.cross_entropy(*_tensors(logits, validation.labels)))
        said = f", validation loss {validated:.3f}"
        if validated < best:
            best, weights = validated, _copy(network)
    _restore(network, weights)
    network.eval()
    return best


def _prepare(network: TrunkAndHead, recipe: Recipe) -> None:
    for layer in network.trunk:
        if isinstance(layer, nn.Dropout):
            layer.p = recipe.trunk_dropout
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm3d)):
            layer.momentum = recipe.norm_momentum


@torch.no_grad()
def answers(
    network: TrunkAndHead, spec: InputSpec, hu: np.ndarray, *, batch: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes) and features (N, D) of the middles of crops, in eval mode."""
    network.eval()
    logits, features = [], []
    for start in range(0, len(hu), batch):
        margin = (hu.shape[1] - spec.size) // 2
        x = _cut(hu[start : start + batch], np.full((batch, 3), margin), spec.size)
        answer = network.answer(torch.from_numpy(spec.scaled(x))[:, None])
        logits.append(answer.logits.double().numpy())
        features.append(answer.features.double().numpy())
    return np.concatenate(logits), np.concatenate(features)


def _batches(
    cases: Cases, spec: InputSpec, recipe: Recipe, random: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch: crops moved, mirrored left to right, noisy and shifted in HU."""
    order = random.permutation(len(cases.labels))
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        if len(chosen) < 2:  # batch norm needs two
            continue
        room = cases.hu.shape[1] - spec.size + 1
        hu = _cut(cases.hu[chosen], random.integers(0, room, (len(chosen), 3)), spec.size)
        mirrored = random.random(len(chosen)) < 0.5
        hu[mirrored] = hu[mirrored, :, :, ::-1]
        hu += random.normal(0, recipe.shift_hu, (len(chosen), 1, 1, 1)).astype(np.float32)
        level = random.random((len(chosen), 1, 1, 1)).astype(np.float32) * recipe.noise_hu
        hu += level * random.standard_normal(hu.shape, np.float32)
        x = torch.from_numpy(spec.scaled(hu))[:, None]
        yield (
            x.contiguous(memory_format=torch.channels_last_3d),
            torch.from_numpy(cases.labels[chosen]),
        )


def _cut(hu: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    return np.stack(
        [
            one[z : z + size, y : y + size, x : x + size].astype(np.float32)
            for one, (z, y, x) in zip(hu, starts, strict=False)
        ]
    )


def _tensors(logits: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(logits), torch.from_numpy(labels)


def _copy(network: TrunkAndHead) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def _restore(network: TrunkAndHead, weights: dict[str, torch.Tensor]) -> None:
    for name, value in network.state_dict().items():
        value.copy_(weights[name])
