"""Options of the training of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import check, option, seed_option

MOST_GROUPS = 32  # that a card can name


@dataclass(frozen=True)
class AutoencoderOptions:
    """Options of the training of an autoencoder.

    Attributes:
        warm_up: epochs in which the weight of the divergence rises to 1 (KL warm-up).
        weight_decay: of AdamW.
        device: "cpu", "cuda" or "mps".
    """

    groups: int = option(
        4, low=2, high=MOST_GROUPS, help="number of clusters of patients in the latent space"
    )
    latent: int = option(8, low=1, help="dimensions of the latent space")
    hidden: tuple[int, ...] = option(
        (128,), low=1, help="units of the encoder's dense layers; the decoder has them in reverse"
    )
    seeds: int = option(5, low=1, help="number of fits, each with other random numbers")
    test_fraction: float = option(
        0.2, above=0.0, below=0.9, metavar="FRACTION", help="fraction of the patients for the test"
    )
    epochs: int = option(300, low=1, help="passes over the training patients, at most")
    patience: int = option(
        40,
        low=0,
        unit="epochs",
        help="length of training without a lower validation loss before it stops, after the "
        "warm-up; 0: never early",
    )
    warm_up: int = 40
    batch: int = option(32, low=2, unit="patients", help="smallest batch of an update")
    learning_rate: float = option(
        1e-3, above=0.0, high=1.0, metavar="RATE", help="learning rate of AdamW"
    )
    weight_decay: float = 0.01
    free_bits: float = option(
        0.05,
        low=0.0,
        unit="nats",
        metavar="NATS",
        help="divergence of each latent unit that costs nothing, against posterior collapse",
    )
    seed: int = seed_option()
    device: str = "cpu"

    def __post_init__(self) -> None:
        check(self)
