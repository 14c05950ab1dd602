"""The task of the variational autoencoder.

Kingma and Welling, arXiv:1312.6114: the evidence lower bound of normally distributed, standardised
columns. Two measures against posterior collapse: KL warm-up (Bowman et al., arXiv:1511.06349), and
free bits of each latent unit (Kingma et al., arXiv:1606.04934, appendix C.8).
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
from ..checkpoint import SingleOptimizerTask
from .options import AutoencoderOptions

ALIVE = 0.05  # divergence in nats beyond its free bits that an active unit has
_MOST_STEPS = 8  # of an epoch: with many columns, the weights' update is what takes the time
_VALIDATION = 1 << 32  # a step that no training reaches, for the noise of the validation


@dataclass(frozen=True)
class Parts:
    """Rows (N, D) of the patients of each part, NaN where a number is missing."""

    train: Tensor
    validation: Tensor
    test: Tensor


class AutoencoderTask(SingleOptimizerTask):
    """A `loop.Task`: Adam on the negative evidence lower bound, a mean over patients, in nats.

    The scale is taken from the training rows here.

    Args:
        network: to be trained.
        parts: rows of patients, on the network's device.
        options: of the training.
    """

    network: Autoencoder

    def __init__(self, network: Autoencoder, parts: Parts, *, options: AutoencoderOptions) -> None:
        self.network = network
        self.parts = parts
        self.options = options
        self._epoch = 0
        self._warm_up = min(options.warm_up, options.epochs)
        self._optimizer = torch.optim.AdamW(
            network.parameters(),
            options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,  # of 20,000 genes, the update is what takes the time
        )
        network.scale.fit(parts.train)

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        self._epoch = epoch
        self.network.train()
        x = self.parts.train[self._batches(epoch)[number]]
        error, divergence = self._terms(x, mixed(self.options.seed, epoch, number))
        metrics = _metrics(error, divergence, self.network)
        charged = divergence.mean(0).clamp(min=self.options.free_bits).sum()
        loss = error.mean() + self._weight(epoch) * charged
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimizer.step()
        return metrics

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return metrics of validation and test patients; the test chooses nothing.

        The validation loss is there from the end of the warm-up on: before, a bound is lower
        because the divergence weighs less.
        """
        self.network.eval()
        metrics: dict[str, float] = {}
        for part in ("validation", "test"):
            terms = self._terms(getattr(self.parts, part), mixed(self.options.seed, _VALIDATION))
            metrics |= {
                f"{part} {key}": value for key, value in _metrics(*terms, self.network).items()
            }
        if self._epoch + 1 >= self._warm_up:
            metrics["validation loss"] = metrics["validation bound"]
        return metrics

    def _terms(self, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return half the squared error (N,) of all columns, and the divergence (N, latent)."""
        code = self.network.encode(x)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(code.mean.shape, generator=generator).to(x.device)
        reconstruction = self.network.decode(code.mean + noise * (code.log_variance / 2).exp())
        columns = int((self.network.scale.sd > 0).sum())
        return self.network.squared_error(x, reconstruction) * columns / 2, divergence(code)

    def _weight(self, epoch: int) -> float:
        return min((epoch + 1) / max(self._warm_up, 1), 1.0)

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """Return the epoch's batches, which differ in size by one at most."""
        count = len(self.parts.train)
        order = np.random.default_rng((self.options.seed, epoch)).permutation(count)
        steps = min(max(count // self.options.batch, 1), _MOST_STEPS)
        return np.array_split(order, steps)


def divergence(code: Code) -> Tensor:
    """Return the KL divergence (N, latent) from the standard normal distribution, in nats."""
    return (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance) / 2


@torch.no_grad()
def unit_divergences(network: Autoencoder, rows: Tensor) -> np.ndarray:
    """Return each unit's mean divergence (latent,) for patients (N, columns), in nats."""
    network.eval()
    return float64_of(divergence(network.encode(rows)).mean(0))


def _metrics(error: Tensor, divergence: Tensor, network: Autoencoder) -> dict[str, float]:
    """Return means over patients: error of a column, divergence, and both as the bound."""
    columns = int((network.scale.sd > 0).sum())
    total = float(divergence.detach().sum(1).mean())
    half = float(error.detach().mean())
    return {"error": 2 * half / max(columns, 1), "divergence": total, "bound": half + total}
