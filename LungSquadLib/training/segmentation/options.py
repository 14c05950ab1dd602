"""Options of the training of a segmentation network."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import option
from ..folds import FoldOptions


@dataclass(frozen=True)
class SegmentationOptions(FoldOptions):
    """Options of the training of a segmentation network.

    Attributes:
        average: share of the averaged weights that each update keeps.
    """

    size: int = option(
        32, low=16, high=128, unit="voxels", help="cube or slice of the network, along each axis"
    )
    width: int = option(12, low=1, high=64, help="channels of the first level of the U-Net")
    depth: int = option(4, low=1, high=6, help="levels of the U-Net")
    epochs: int = option(12, low=1, help="passes over the training cases")
    batch: int = option(2, low=1, unit="cubes", help="batch of an update")
    learning_rate: float = option(
        3e-3, above=0.0, high=1.0, metavar="RATE", help="highest learning rate of AdamW"
    )
    without_click: float = option(
        0.3, low=0.0, high=1.0, help="share of the samples without a click"
    )
    corrections: float = option(
        0.4, low=0.0, high=1.0, help="share of the samples with a click that have more of them"
    )
    complete_repeats: int = option(
        5,
        low=1,
        help="times that a cube with all its surroundings is shown in an epoch; among cut-outs "
        "these are rare",
    )
    average: float = 0.995
