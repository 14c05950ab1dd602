"""Convolutional trunks of the networks of tumour crops, and the layers that they share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

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
