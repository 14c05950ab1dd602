"""What a training of the progressive GAN is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import InputError
from ...networks.progressive import GROUP
from .growth import Growth

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
class GanOptions:
    """What to train.

    Attributes:
        preset: of `PRESETS`.
        label: column of the set whose values can be asked of the generator; None: nothing can.
        phase: in place of the preset's.
        held_out: share of the patients who are kept to tell overfitting and copying.
        learning_rate: of Adam.
        seed: of all that is drawn.
        device: where to train.
    """

    preset: str = "small"
    label: str | None = None
    phase: int | None = None
    held_out: float = 0.2
    learning_rate: float = 1e-3
    seed: int = 0
    device: str = "cpu"

    def growth(self, levels: int) -> Growth:
        """When which level is trained."""
        given = PRESETS[self.preset]
        phase = self.phase or given.phase
        return Growth(levels, phase, phase, given.batches, min(given.tick, phase), given.last)


def check_gan_options(options: GanOptions) -> None:
    """Raise `InputError` for options that cannot be."""
    if options.preset not in PRESETS:
        raise InputError(f"There is no preset '{options.preset}': {', '.join(PRESETS)}.")
    if options.phase is not None and not GROUP <= options.phase <= 10**9:
        raise InputError(f"A phase must have {GROUP} to 10^9 images, not {options.phase}.")
    if not 0 < options.held_out < 1:
        raise InputError(
            f"The share of patients held out must be above 0 and below 1, not {options.held_out}."
        )
    if not 0 < options.learning_rate <= 1:
        raise InputError(
            f"The learning rate must be above 0 and at most 1, not {options.learning_rate}."
        )
    if not 0 <= options.seed < 2**63:
        raise InputError(f"The seed must be 0 or more, not {options.seed}.")
