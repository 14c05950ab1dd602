"""Dropout that follows from a position alone, so that no generator's state has to be kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Position:
    """Where training stands, shared by all dropouts of a network and moved on by its loop.

    Attributes:
        seed: of the whole training.
        step: number of the update, counted from the first.
        start, total: of the samples of this step, `total` in all, this process has those from
            `start` on.
    """

    seed: int = 0
    step: int = 0
    start: int = 0
    total: int = 0


class SeededDropout(nn.Dropout):
    """Dropout (Srivastava et al., JMLR 2014;15:1929) that drops the same at the same position.

    What is dropped is drawn for all samples of a step, on the CPU, whichever of them this process
    has: so it depends neither on the device nor on how many processes share the step.

    Args:
        p: probability of each number to become 0.
        position: moved on by the training loop.
        number: of this layer in its network.
    """

    def __init__(self, p: float, *, position: Position, number: int) -> None:
        super().__init__(p)
        self.position = position
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        at, count = self.position, x.shape[0]
        generator = torch.Generator()
        generator.manual_seed(mixed(at.seed, at.step, self.number))
        drawn = torch.rand((at.total, *x.shape[1:]), generator=generator)
        kept = drawn[at.start : at.start + count] >= self.p
        return x * (kept.to(x.device, x.dtype) / (1 - self.p))


def seed_dropouts(network: nn.Module, position: Position) -> None:
    """Put a `SeededDropout` in the place of every dropout of a network."""
    number = 0
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Dropout):
                setattr(parent, name, SeededDropout(layer.p, position=position, number=number))
                number += 1


def mixed(*numbers: int) -> int:
    """One 63-bit seed of several numbers (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed ^ number) + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        mixed ^= mixed >> 31
    return mixed >> 1
