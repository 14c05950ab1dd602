"""Options of the training of inpainting."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError


@dataclass(frozen=True)
class InpaintingOptions:
    """Options of the training of inpainting.

    Attributes:
        label: column of the store whose classes become conditions; None: unconditional.
        size: voxels of a cube along each axis.
        width: channels of the U-Net's first level; `depth`: its levels.
        epochs: passes over the training cases.
        batch: cubes of an update, over all processes.
        learning_rate: highest rate of Adam, of both networks.
        critic_start: fraction of the epochs before the discriminator is trained: until then the
            inpainted tumours are too far from real ones.
        distance_weight: of the L1 distance in the generator's loss, as in the paper.
        mean_weight: of the error of the tumour's mean HU in the generator's loss.
        tumour_weight: of a tumour's voxel in the L1 distance, relative to the band round it.
        seed: of all random numbers.
        device: "cpu", "cuda" or "mps".
    """

    label: str | None = None
    size: int = 64
    width: int = 8
    depth: int = 4
    epochs: int = 40
    batch: int = 2
    learning_rate: float = 3e-3
    critic_start: float = 0.4
    distance_weight: float = 100.0
    mean_weight: float = 50.0
    tumour_weight: float = 2.0
    seed: int = 0
    device: str = "cpu"


def check_options(options: InpaintingOptions) -> None:
    """Raise `InputError` for values that no store could make right."""
    for name, value in {"--epochs": options.epochs, "--batch": options.batch}.items():
        if value < 1:
            raise InputError(f"{name} must be 1 or more, not {value}.")
    if not 0 <= options.seed < 1 << 32:
        raise InputError(f"--seed must be 0 to {(1 << 32) - 1}, not {options.seed}.")
    if not 0 < options.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {options.learning_rate}."
        )
