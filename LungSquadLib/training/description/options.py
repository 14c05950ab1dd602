"""Options of the training of a network that describes nodules."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import option
from ..folds import FoldOptions


@dataclass(frozen=True)
class DescriptionOptions(FoldOptions):
    """Options of the training of a network that describes nodules.

    Attributes:
        weight_decay: of AdamW.
        abstaining: share of the validation cases with the largest predicted spread of the readers,
            whose spread makes the model abstain.
    """

    sets: tuple[str, ...] = option(
        (), help="values of the column set whose cases are taken (default: all cases)"
    )
    size: int = option(48, low=32, high=128, unit="voxels", help="crop along each axis")
    margin_mm: float = option(
        8.0,
        low=0.0,
        high=100.0,
        unit="mm",
        help="distance from the mask within which the network sees the CT",
    )
    width: float = option(
        1.0, above=0.0, high=4.0, metavar="FACTOR", help="width of the network's trunk"
    )
    epochs: int = option(10, low=1, help="passes over the training cases")
    batch: int = option(16, low=2, unit="crops", help="batch of an update")
    learning_rate: float = option(
        2e-3, above=0.0, high=1.0, metavar="RATE", help="highest learning rate of AdamW"
    )
    weight_decay: float = 0.02
    abstaining: float = 0.1
