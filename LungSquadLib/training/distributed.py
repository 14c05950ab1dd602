"""The processes that share a training: this one, or those that torchrun started."""

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
class DistributedContext:
    """Rank of this process and number of processes."""

    rank: int = 0
    size: int = 1

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return this process's part of `count` samples; parts differ by one sample at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum of the values of all processes."""
        if self.size > 1:
            values = sum_over_processes(values)
        return values

    def all_reduce_any(self, flag: bool) -> bool:
        """Return whether the flag of any process is set."""
        return bool(self.all_reduce_sum(torch.tensor(float(flag))) > 0) if self.size > 1 else flag

    def all_reduce_max(self, value: int) -> int:
        """Return the largest of the values of all processes."""
        return int(largest_over_processes(torch.tensor(value))) if self.size > 1 else value

    def all_reduce_gradients(self, weights: Iterable[Tensor]) -> None:
        """Replace gradients by their sums over all processes, in one exchange.

        Not by `DistributedDataParallel`: it divides the gradients into other parts after its first
        step, so that a sum over three or more processes has other last bits after a resumption.
        """
        if self.size == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        total = sum_over_processes(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, values in zip(gradients, torch.split(total, sizes), strict=True):
            gradient.copy_(values.view_as(gradient))

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def distributed_context(device: torch.device) -> Iterator[DistributedContext]:
    """Yield the context of the processes of torchrun, or that of a single process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not distributed.is_available():
        yield DistributedContext()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield DistributedContext(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
