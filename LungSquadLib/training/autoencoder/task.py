"""Training of the variational autoencoder, read from top to bottom.

Kingma and Welling, arXiv:1312.6114: the evidence lower bound of normally distributed, standardised
columns. Two guards against units of the latent space that say nothing: the divergence gains its
weight slowly (Bowman et al., arXiv:1511.06349), and a unit is not charged for its first free bits
(Kingma et al., arXiv:1606.04934, appendix C.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...networks.autoencoder import Autoencoder, Code
from ...networks.devices import float64_of
from ...networks.seeded_dropout import mixed
from ..optimised import Optimised

ALIVE = 0.05  # nats that a unit must say beyond its free bits, or it says nothing
_MOST_STEPS = 8  # of an epoch: with many columns, the weights' update is what takes the time
_MEASURED = 1 << 32  # a step that no training reaches: of the noise with which it is measured


@dataclass(frozen=True)
class Recipe:
    """How to train: every number that changes the result.

    Attributes:
        epochs: passes over the training patients, at most.
        patience: epochs without a better validation loss, after the warming up.
        warming: epochs in which the divergence's weight rises to 1; all, where there are fewer.
        batch: patients of an update, at least.
        learning_rate: of Adam; `weight_decay` likewise.
        free_bits: nats of each unit that cost nothing.
        seed: of all that is drawn.
    """

    epochs: int = 300
    patience: int = 40
    warming: int = 40
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    free_bits: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Parts:
    """Rows (N, D) of the patients of each part, NaN where a number is missing."""

    train: Tensor
    validation: Tensor
    test: Tensor


class Autoencoding(Optimised):
    """A `loop.Task`: Adam on the negative evidence lower bound, a mean over patients, in nats.

    The scale is taken from the training rows here.

    Args:
        network: to be trained.
        parts: rows of patients, on the network's device.
        recipe: how.
    """

    network: Autoencoder

    def __init__(self, network: Autoencoder, parts: Parts, *, recipe: Recipe) -> None:
        self.network = network
        self.parts = parts
        self.recipe = recipe
        self._epoch = 0
        self._warming = min(recipe.warming, recipe.epochs)
        self._optimiser = torch.optim.AdamW(
            network.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,  # of 20,000 genes, the update is what takes the time
        )
        network.scale.fit(parts.train)

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        self._epoch = epoch
        self.network.train()
        x = self.parts.train[self._batches(epoch)[number]]
        error, divergence = self._terms(x, mixed(self.recipe.seed, epoch, number))
        told = _told(error, divergence, self.network)
        charged = divergence.mean(0).clamp(min=self.recipe.free_bits).sum()
        loss = error.mean() + self._weight(epoch) * charged
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimiser.step()
        return told

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Of validation and test patients; nothing is chosen by the test.

        What the weight of the divergence still flatters is not chosen either: the validation loss
        is there from the end of the warming on.
        """
        self.network.eval()
        told: dict[str, float] = {}
        for part in ("validation", "test"):
            terms = self._terms(getattr(self.parts, part), mixed(self.recipe.seed, _MEASURED))
            told |= {f"{part} {key}": value for key, value in _told(*terms, self.network).items()}
        if self._epoch + 1 >= self._warming:
            told["validation loss"] = told["validation bound"]
        return told

    def _terms(self, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Half the squared error (N,) of all columns, and the divergence (N, latent)."""
        code = self.network.encode(x)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(code.mean.shape, generator=generator).to(x.device)
        rebuilt = self.network.decode(code.mean + noise * (code.log_variance / 2).exp())
        columns = int((self.network.scale.sd > 0).sum())
        return self.network.squared_error(x, rebuilt) * columns / 2, divergence(code)

    def _weight(self, epoch: int) -> float:
        return min((epoch + 1) / max(self._warming, 1), 1.0)

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The epoch's batches, which differ in size by one at most."""
        count = len(self.parts.train)
        order = np.random.default_rng((self.recipe.seed, epoch)).permutation(count)
        steps = min(max(count // self.recipe.batch, 1), _MOST_STEPS)
        return np.array_split(order, steps)


def divergence(code: Code) -> Tensor:
    """Kullback-Leibler divergence (N, latent) from the standard normal distribution, in nats."""
    return (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance) / 2


@torch.no_grad()
def unit_divergences(network: Autoencoder, rows: Tensor) -> np.ndarray:
    """What each unit says of patients (N, columns): its mean divergence (latent,), in nats."""
    network.eval()
    return float64_of(divergence(network.encode(rows)).mean(0))


def _told(error: Tensor, divergence: Tensor, network: Autoencoder) -> dict[str, float]:
    """What is said of patients: error of a column, divergence, and both as the bound."""
    columns = int((network.scale.sd > 0).sum())
    far = float(divergence.detach().sum(1).mean())
    half = float(error.detach().mean())
    return {"error": 2 * half / max(columns, 1), "divergence": far, "bound": half + far}
