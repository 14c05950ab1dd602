"""Synchronised batch norm: over the samples of all processes of a step, on any backend."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .devices import sum_over_processes


class SharedNorm(_BatchNorm):
    """A batch norm (Ioffe and Szegedy, arXiv:1502.03167) whose batch is that of all processes.

    In eval mode, and where there is one process, it is the norm that it was made from. Torch's own
    SyncBatchNorm does the same on CUDA only.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias  # shared with the norm, not copied
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.register_buffer("num_batches_tracked", None)
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        dtype = x.dtype
        x = x.to(torch.promote_types(dtype, torch.float32))  # sums need the precision
        axes = [0, *range(2, x.dim())]
        shape = (1, -1, *(1 for _ in axes[1:]))
        count = _summed(torch.tensor([x.numel() / x.shape[1]], dtype=x.dtype, device=x.device))
        mean = _summed(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _summed(centred.square().sum(axes)) / count
        self._update(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance, self.momentum or 0.0)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Accept any number of axes."""


def share_norms(network: nn.Module) -> None:
    """Replace every batch norm of a network by a `SharedNorm`."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm3d)):
                setattr(parent, name, SharedNorm(layer))


def _summed(value: Tensor) -> Tensor:
    """Sum over all processes; gradients flow back to all of them."""
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """Sum over processes, whose gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(_context: object, value: Tensor) -> Tensor:
        return sum_over_processes(value)

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient)
