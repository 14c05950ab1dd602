"""Options of the training of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError

MOST_GROUPS = 32  # that a card can name


@dataclass(frozen=True)
class AutoencoderOptions:
    """Options of the training of an autoencoder.

    Attributes:
        groups: number of groups of patients in the latent space.
        latent: its dimensions.
        hidden: units of the encoder's dense layers; the decoder has them in reverse.
        seeds: number of fits, which differ in their random numbers alone.
        test_fraction: of the patients, held out.
        epochs: passes over the training patients, at most.
        patience: epochs without a lower validation loss, after the warm-up, before a fit stops; 0:
            never early.
        warm_up: epochs in which the weight of the divergence rises to 1 (KL warm-up).
        batch: patients of an update, at least.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        free_bits: divergence of each latent unit that costs nothing, in nats.
        seed: of all random numbers.
        device: "cpu", "cuda" or "mps".
    """

    groups: int = 4
    latent: int = 8
    hidden: tuple[int, ...] = (128,)
    seeds: int = 5
    test_fraction: float = 0.2
    epochs: int = 300
    patience: int = 40
    warm_up: int = 40
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    free_bits: float = 0.05
    seed: int = 0
    device: str = "cpu"


def check_options(options: AutoencoderOptions) -> None:
    """Raise `InputError` for values that no table could make right."""
    least = {
        "--groups": (options.groups, 2),
        "--latent": (options.latent, 1),
        "--hidden": (min(options.hidden, default=1), 1),
        "--seeds": (options.seeds, 1),
        "--epochs": (options.epochs, 1),
        "--patience": (options.patience, 0),
        "--batch": (options.batch, 2),
        "--seed": (options.seed, 0),
        "--free-bits": (options.free_bits, 0),
    }
    for name, (value, low) in least.items():
        if not value >= low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if options.groups > MOST_GROUPS:
        raise InputError(f"--groups must be {MOST_GROUPS} at most, not {options.groups}.")
    if not 0 < options.test_fraction < 0.9:
        raise InputError(
            f"--test-fraction must be above 0 and below 0.9, not {options.test_fraction:g}."
        )
    if not 0 < options.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {options.learning_rate:g}."
        )
    if not 0 <= options.seed < 1 << 32:
        raise InputError(f"--seed must be less than {1 << 32}, not {options.seed}.")
