"""Dropout drawn from seed, step and layer alone, so that no generator's state has to be saved."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Position:
    """Position of a training, shared by all dropouts of a network and advanced by its loop.

    Attributes:
        seed: of the whole training.
        step: number of the update, counted from the first.
        start, total: this process has the samples from `start` on, of `total` in this step.
    """

    seed: int = 0
    step: int = 0
    start: int = 0
    total: int = 0


class SeededDropout(nn.Dropout):
    """Dropout (Srivastava et al., JMLR 2014;15:1929) that is the same at the same position.

    It is drawn on the CPU for all samples of a step, whichever of them this process has: so it
    depends neither on the device nor on the number of processes that share the step.

    Args:
        p: probability of each number to become 0.
        position: advanced by the training loop.
        number: of this layer in its network.
    """

    def __init__(self, p: float, *, position: Position, number: int) -> None:
        super().__init__(p)
        self.position = position
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        position, count = self.position, x.shape[0]
        generator = torch.Generator()
        generator.manual_seed(mixed(position.seed, position.step, self.number))
        drawn = torch.rand((position.total, *x.shape[1:]), generator=generator)
        kept = drawn[position.start : position.start + count] >= self.p
        return x * (kept.to(x.device, x.dtype) / (1 - self.p))


def seed_dropouts(network: nn.Module, position: Position) -> None:
    """Replace every dropout of a network by a `SeededDropout`."""
    number = 0
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Dropout):
                setattr(parent, name, SeededDropout(layer.p, position=position, number=number))
                number += 1


def mixed(*numbers: int) -> int:
    """Mix numbers into one 63-bit seed (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed ^ number) + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        mixed ^= mixed >> 31
    return mixed >> 1
