"""Classifiers of a convolutional trunk and a dense head, which can be run separately; trunks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
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


SLOPE = 0.1


class GlobalPools(nn.Module):
    """The mean and the maximum of every channel: (N, C, z, y, x) -> (N, 2 C)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3, 4)), x.amax(dim=(2, 3, 4))], dim=1)


def prognosis_trunk(width: float) -> tuple[nn.Sequential, int]:
    """Return the prognosis network's four convolutions, and how many channels they give."""
    a, b, c, d = (scaled(count, width) for count in (64, 128, 256, 512))
    trunk = layers_of(
        conv1=nn.Conv3d(1, a, 5),
        norm1=norm(a, volume=True),
        relu1=nn.LeakyReLU(SLOPE),
        drop1=nn.Dropout(0.25),
        conv2=nn.Conv3d(a, b, 3),
        norm2=norm(b, volume=True),
        relu2=nn.LeakyReLU(SLOPE),
        pool2=nn.MaxPool3d(3),
        drop2=nn.Dropout(0.25),
        conv3=nn.Conv3d(b, c, 3),
        norm3=norm(c, volume=True),
        relu3=nn.LeakyReLU(SLOPE),
        drop3=nn.Dropout(0.25),
        conv4=nn.Conv3d(c, d, 3),
        norm4=norm(d, volume=True),
        relu4=nn.LeakyReLU(SLOPE),
    )
    return trunk, d


def description_trunk(width: float) -> tuple[nn.Sequential, int]:
    """Return five convolutions, the first and third of stride 2, and how many channels they give.

    At 48 voxels the sizes are 48-22-20-9-7-5.
    """
    counts = [scaled(count, width) for count in (16, 32, 48, 64, 96)]
    layers: dict[str, nn.Module] = {}
    inputs = 1
    for number, (outputs, kernel, stride) in enumerate(
        zip(counts, (5, 3, 3, 3, 3), (2, 1, 2, 1, 1), strict=True), start=1
    ):
        layers[f"conv{number}"] = nn.Conv3d(inputs, outputs, kernel, stride=stride)
        layers[f"norm{number}"] = norm(outputs, volume=True)
        layers[f"relu{number}"] = nn.LeakyReLU(SLOPE)
        inputs = outputs
    return layers_of(**layers), inputs


def layers_of(**layers: nn.Module) -> nn.Sequential:
    """Return named layers, one after another."""
    return nn.Sequential(OrderedDict(layers))


def scaled(count: int, width: float) -> int:
    """Return a count of channels times a width, at least 1."""
    return max(1, round(count * width))


def norm(channels: int, *, volume: bool = False) -> nn.Module:
    """Batch norm as Keras 1.2.2 has it; its momentum of 0.99 is 0.01 in torch's terms."""
    layer = (nn.BatchNorm3d if volume else nn.BatchNorm1d)(channels, eps=1e-3, momentum=0.01)
    layer.register_buffer("num_batches_tracked", None)  # of use only where momentum is None
    return layer


def initialise(network: nn.Module) -> None:
    """Draw the weights of convolutions and dense layers (Glorot and Bengio, AISTATS 2010)."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv3d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


TRUNKS: Mapping[str, Callable[[float], tuple[nn.Sequential, int]]] = {
    "prognosis": prognosis_trunk,
    "description": description_trunk,
}
