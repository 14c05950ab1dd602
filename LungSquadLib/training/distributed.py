"""The processes that share a training: one, or as many as torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from ..networks.devices import largest_over_processes, sum_over_processes


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and tells."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of `count` samples; parts differ by one at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def summed(self, values: Tensor) -> Tensor:
        """The sum of what all processes have."""
        if self.size > 1:
            values = sum_over_processes(values)
        return values

    def sum_gradients(self, weights: Iterable[Tensor]) -> None:
        """Give every process the sum of all processes' gradients, in one exchange."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        total = sum_over_processes(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, values in zip(gradients, torch.split(total, sizes), strict=True):
            gradient.copy_(values.view_as(gradient))

    def agreed(self, flag: bool) -> bool:
        """Whether any process says yes."""
        return bool(self.summed(torch.tensor(float(flag))) > 0) if self.size > 1 else flag

    def largest(self, value: int) -> int:
        """The largest of what all processes have."""
        return int(largest_over_processes(torch.tensor(value))) if self.size > 1 else value

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """The processes that torchrun started (it says so in the environment), or this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not distributed.is_available():
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
