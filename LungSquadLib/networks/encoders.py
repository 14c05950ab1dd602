"""Trunks of published networks for CT that others were trained on: weights in, features out.

Written from their descriptions, with the names of the published weights: a ResNet of bottleneck
blocks in three dimensions (He et al., arXiv:1512.03385; Hara et al., arXiv:1711.09577) and the
encoder of SegResNet (Myronenko, arXiv:1810.11654).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from .trunk_and_head import ActivationGrid, NetworkOutput, layers_of, scaled

_RESNET50 = ((128, 3), (256, 4), (512, 6), (1024, 3))  # channels inside the blocks, and blocks
_EXPANSION = 4
_SEGRES_BLOCKS = (1, 2, 2, 4, 4)


class GlobalAverage(nn.Module):
    """The mean of every channel: (N, C, z, y, x) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3, 4))


class Bottleneck(nn.Module):
    """A residual block of three convolutions, the second with the stride."""

    def __init__(self, inputs: int, inside: int, stride: int, *, projects: bool) -> None:
        super().__init__()
        outputs = _EXPANSION * inside
        self.conv1 = nn.Conv3d(inputs, inside, 1, bias=False)
        self.bn1 = _batch_norm(inside)
        self.conv2 = nn.Conv3d(inside, inside, 3, stride=stride, padding=1, bias=False)
        self.bn2 = _batch_norm(inside)
        self.conv3 = nn.Conv3d(inside, outputs, 1, bias=False)
        self.bn3 = _batch_norm(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride=stride), _batch_norm(outputs))
            if projects
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out)).relu()
        out = self.bn3(self.conv3(out))
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """The convolutions of a ResNet50, twice as wide: 4,096 channels, of stride 32."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stages = [(scaled(inside, width), blocks) for inside, blocks in _RESNET50]
        channels = stages[0][0]
        self.conv1 = nn.Conv3d(1, channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = _batch_norm(channels)
        self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        for number, (inside, blocks) in enumerate(stages, start=1):
            stage = []
            for block in range(blocks):
                stride = 2 if block == 0 and number > 1 else 1
                stage.append(Bottleneck(channels, inside, stride, projects=block == 0))
                channels = _EXPANSION * inside
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.bn1(self.conv1(x)).relu())
        for number in range(1, len(_RESNET50) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x


class SegResBlock(nn.Module):
    """A residual block of two convolutions, each after its norm and ReLU."""

    def __init__(self, channels: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1, self.conv2 = (
            nn.Conv3d(channels, channels, 3, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.norm1(x).relu())
        return x + self.conv2(self.norm2(out).relu())


class SegResEncoder(nn.Module):
    """Five levels of residual blocks; a convolution of stride 2 doubles the channels between them.

    Args:
        filters: channels of the first level.
        norm: of so many channels.
    """

    def __init__(self, filters: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv_init = nn.Conv3d(1, filters, 3, padding=1, bias=False)
        self.layers = nn.ModuleList()
        for number, blocks in enumerate(_SEGRES_BLOCKS):
            level = nn.ModuleDict(
                {"blocks": nn.Sequential(*(SegResBlock(filters, norm) for _ in range(blocks)))}
            )
            if number < len(_SEGRES_BLOCKS) - 1:
                level["downsample"] = nn.Conv3d(
                    filters, 2 * filters, 3, stride=2, padding=1, bias=False
                )
                filters *= 2
            self.layers.append(level)
        self.channels = filters

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_init(x)
        for level in self.layers:
            for layer in level.values():  # type: ignore[operator]
                x = layer(x)
        return x


class Reoriented(nn.Module):
    """Turn a cube along axes LPS, (N, C, z, y, x), to axes RAS, (N, C, x, y, z); or back."""

    def __init__(self, *, back: bool = False) -> None:
        super().__init__()
        self.back = back

    def forward(self, x: Tensor) -> Tensor:
        if self.back:
            return x.flip(2, 3).transpose(2, 4).contiguous()
        return x.transpose(2, 4).flip(2, 3).contiguous()


@dataclass(frozen=True)
class Encoder:
    """A trunk of published weights.

    Attributes:
        build: the module with the published names, of a width.
        reoriented: whether it takes cubes along RAS; here they run along LPS.
        stride: input voxels between two output voxels; `field`: of an output voxel.
    """

    build: Callable[[float], nn.Module]
    reoriented: bool
    stride: int
    field: int

    def trunk(self, width: float) -> tuple[nn.Sequential, int]:
        """Return the trunk, cube along LPS in and out, and how many channels it gives."""
        module = self.build(width)
        layers: dict[str, nn.Module] = {"encoder": module}
        if self.reoriented:
            layers = {"turn": Reoriented(), **layers, "turn_back": Reoriented(back=True)}
        return layers_of(**layers), int(module.channels)  # type: ignore[arg-type]

    def grid(self, input_size: int) -> ActivationGrid:
        """Return the grid of the output."""
        size = -(-input_size // self.stride)
        # Along a turned axis the first output voxel is the last one that the convolution made.
        turned = float(input_size - 1 - self.stride * (size - 1)) if self.reoriented else 0.0
        return ActivationGrid(size, self.stride, 0.0, self.field, (turned, turned, 0.0))


def _batch_norm(channels: int) -> nn.Module:
    layer = nn.BatchNorm3d(channels)
    layer.register_buffer("num_batches_tracked", None)  # of use only where momentum is None
    return layer


def _segres(filters: int, norm: Callable[[int], nn.Module], width: float) -> nn.Module:
    return SegResEncoder(scaled(filters, width), norm)


ENCODERS: Mapping[str, Encoder] = {
    "resnet50x2": Encoder(ResNet, False, 32, 427),
    "segresnet32": Encoder(partial(_segres, 32, _batch_norm), False, 16, 469),
    "segresnet48-ras": Encoder(
        partial(_segres, 48, partial(nn.InstanceNorm3d, affine=True)), True, 16, 469
    ),
}


class EncoderNetwork(nn.Module):
    """A trunk and the mean of each of its channels: features of a cube, and no classes.

    Args:
        trunk: a name in `ENCODERS`.
        width: factor on the counts of channels; 1 for the published weights.
        input_size: voxels along each axis.
    """

    def __init__(
        self, trunk: str = "resnet50x2", *, width: float = 1.0, input_size: int = 50
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.trunk, self.feature_count = ENCODERS[trunk].trunk(width)
        self.pool = GlobalAverage()

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, feature_count) of cubes (N, 1, z, y, x)."""
        features: Tensor = self.pool(self.trunk(x))
        return features

    def forward_with_features(self, x: Tensor) -> NetworkOutput:
        """Features of cubes, also in place of logits."""
        features = self.forward(x)
        return NetworkOutput(features, features)

    def for_inference(self) -> EncoderNetwork:
        """Return the network in eval mode."""
        return self.eval().requires_grad_(False)


def expected_arrays(trunk: str, width: float = 1.0) -> dict[str, Sequence[int]]:
    """Return the names and shapes of an encoder's weights; nothing is allocated."""
    with torch.device("meta"):
        module = ENCODERS[trunk].build(width)
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}
