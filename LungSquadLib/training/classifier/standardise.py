"""Features on one scale for training a head on them, and off it again in its first layer.

Some of a trunk's features are hundreds of times larger than others, so that steps of one length are
too long for these and too short for those. On standardised features they fit, and what standardises
is affine: the first dense layer takes it over, and the network is what it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...networks.trunk_and_head import Head


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation (D,) of features, float32."""

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Scale:
        """Of features (N, views, D); one that never changes is left as it is."""
        rows = features.reshape(-1, features.shape[-1]).astype(np.float64)
        sd = rows.std(axis=0)
        sd[sd < 1e-6] = 1
        return cls(rows.mean(axis=0).astype(np.float32), sd.astype(np.float32))

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Features (..., D) with mean 0 and standard deviation 1."""
        return (features - self.mean) / self.sd

    @torch.no_grad()
    def put_on(self, head: Head) -> None:
        """Have a head that was trained on raw features say the same of standardised ones."""
        layer, mean, sd = self._parts(head)
        layer.bias.add_(layer.weight @ mean)
        layer.weight.mul_(sd)

    @torch.no_grad()
    def take_off(self, head: Head) -> None:
        """Have a head that was trained on standardised features say the same of raw ones."""
        layer, mean, sd = self._parts(head)
        layer.weight.div_(sd)
        layer.bias.sub_(layer.weight @ mean)

    def _parts(self, head: Head) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
        """The head's first dense layer, and mean and deviation on its device."""
        layers = (*head.before, *head.after)
        layer = next(layer for layer in layers if isinstance(layer, nn.Linear))
        device = layer.weight.device
        return layer, torch.from_numpy(self.mean).to(device), torch.from_numpy(self.sd).to(device)
