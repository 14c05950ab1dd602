"""Devices: which one a network runs on, moving arrays to it and back, sums over processes.

Apple's devices (mps) have no float64, so values become float64 on the CPU only. NCCL exchanges
tensors of CUDA devices only, Gloo those of the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, distributed, nn

from ..errors import InputError

_NCCL = "cuda"  # the device of its tensors: this process's


def chosen_device(name: str) -> torch.device:
    """Return the device that "auto" or a name stands for.

    Raises:
        InputError: this machine, or its torch, has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(name):
        raise InputError(f"There is no device '{name}' on this machine. Use 'auto' or 'cpu'.")
    return torch.device(name)


def device_of(network: nn.Module) -> torch.device:
    """Return the device that holds a network's weights."""
    return next(network.parameters()).device


def on_device(values: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """Move an array or a tensor to a device; float64 becomes float32 first."""
    array = isinstance(values, np.ndarray)
    tensor = torch.from_numpy(np.ascontiguousarray(values)) if array else torch.as_tensor(values)
    return (tensor.float() if tensor.dtype == torch.float64 else tensor).to(device)


def to_float64(values: Tensor) -> Tensor:
    """Move a tensor to the CPU and convert it to float64."""
    return values.detach().cpu().double()


def float64_of(values: Tensor) -> np.ndarray:
    """Convert a tensor of any device to a float64 array."""
    return to_float64(values).numpy()


def sum_over_processes(values: Tensor) -> Tensor:
    """Sum tensors over all processes; device and type stay."""
    return _reduced(values, distributed.ReduceOp.SUM)


def largest_over_processes(values: Tensor) -> Tensor:
    """Return the elementwise maximum over all processes; device and type stay."""
    return _reduced(values, distributed.ReduceOp.MAX)


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Set torch's number of threads, which decides the last bits of sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reduced(values: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    device = _NCCL if distributed.get_backend() == "nccl" else "cpu"
    total = values.detach().to(device, copy=True)
    distributed.all_reduce(total, operation)
    return total.to(values.device)
