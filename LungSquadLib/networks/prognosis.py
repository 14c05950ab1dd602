"""The prognosis network of Hosny et al. 2018, and the same trunk with a new head.

Hosny A et al., PLOS Medicine 2018, doi:10.1371/journal.pmed.1002711, as deposited for Keras 1.2.2.
At 50 voxels the sizes are 50-46-44-14-12-10-3, at 64 they are 64-60-58-19-17-15.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .trunk_and_head import Head, TrunkAndHead, activation_grid

SLOPE = 0.1


class PrognosisNetwork(TrunkAndHead):
    """Predicts survival at two years; with `width` 1 the paper's 11.87 million parameters.

    Args:
        width: factor on every count of channels and dense units.
        classes: 2 in the paper: 0 deceased, 1 alive.
        input_size: voxels of 1 mm along each axis; 50 in the paper.

    The features are the second dense layer's output before its batch norm (256 in the paper).
    """

    def __init__(self, width: float = 1.0, *, classes: int = 2, input_size: int = 50) -> None:
        trunk, channels = _trunk(width)
        grid = activation_grid(trunk, input_size)
        flat = channels * (grid.size // 3) ** 3
        wide, narrow = _scaled(512, width), _scaled(256, width)
        before = _layers(
            pool4=nn.MaxPool3d(3),
            drop4=nn.Dropout(0.25),
            flatten=nn.Flatten(),
            dense1=nn.Linear(flat, wide),
            norm5=_norm(wide),
            relu5=nn.LeakyReLU(SLOPE),
            drop5=nn.Dropout(0.5),
            dense2=nn.Linear(wide, narrow),
        )
        after = _layers(
            norm6=_norm(narrow),
            relu6=nn.LeakyReLU(SLOPE),
            drop6=nn.Dropout(0.5),
            dense3=nn.Linear(narrow, classes),
            norm7=_norm(classes),
        )
        super().__init__(
            trunk,
            Head(before, after),
            grid=grid,
            input_size=input_size,
            feature_count=narrow,
            classes=classes,
        )
        _initialise(self)


class TransferNetwork(TrunkAndHead):
    """The trunk of `PrognosisNetwork` (everything before its last max-pooling) with a new head.

    The head: global average and global maximum of every channel, then for each number in `hidden`
    a dense layer, batch norm, LeakyReLU and dropout, then one dense layer to the classes. The
    features are the input of that last layer.

    Args:
        width: factor on the trunk's counts of channels.
        classes: number of classes.
        input_size: voxels of 1 mm along each axis.
        hidden: units of each dense layer before the last; may be empty.
        dropout: probability after each of them.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        classes: int = 2,
        input_size: int = 64,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.5,
    ) -> None:
        trunk, channels = _trunk(width)
        before = _layers(pool=GlobalPools())
        count = 2 * channels
        for i, units in enumerate(hidden, start=1):
            before.add_module(f"dense{i}", nn.Linear(count, units))
            before.add_module(f"norm{i}", _norm(units))
            before.add_module(f"relu{i}", nn.LeakyReLU(SLOPE))
            before.add_module(f"drop{i}", nn.Dropout(dropout))
            count = units
        super().__init__(
            trunk,
            Head(before, _layers(logits=nn.Linear(count, classes))),
            grid=activation_grid(trunk, input_size),
            input_size=input_size,
            feature_count=count,
            classes=classes,
        )
        _initialise(self)

    def load_trunk(self, source: PrognosisNetwork | TransferNetwork) -> None:
        """Copy the trunk's weights and batch-norm statistics from a network of the same width."""
        channels, source_channels = _channels(self.trunk), _channels(source.trunk)
        if channels != source_channels:
            raise ValueError(
                f"The trunk to start from has {source_channels} channels and this network has "
                f"{channels}: build this one with the same width."
            )
        self.trunk.load_state_dict(source.trunk.state_dict())


class GlobalPools(nn.Module):
    """The mean and the maximum of every channel: (N, C, z, y, x) -> (N, 2 C)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3, 4)), x.amax(dim=(2, 3, 4))], dim=1)


def _trunk(width: float) -> tuple[nn.Sequential, int]:
    """The four convolutions, up to the activations before the last max-pooling."""
    a, b, c, d = (_scaled(count, width) for count in (64, 128, 256, 512))
    trunk = _layers(
        conv1=nn.Conv3d(1, a, 5),
        norm1=_norm(a, volume=True),
        relu1=nn.LeakyReLU(SLOPE),
        drop1=nn.Dropout(0.25),
        conv2=nn.Conv3d(a, b, 3),
        norm2=_norm(b, volume=True),
        relu2=nn.LeakyReLU(SLOPE),
        pool2=nn.MaxPool3d(3),
        drop2=nn.Dropout(0.25),
        conv3=nn.Conv3d(b, c, 3),
        norm3=_norm(c, volume=True),
        relu3=nn.LeakyReLU(SLOPE),
        drop3=nn.Dropout(0.25),
        conv4=nn.Conv3d(c, d, 3),
        norm4=_norm(d, volume=True),
        relu4=nn.LeakyReLU(SLOPE),
    )
    return trunk, d


def _channels(trunk: nn.Sequential) -> str:
    counts = [layer.out_channels for layer in trunk if isinstance(layer, nn.Conv3d)]
    return ", ".join(map(str, counts))


def _layers(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _scaled(count: int, width: float) -> int:
    return max(1, round(count * width))


def _norm(channels: int, *, volume: bool = False) -> nn.Module:
    """Batch norm as Keras 1.2.2 has it; its momentum of 0.99 is 0.01 in torch's terms."""
    norm = (nn.BatchNorm3d if volume else nn.BatchNorm1d)(channels, eps=1e-3, momentum=0.01)
    norm.register_buffer("num_batches_tracked", None)  # of use only where momentum is None
    return norm


def _initialise(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv3d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
