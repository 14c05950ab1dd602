"""Whether mixed precision is faster here: measured, not assumed."""

from __future__ import annotations

import math
import time

import torch
from torch import nn

from .classifier.setup import Setup

WORTH = 1.3  # times faster it must be, for the digits that it costs
_ROUNDS, _STEPS, _SAMPLES = 2, 3, 2
_SIDE = 32  # voxels: as wide as the run's network, but soon done


def faster_precision(setup: Setup) -> str:
    """ "bf16" where a training step is clearly faster with it on the run's device, else "fp32"."""
    taken = {"fp32": math.inf, "bf16": math.inf}
    for _ in range(_ROUNDS):  # by turns: others may use the machine too
        for name, shortest in taken.items():
            taken[name] = min(shortest, seconds(setup, name))
    return "bf16" if taken["fp32"] > WORTH * taken["bf16"] else "fp32"


def seconds(setup: Setup, precision: str) -> float:
    """The shortest of a few training steps of the run's network on small crops."""
    device = torch.device(setup.options.device)
    network = setup.fresh_network(0).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    network.train()
    x = torch.rand(_SAMPLES, 1, _SIDE, _SIDE, _SIDE, device=device)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    y = torch.zeros(_SAMPLES, dtype=torch.long, device=device)
    taken = []
    for _ in range(_STEPS):
        begun = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(x).float()
        nn.functional.cross_entropy(logits, y).backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return min(taken)
