"""Classifiers of a convolutional trunk and a dense head, which can be run separately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


class NetworkOutput(NamedTuple):
    """Features and logits of one batch."""

    features: Tensor  # (N, feature_count)
    logits: Tensor  # (N, classes), what goes into the softmax


@dataclass(frozen=True)
class ActivationGrid:
    """Position of a trunk's output voxels in its input, along each axis.

    Output voxel i has a receptive field of `field` input voxels, centred on `offset + stride * i`;
    `shift` is how much farther along x, y and z.
    """

    size: int
    stride: int
    offset: float
    field: int
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def centre(self, index: float) -> float:
        """Return the input voxel at the centre of an output voxel's receptive field."""
        return self.offset + self.stride * index


class Head(nn.Module):
    """From the trunk's output to features (`before`), and from these to logits (`after`)."""

    def __init__(self, before: nn.Sequential, after: nn.Sequential) -> None:
        super().__init__()
        self.before = before
        self.after = after

    def forward(self, activations: Tensor) -> NetworkOutput:
        """Features and logits of a trunk's output (N, C, z, y, x)."""
        features = self.before(activations)
        return NetworkOutput(features, self.after(features))

    @torch.no_grad()
    def sample(self, activations: Tensor, *, n: int, generator: torch.Generator) -> Tensor:
        """Return logits of `n` passes of Monte Carlo dropout (Gal and Ghahramani 2016).

        What comes before the first dropout is computed once, the rest for all passes together.
        The same state of `generator` (on the CPU) draws the same dropouts on every device.

        Args:
            activations: the trunk's output (N, C, z, y, x); the network is in eval mode.
            n: how many passes.
            generator: of the dropouts.

        Returns:
            (n, N, classes).
        """
        if self.training:
            raise RuntimeError("Dropout is sampled with the network in eval mode: call eval().")
        layers = [*self.before, *self.after]
        dropouts = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Dropout)]
        first = dropouts[0] if dropouts else len(layers)
        x = activations
        for layer in layers[:first]:
            x = layer(x)
        cases = x.shape[0]
        x = x.repeat(n, *(1 for _ in x.shape[1:]))
        for layer in layers[first:]:
            x = _drop(x, layer.p, generator) if isinstance(layer, nn.Dropout) else layer(x)
        return x.view(n, cases, -1)


class TrunkAndHead(nn.Module):
    """A trunk and a head, with their sizes.

    Attributes:
        trunk: (N, 1, z, y, x) -> (N, C, z', y', x'), the last convolution block's activations.
        head: a `Head` on the trunk's output.
        grid: position of the trunk's output voxels in the input.
        input_size: voxels along each axis of the input.
        feature_count, classes: sizes of the head's outputs.
    """

    def __init__(
        self,
        trunk: nn.Sequential,
        head: Head,
        *,
        grid: ActivationGrid,
        input_size: int,
        feature_count: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.grid = grid
        self.input_size = input_size
        self.feature_count = feature_count
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of crops (N, 1, z, y, x)."""
        return self.forward_with_features(x).logits

    def forward_with_features(self, x: Tensor) -> NetworkOutput:
        """Features and logits of crops (N, 1, z, y, x) in one pass."""
        output: NetworkOutput = self.head(self.trunk(x))
        return output

    def features(self, x: Tensor) -> Tensor:
        """Features (N, feature_count) of crops (N, 1, z, y, x)."""
        features: Tensor = self.head.before(self.trunk(x))
        return features


def kernel_and_stride(layer: nn.Module) -> tuple[int, int]:
    """Return kernel size and stride of a layer along each axis; 1 and 1 for pointwise layers."""
    if not isinstance(layer, (nn.Conv3d, nn.MaxPool3d)):
        return 1, 1
    kernel, stride = layer.kernel_size, layer.stride
    return (
        kernel[0] if isinstance(kernel, tuple) else kernel,
        stride[0] if isinstance(stride, tuple) else stride,
    )


def activation_grid(layers: Iterable[nn.Module], input_size: int) -> ActivationGrid:
    """Return the grid of the output of `layers` (cubic kernels, no padding, no dilation)."""
    size, jump, offset, field = input_size, 1, 0.0, 1
    for layer in layers:
        kernel, stride = kernel_and_stride(layer)
        size = (size - kernel) // stride + 1
        offset += jump * (kernel - 1) / 2
        field += jump * (kernel - 1)
        jump *= stride
    return ActivationGrid(size, jump, offset, field)


def _drop(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(x.shape, generator=generator) >= p
    return x * kept.to(x.device) / (1 - p)
