"""A generator for inference, with what is exactly the same taken off its work.

The scales of the equalised learning rate go into the weights; doubling the pixels and convolving
with a 3x3 kernel is one transposed convolution with a 4x4 kernel and stride 2, at half the cost;
LeakyReLU and pixel norm work in place; arrays have their channels last in memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .progressive import Equalised, Generator, with_code


class FastGenerator(nn.Module):
    """What `generator` makes at its last level, to rounding; no gradients, no training.

    Args:
        generator: stays as it is.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.resolution, self.channels = generator.resolution, generator.channels
        self.classes, self.latent = generator.classes, generator.latent
        layers: list[nn.Module] = []
        for number, block in enumerate(generator.blocks):
            first, second = (layer for layer in block.children() if isinstance(layer, Equalised))
            layers += [_doubling(first) if number else _plain(first), _LeakyPixelNorm()]
            layers += [_plain(second), _LeakyPixelNorm()]
        layers += [
            _plain(layer) for layer in generator.to_image[-1:] if isinstance(layer, Equalised)
        ]
        self.norm = generator.norm
        self.layers = nn.Sequential(*layers)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """As `Generator.forward`."""
        x = self.norm(with_code(z, labels, self.classes))[:, :, None, None]
        images: Tensor = self.layers(x)
        return images


class _LeakyPixelNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu_(x, 0.2)
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x.mul_((length.square_() / x.shape[1] + 1e-8).rsqrt_())


def _plain(layer: Equalised) -> nn.Module:
    """The convolution with its scale in its weights."""
    outputs, inputs, kernel, _ = layer.weight.shape
    made = nn.Conv2d(inputs, outputs, kernel, padding=layer.padding)
    return _filled(made, layer.weight * layer.scale, layer.bias)


def _doubling(layer: Equalised) -> nn.Module:
    """Doubled pixels and the convolution after them in one.

    An output pixel sees each input pixel through those taps of the 3x3 kernel that fall on its
    two copies: the kernel summed over every 2x2 neighbourhood.
    """
    padded = functional.pad(layer.weight * layer.scale, (1, 1, 1, 1))
    rows = padded[:, :, 1:] + padded[:, :, :-1]
    summed = rows[..., 1:] + rows[..., :-1]
    outputs, inputs = summed.shape[:2]
    made = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    return _filled(made, summed.flip(2, 3).transpose(0, 1), layer.bias)


def _filled(made: nn.Conv2d | nn.ConvTranspose2d, weight: Tensor, bias: Tensor) -> nn.Module:
    weight = weight.detach().contiguous(memory_format=torch.channels_last)
    made.weight, made.bias = nn.Parameter(weight), nn.Parameter(bias.detach().clone())
    return made
