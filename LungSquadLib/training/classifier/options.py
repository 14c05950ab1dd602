"""Options of the training of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import InputError
from ...options import check, option_group, seed_option
from ..augment import Augmentation

_target, _network, _validation, _training = (
    option_group(name) for name in ("target", "network", "validation", "training")
)

FREEZE = ("auto", "trunk", "gradual", "none")
PRECISIONS = ("fp32", "bf16")
DECAY, HEAD_DECAY = 1e-3, 0.1  # of weights, where no weight decay is given
# Columns of predictions.csv, in which the label has a column of its own name.
RESULT_COLUMNS = frozenset(
    (
        "seed",
        "fold",
        "part",
        "predicted",
        "score",
        "log_odds",
        "volume",
        "clinical",
        "radiomics",
        "time",
        "event",
    )
)
LARGEST_HU = 100_000
MOST_SYNTHETIC = 10  # samples for each training case


def synthetic_option() -> Any:
    """Return the field of the model that makes synthetic samples; None by default."""
    return _training(
        None,
        metavar="MODEL",
        help="model of `lungsquad train inpainting`: also train on synthetic tumours",
    )


def synthetic_fraction_option() -> Any:
    """Return the field of the number of synthetic samples, 0.5 by default."""
    return _training(
        0.5,
        above=0.0,
        high=MOST_SYNTHETIC,
        metavar="FRACTION",
        help="number of synthetic tumours for each training case, with --synthetic",
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The optimization of a classifier: all that networks of images and of tables share.

    Attributes:
        pretrained_lr_factor: of the learning rate, for layers with pretrained weights.
        trunk_dropout: probability of dropout in a trunk that is trained.
        norm_momentum: of batch norms; 0.01 would lag behind for the whole of a short training.
        class_weights: whether the loss weighs classes by the inverse of their frequency; the
            predictions are corrected for it (`correct_prior`).
        seed: of all random numbers; fits have derived ones, of 64 bits.
    """

    epochs: int = _training(40, low=1, help="passes over the training cases, at most")
    patience: int = _training(
        10,
        low=0,
        unit="epochs",
        help="length of training without a lower validation loss before it stops; 0: never early",
    )
    batch: int = _training(8, low=2, unit="samples", help="batch of an update, over all processes")
    learning_rate: float = _training(
        1e-3, above=0.0, high=1.0, metavar="RATE", help="highest learning rate of AdamW"
    )
    pretrained_lr_factor: float = 0.1
    weight_decay: float | None = _training(
        None,
        low=0.0,
        high=100.0,
        metavar="RATE",
        help=f"weight decay of AdamW (default: {HEAD_DECAY} with a frozen trunk, else {DECAY})",
    )
    trunk_dropout: float = 0.0
    norm_momentum: float = 0.05
    class_weights: bool = _training(
        True, help="do not weigh the classes by their frequency in the loss"
    )
    precision: str = _training(
        "fp32", choices=PRECISIONS, help="number format; bf16: mixed precision"
    )
    seed: int = seed_option(group="training")


@dataclass(frozen=True)
class ClassifierOptions(Recipe):
    """Options of the training of a classifier.

    Attributes:
        augmentation: how crops are changed.
        device: "cpu", "cuda" or "mps".
    """

    label: str = _target(metavar="COL", help="target: column of the store with the class")
    classes: tuple[str, ...] = _target(
        (), help="values of the target, in this order (default: all, sorted)"
    )
    positive: str | None = _target(
        None, metavar="A", help="positive class of AUC and risk (default: the last one)"
    )
    init: str | None = _network(
        None,
        metavar="MODEL",
        help="model, or Keras weights (.h5), with the pretrained trunk (default: no pretraining)",
    )
    freeze: str = _network(
        "auto",
        choices=FREEZE,
        help="trunk: train a head on cached features of the frozen trunk; gradual: unfreeze the "
        "trunk step by step; none: train all layers; auto: trunk with --init, else none",
    )
    folds: int = _validation(
        5, low=1, help="folds of the cross-validation; 1: a single split with a fifth for the test"
    )
    seeds: int = _validation(3, low=1, help="repeats of the cross-validation, with other folds")
    by_site: bool = _validation(False, help="keep each site in one fold")
    split: str | None = _validation(
        None,
        metavar="CSV",
        help="split in place of folds: columns case, part (train, validation, test)",
    )
    clinical: tuple[str, ...] = _validation((), help="columns of the clinical baseline")
    radiomics: str | None = _validation(
        None,
        metavar="FILE.csv",
        help="table of `lungsquad radiomics` of the store: radiomics baseline",
    )
    least_icc: float | None = _validation(
        None,
        low=0.0,
        high=1.0,
        metavar="ICC",
        help="leave out features whose ICC over perturbed masks of the training cases is lower "
        "(0.75, say); the table needs --robustness",
    )
    survival: tuple[str, str] | None = _validation(
        None,
        metavar=("TIME", "EVENT"),
        help="columns of follow-up time and event (1 or 0), for survival curves by risk and "
        "concordance",
    )
    hidden: tuple[int, ...] | None = _network(
        None,
        low=1,
        help="units of the head's dense layers (default: those of the pretrained model, else 128)",
    )
    dropout: float = _network(
        0.5,
        low=0.0,
        below=1.0,
        metavar="P",
        help="probability of dropout after each dense layer of the head",
    )
    width: float = _network(
        1.0,
        above=0.0,
        metavar="FACTOR",
        help="width of a trunk without pretraining, relative to the published network",
    )
    size: int = _network(64, low=1, unit="voxels", help="crop along each axis")
    hu: tuple[float, float] = _network(
        (-1000.0, 400.0),
        low=-LARGEST_HU,
        high=LARGEST_HU,
        unit="HU",
        metavar=("LOW", "HIGH"),
        help="window of a network without pretraining",
    )
    views: int = _training(8, low=1, help="augmented crops of each case, with a frozen trunk")
    permuted_labels: bool = _validation(False, help="also train on permuted labels, as a control")
    learning_curve: tuple[int, ...] = _validation(
        (), low=1, help="numbers of training patients of a learning curve"
    )
    synthetic: str | None = synthetic_option()
    synthetic_fraction: float = synthetic_fraction_option()
    allow_overlap: bool = _validation(
        False, help="continue if patients, series or images overlap; the model is marked"
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: str = "cpu"

    def __post_init__(self) -> None:
        check(self)
        if self.freeze == "auto":
            object.__setattr__(self, "freeze", "none" if self.init is None else "trunk")
        if not self.hu[1] - self.hu[0] >= 1:
            raise InputError("--hu takes a lower and a higher HU value, in this order.")
        if self.freeze == "trunk" and self.init is None:
            raise InputError(
                "A trunk without pretraining must not be frozen: give a pretrained model with "
                "--init, or choose --freeze none."
            )
        if self.split is not None and self.by_site:
            raise InputError("--by-site makes folds, and --split replaces them: choose one.")
