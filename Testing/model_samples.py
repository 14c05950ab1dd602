"""Small networks and cards for the tests of networks/ and models/."""

from __future__ import annotations

import torch
from torch import nn


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
                layer.bias.copy_(uniform(-0.2, 0.2, layer.bias))
    return network.eval()


def crops(cases: int, size: int, seed: int = 0) -> torch.Tensor:
    """Crops (cases, 1, size, size, size) of numbers from 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((cases, 1, size, size, size), generator=generator)
