"""The task of description: the likelihood of the readers' ratings, and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ...inference.description import log_probabilities
from ...networks.description import DescriptionNetwork
from ...networks.devices import device_of
from ..checkpoint import SingleOptimizerTask
from ..loop import cosine_rate
from .data import Nodules
from .options import DescriptionOptions

_MOST_READERS = 4
_NORM_MOMENTUM = 0.1
_BATCH = 16  # crops of a prediction


class DescriptionTask(SingleOptimizerTask):
    """A `loop.Task`: the network learns the distribution of the readers' ratings.

    Args:
        network: what is trained.
        nodules: its data, with `votes` (N, sum of levels): how many readers gave each value.
        training, validation: indices of nodules.
        options: of the training.
    """

    network: DescriptionNetwork

    def __init__(
        self,
        network: DescriptionNetwork,
        nodules: Nodules,
        votes: np.ndarray,
        *,
        training: np.ndarray,
        validation: np.ndarray,
        options: DescriptionOptions,
    ) -> None:
        self.network, self.nodules, self.options = network, nodules, options
        self.votes = torch.from_numpy(votes)
        self.training, self.validation = training, validation
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = _NORM_MOMENTUM
        self._optimizer = torch.optim.AdamW(network.parameters(), weight_decay=options.weight_decay)

    def steps(self, epoch: int) -> int:
        del epoch
        return max(math.ceil(len(self.training) / self.options.batch), 1)

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        options, steps = self.options, self.steps(epoch)
        order = np.random.default_rng((options.seed, epoch)).permutation(self.training)
        chosen = np.array_split(order, steps)[number]
        for group in self._optimizer.param_groups:
            done = (epoch + number / steps) / options.epochs
            group["lr"] = options.learning_rate * cosine_rate(done)
        torch.manual_seed((options.seed << 24) + epoch * steps + number)  # of the dropout
        self.network.train()
        x = self.nodules.crops(options.seed).augmented(chosen, epoch)
        device = device_of(self.network)
        output = self.network(x.to(device), self.nodules.sizes(chosen).to(device))
        loss = self._loss(output, chosen)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"loss": loss.item()}

    def validate(self) -> Mapping[str, float]:
        output, _ = log_probabilities(self.network, self._batches(self.validation))
        return {"validation loss": self._loss(torch.from_numpy(output), self.validation).item()}

    def predict(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log probabilities (n, sum of levels) and features (n, D) of nodules."""
        return log_probabilities(self.network, self._batches(chosen))

    def _batches(self, chosen: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        crops = self.nodules.crops(self.options.seed)
        for part in np.array_split(chosen, max(math.ceil(len(chosen) / _BATCH), 1)):
            yield crops.plain(part), self.nodules.sizes(part)

    def _loss(self, log_probability: Tensor, chosen: np.ndarray) -> Tensor:
        """Return the negative log likelihood of four readers' ratings, a characteristic's mean."""
        votes = self.votes[chosen].to(log_probability)
        count = _MOST_READERS * len(self.network.levels) * len(chosen)
        return -(votes * log_probability).sum() / count
