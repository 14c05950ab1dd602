"""Where tensors are: which device a network runs on, and the ways to it and back.

The one place for what devices differ in. Apple's (mps) know no float64, so numbers become float64
on the processor only; NCCL exchanges tensors of CUDA devices only, Gloo those of the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, distributed, nn

from ..errors import InputError

_NCCL = "cuda"  # where its tensors must be: on this process's device


def chosen_device(name: str) -> torch.device:
    """The device that "auto" or a name stands for.

    Raises:
        InputError: this machine, or this torch, has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(name):
        raise InputError(f"There is no device '{name}' on this machine; use 'auto' or 'cpu'.")
    return torch.device(name)


def device_of(network: nn.Module) -> torch.device:
    """The device that holds a network's weights."""
    return next(network.parameters()).device


def on_device(values: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """An array or a tensor on a device; float64 becomes float32 before it goes there."""
    array = isinstance(values, np.ndarray)
    tensor = torch.from_numpy(np.ascontiguousarray(values)) if array else torch.as_tensor(values)
    return (tensor.float() if tensor.dtype == torch.float64 else tensor).to(device)


def to_float64(values: Tensor) -> Tensor:
    """A tensor of any device in float64, on the processor: it goes there first."""
    return values.detach().cpu().double()


def float64_of(values: Tensor) -> np.ndarray:
    """The same as an array."""
    return to_float64(values).numpy()


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of what all processes have, where `values` are and of their type."""
    return _reduced(values, distributed.ReduceOp.SUM)


def largest_over_processes(values: Tensor) -> Tensor:
    """The largest of what all processes have, where `values` are and of their type."""
    return _reduced(values, distributed.ReduceOp.MAX)


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """So many threads of the processor: their number decides the last bits of a sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reduced(values: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    place = _NCCL if distributed.get_backend() == "nccl" else "cpu"
    total = values.detach().to(place, copy=True)
    distributed.all_reduce(total, operation)
    return total.to(values.device)
