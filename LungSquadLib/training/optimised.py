"""What tasks of one network and one optimiser have in common."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .checkpoint import load_optimiser, load_weights, optimiser_tensors


class Optimised:
    """The part of a `loop.Task` that keeps and restores its network and optimiser.

    Attributes:
        network: what is trained; its whole state is kept.
    """

    network: nn.Module
    _optimiser: torch.optim.Optimizer

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def memory(self) -> dict[str, Tensor]:
        return optimiser_tensors(self._optimiser)

    def restore(self, weights: Mapping[str, Tensor], memory: Mapping[str, Tensor] | None) -> None:
        load_weights(self.network, weights)
        if memory is not None:
            load_optimiser(self._optimiser, memory)
        self.network.eval()
