"""The prognosis network of Hosny et al. 2018, and the same trunk with a new head.

Hosny A et al., PLOS Medicine 2018, doi:10.1371/journal.pmed.1002711, as deposited for Keras 1.2.2.
At 50 voxels the sizes are 50-46-44-14-12-10-3, at 64 they are 64-60-58-19-17-15.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .encoders import ENCODERS, GlobalAverage
from .trunk_and_head import (
    SLOPE,
    TRUNKS,
    GlobalPools,
    Head,
    TrunkAndHead,
    activation_grid,
    initialise,
    layers_of,
    norm,
    prognosis_trunk,
    scaled,
)


class PrognosisNetwork(TrunkAndHead):
    """Predicts survival at two years; with `width` 1 the paper's 11.87 million parameters.

    Args:
        width: factor on every count of channels and dense units.
        classes: 2 in the paper: 0 deceased, 1 alive.
        input_size: voxels of 1 mm along each axis; 50 in the paper.

    The features are the second dense layer's output before its batch norm (256 in the paper).
    """

    def __init__(self, width: float = 1.0, *, classes: int = 2, input_size: int = 50) -> None:
        trunk, channels = prognosis_trunk(width)
        grid = activation_grid(trunk, input_size)
        flat = channels * (grid.size // 3) ** 3
        wide, narrow = scaled(512, width), scaled(256, width)
        before = layers_of(
            pool4=nn.MaxPool3d(3),
            drop4=nn.Dropout(0.25),
            flatten=nn.Flatten(),
            dense1=nn.Linear(flat, wide),
            norm5=norm(wide),
            relu5=nn.LeakyReLU(SLOPE),
            drop5=nn.Dropout(0.5),
            dense2=nn.Linear(wide, narrow),
        )
        after = layers_of(
            norm6=norm(narrow),
            relu6=nn.LeakyReLU(SLOPE),
            drop6=nn.Dropout(0.5),
            dense3=nn.Linear(narrow, classes),
            norm7=norm(classes),
        )
        super().__init__(
            trunk,
            Head(before, after),
            grid=grid,
            input_size=input_size,
            feature_count=narrow,
            classes=classes,
        )
        initialise(self)


class TransferNetwork(TrunkAndHead):
    """A pretrained trunk with a new head.

    The trunk is that of `PrognosisNetwork` (everything before its last max-pooling), of
    `description.DescriptionNetwork`, or a published encoder.

    The head: global average and (not of an encoder) global maximum of every channel, then for each
    number in `hidden` a dense layer, batch norm, LeakyReLU and dropout, then one dense layer to the
    classes. The features are the input of that last layer.

    Args:
        width: factor on the trunk's counts of channels.
        classes: number of classes.
        input_size: voxels of 1 mm along each axis.
        hidden: units of each dense layer before the last; may be empty.
        dropout: probability after each of them.
        trunk: a name in `trunk_and_head.TRUNKS` or `encoders.ENCODERS`.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        classes: int = 2,
        input_size: int = 64,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.5,
        trunk: str = "prognosis",
    ) -> None:
        if trunk in ENCODERS:
            layers, count = ENCODERS[trunk].trunk(width)
            before = layers_of(pool=GlobalAverage())
            grid = ENCODERS[trunk].grid(input_size)
        else:
            layers, channels = TRUNKS[trunk](width)
            before, count = layers_of(pool=GlobalPools()), 2 * channels
            grid = activation_grid(layers, input_size)
        for i, units in enumerate(hidden, start=1):
            before.add_module(f"dense{i}", nn.Linear(count, units))
            before.add_module(f"norm{i}", norm(units))
            before.add_module(f"relu{i}", nn.LeakyReLU(SLOPE))
            before.add_module(f"drop{i}", nn.Dropout(dropout))
            count = units
        super().__init__(
            layers,
            Head(before, layers_of(logits=nn.Linear(count, classes))),
            grid=grid,
            input_size=input_size,
            feature_count=count,
            classes=classes,
        )
        initialise(self)
