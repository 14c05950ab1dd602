"""Options of the training of a progressive GAN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...options import option
from ..folds import FoldOptions
from .growth import Growth

Loss: TypeAlias = Literal["wasserstein", "logistic"]

SMALLEST = 8  # pixels a side: below, nothing grows


@dataclass(frozen=True)
class Preset:
    """How large the networks are and how long they are trained.

    Attributes:
        base, most, latent: of `Generator`.
        phase: images in which a level fades in; as many follow before the next one.
        last: how many times as many the last level gets after it has faded in.
        batches: images of an update by resolution; see `Growth`.
        tick: images between two measurements.
        average: see `GanRecipe`: as the updates are fewer, the average is shorter.
        patience: see `GanRecipe`.
    """

    base: int
    most: int
    latent: int
    phase: int
    last: float
    batches: Mapping[int, int]
    tick: int
    average: float
    patience: int


PRESETS = {
    # The paper's tables 2 and appendix A.1: for days on several GPUs.
    "paper": Preset(
        8192,
        512,
        512,
        600_000,
        1.0,
        {4: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4},
        40_000,
        0.999,
        500_000,
    ),
    # An hour on two cores at 64 pixels.
    "small": Preset(512, 64, 64, 10_000, 2.0, {4: 32, 16: 16, 256: 8}, 4_000, 0.995, 100_000),
    # Minutes: to see that all of it works.
    "tiny": Preset(256, 32, 32, 1_000, 1.0, {4: 16, 256: 8}, 1_000, 0.98, 20_000),
}


@dataclass(frozen=True)
class GanOptions(FoldOptions):
    """Options of the training of a progressive GAN."""

    preset: str = option(
        "small",
        choices=tuple(PRESETS),
        help="size of the networks and length of the training: paper for days on several GPUs, "
        "small for an hour on two cores, tiny for minutes",
    )
    label: str | None = option(
        None,
        metavar="COL",
        help="column of the slices whose values become conditions of the generator",
    )
    phase: int | None = option(
        None,
        low=4,  # a minibatch of the critic's minibatch statistics
        high=10**9,
        help="images in which a level fades in, by default the preset's",
    )
    held_out: float = option(
        0.2,
        above=0.0,
        below=1.0,
        metavar="FRACTION",
        help="fraction of the patients kept out of the training, to measure overfitting and "
        "memorisation; with --test-fold half of it, beside that fold",
    )
    noise: bool = option(
        False,
        help="give each layer of the generator noise of its own, for the noise texture of CT "
        "(Karras et al. 2018)",
    )
    loss: Loss = option(
        "wasserstein",
        help="wasserstein: WGAN-GP, as in the paper; logistic: that of a classifier of real and "
        "generated images, with a penalty of its slope (Mescheder et al. 2018)",
    )
    penalty_interval: int = option(
        1,
        low=1,
        unit="updates",
        help="updates of the critic between two of its gradient penalty, which then weighs as "
        "many times more: half of the time of an update is the penalty's",
    )
    learning_rate: float = option(
        1e-3, above=0.0, high=1.0, metavar="RATE", help="learning rate of Adam"
    )

    def growth(self, levels: int) -> Growth:
        """Return which level is trained when."""
        given = PRESETS[self.preset]
        phase = self.phase or given.phase
        return Growth(levels, phase, phase, given.batches, min(given.tick, phase), given.last)
