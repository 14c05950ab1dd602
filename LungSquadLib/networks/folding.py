"""Folding of a classifier for inference: less work, the same outputs to rounding.

Batch norms are folded into the convolution or dense layer before them; dropout in the trunk is
removed; max-pooling comes before LeakyReLU, which is monotone; voxels at the far border that the
pooling never reads are not computed; arrays have their channels last in memory; and the first
convolution uses its depth taps as channels, since one channel leaves vector units idle.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .devices import on_device, to_float64
from .trunk_and_head import Head, TrunkAndHead, kernel_and_stride


def folded(network: TrunkAndHead) -> TrunkAndHead:
    """Return a copy of `network` for inference only: same interface, same outputs to rounding.

    It is in eval mode and its weights are frozen; gradients still flow to its input and to the
    trunk's output, and `head.sample` still finds the head's dropouts.
    """
    trunk = [layer for layer in _merged(network.trunk) if not isinstance(layer, nn.Dropout)]
    trunk = _in_place(_pools_first(trunk))
    trunk.insert(0, Trim(kernel_and_stride(layer) for layer in trunk))
    trunk = [_few_channels(layer) for layer in trunk]
    head = Head(
        nn.Sequential(*_merged(network.head.before)), nn.Sequential(*_merged(network.head.after))
    )
    result = TrunkAndHead(
        _channels_last(nn.Sequential(*trunk)),
        head,
        grid=network.grid,
        input_size=network.input_size,
        feature_count=network.feature_count,
        classes=network.classes,
    )
    return result.eval().requires_grad_(False)


def stem_and_rest(trunk: nn.Sequential) -> tuple[nn.Sequential, nn.Sequential]:
    """Split a folded trunk before its first layer with a stride.

    A shift of the stem's input by some voxels shifts its output by as many. So crops that overlap
    need one pass of the stem over all of them, and one pass of the rest for each.
    """
    layers = [layer for layer in trunk if not isinstance(layer, Trim)]
    count = 0
    while count < len(layers) and _moves_with_input(layers[count]):
        count += 1
    return nn.Sequential(*layers[:count]), nn.Sequential(*layers[count:])


def _moves_with_input(layer: nn.Module) -> bool:
    if isinstance(layer, (nn.Conv3d, DepthTapsConv3d)):
        return layer.stride == (1, 1, 1)
    return isinstance(layer, nn.LeakyReLU)


class Trim(nn.Module):
    """Cut off the voxels at the far end of each axis that no output voxel depends on."""

    def __init__(self, layers: Iterable[tuple[int, int]]) -> None:
        super().__init__()
        self.layers = tuple(layers)

    def forward(self, x: Tensor) -> Tensor:
        z, y, x_ = (self._needed(size) for size in x.shape[2:])
        return x[:, :, :z, :y, :x_]

    def _needed(self, size: int) -> int:
        for kernel, stride in self.layers:
            size = (size - kernel) // stride + 1
        for kernel, stride in reversed(self.layers):
            size = (size - 1) * stride + kernel
        return size


class DepthTapsConv3d(nn.Module):
    """A convolution of one channel, computed as one of as many channels as it has depth taps.

    (N, 1, z, y, x) becomes (N, kz, (z - kz) // stride + 1, y, x) by shifting, and the kernel
    1 x ky x kx.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.taps = convolution.kernel_size[0]
        self.stride: tuple[int, int, int] = convolution.stride  # type: ignore[assignment]
        self.weight = nn.Parameter(convolution.weight.detach().transpose(1, 2).clone())
        self.bias = convolution.bias

    def extra_repr(self) -> str:
        return f"taps={self.taps}, stride={self.stride}"  # caches of features are named by it

    def forward(self, x: Tensor) -> Tensor:
        depth, *plane = self.stride
        shifted = x[:, 0].unfold(1, self.taps, depth).permute(0, 4, 1, 2, 3)
        shifted = shifted.contiguous(memory_format=torch.channels_last_3d)
        return nn.functional.conv3d(shifted, self.weight, self.bias, stride=(1, *plane))


def _merged(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Copies of the layers, each batch norm folded into the layer before it if that is linear."""
    result: list[nn.Module] = []
    for layer in layers:
        last = result[-1] if result else None
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and isinstance(
            last, (nn.Conv3d, nn.Linear)
        ):
            _fold(last, layer)
        else:
            result.append(copy.deepcopy(layer))
    return result


@torch.no_grad()
def _fold(layer: nn.Conv3d | nn.Linear, norm: nn.modules.batchnorm._BatchNorm) -> None:
    """Change `layer` so that its output is that of `layer` and `norm`."""
    mean, variance, bias = norm.running_mean, norm.running_var, layer.bias
    if mean is None or variance is None or bias is None:
        raise ValueError("Only layers with biases and batch norms with running statistics fold.")
    scale = to_float64(norm.weight) / torch.sqrt(to_float64(variance) + norm.eps)
    shift = (to_float64(bias) - to_float64(mean)) * scale + to_float64(norm.bias)
    shape = (-1, *(1 for _ in layer.weight.shape[1:]))
    layer.weight.mul_(on_device(scale, bias.device).view(shape))
    bias.copy_(on_device(shift, bias.device))


def _pools_first(layers: list[nn.Module]) -> list[nn.Module]:
    """Every max-pooling before the LeakyReLU it follows: max(f(x)) = f(max(x)) for rising f."""
    result = list(layers)
    for i in range(1, len(result)):
        before, layer = result[i - 1], result[i]
        rising = isinstance(before, nn.LeakyReLU) and before.negative_slope >= 0
        if rising and isinstance(layer, nn.MaxPool3d):
            result[i - 1], result[i] = layer, before
    return result


def _in_place(layers: list[nn.Module]) -> list[nn.Module]:
    """LeakyReLUs overwrite their input, which no other layer of a trunk reads."""
    return [
        nn.LeakyReLU(layer.negative_slope, inplace=True)
        if isinstance(layer, nn.LeakyReLU)
        else layer
        for layer in layers
    ]


def _few_channels(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Conv3d) and layer.in_channels == 1:
        return DepthTapsConv3d(layer)
    return layer


def _channels_last(trunk: nn.Sequential) -> nn.Sequential:
    return trunk.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
