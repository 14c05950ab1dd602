"""Options of the training of inpainting."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import option
from ..folds import FoldOptions


@dataclass(frozen=True)
class InpaintingOptions(FoldOptions):
    """Options of the training of inpainting.

    Attributes:
        depth: levels of the U-Net.
        critic_start: fraction of the epochs before the discriminator is trained: until then the
            inpainted tumours are too far from real ones.
        distance_weight: of the L1 distance in the generator's loss, as in the paper.
        mean_weight: of the error of the tumour's mean HU in the generator's loss.
        tumour_weight: of a tumour's voxel in the L1 distance, relative to the band around it.
    """

    label: str | None = option(
        None, metavar="COL", help="column of the store whose classes become conditions"
    )
    size: int = option(64, low=1, unit="voxels", help="cube of the network, along each axis")
    width: int = option(8, low=1, help="channels of the first level of the U-Net")
    depth: int = 4
    surroundings: bool = option(
        False, help="begin from the tissue round the tumour, not from lung; keep vessels round it"
    )
    epochs: int = option(40, low=1, help="passes over the training cases")
    batch: int = option(2, low=1, unit="cubes", help="batch of an update, over all processes")
    learning_rate: float = option(
        3e-3, above=0.0, high=1.0, metavar="RATE", help="highest learning rate of both networks"
    )
    critic_start: float = option(
        0.4, low=0.0, high=1.0, help="share of the epochs before the discriminator takes part"
    )
    distance_weight: float = option(
        100.0, low=0.0, help="weight of the HU errors, against 1 for the discriminator"
    )
    mean_weight: float = 50.0
    tumour_weight: float = 2.0
