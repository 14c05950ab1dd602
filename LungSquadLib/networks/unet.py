"""The U-Net, for images and cubes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SLOPE = 0.2

CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class UNet(nn.Module):
    """Encoder and decoder with a skip connection at each level.

    After Ronneberger et al. 2015 (arXiv:1505.04597, figure 1), with padding, so that the output is
    as large as the input; with instance norm (Ulyanov et al. 2016, arXiv:1607.08022), for which
    the batch does not matter; and with a convolution of stride 2 for the pooling and nearest
    neighbours for the way up, which give the same bits each time on every device.

    Args:
        dimensions: 2 for images, 3 for cubes.
        inputs, outputs: channels.
        width: channels of the finest level; each coarser one has twice as many.
        depth: levels; sides must be multiples of `step`.

    Attributes:
        step: 2^(depth - 1), voxels of the input in one of the coarsest level, along each axis.
        features: channels of `encode`.
    """

    def __init__(
        self, dimensions: int, *, inputs: int, outputs: int, width: int = 16, depth: int = 4
    ) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        widths = [width * 2**level for level in range(depth)]
        self.step, self.features = 2 ** (depth - 1), widths[-1]
        self.down = nn.ModuleList(
            nn.Sequential(
                convolution(wide // 2, wide, 2, stride=2) if level else nn.Identity(),
                _block(convolution, wide if level else inputs, wide),
            )
            for level, wide in enumerate(widths)
        )
        self.narrow = nn.ModuleList(convolution(2 * wide, wide, 1) for wide in widths[:-1])
        self.up = nn.ModuleList(_block(convolution, 2 * wide, wide) for wide in widths[:-1])
        self.last = convolution(width, outputs, 1)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, ...) to (N, outputs, ...)."""
        x, *skips = reversed(self._levels(x))
        for narrow, up, skip in zip(reversed(self.narrow), reversed(self.up), skips, strict=True):
            # Narrowed first: a pointwise linear layer commutes with copying voxels.
            x = up(torch.cat([skip, nn.functional.interpolate(narrow(x), scale_factor=2)], 1))
        result: Tensor = self.last(x)
        return result

    def encode(self, x: Tensor) -> Tensor:
        """Return the coarsest level's activations (N, features, ...), sides divided by `step`."""
        return self._levels(x)[-1]

    def _levels(self, x: Tensor) -> list[Tensor]:
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        return levels


def instance_norm(channels: int) -> nn.Module:
    """Return an instance norm as a group norm, which keeps the memory format."""
    return nn.GroupNorm(channels, channels)


def _block(
    convolution: type[nn.Conv2d] | type[nn.Conv3d], inputs: int, outputs: int
) -> nn.Sequential:
    """Two convolutions of 3 voxels a side, each with instance norm and LeakyReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            convolution(channels, outputs, 3, padding=1),
            instance_norm(outputs),
            nn.LeakyReLU(SLOPE),
        ]
    return nn.Sequential(*layers)
