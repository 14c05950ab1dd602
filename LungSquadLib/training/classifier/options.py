"""Options of the training of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import InputError
from ..augment import Augmentation

FREEZE = ("trunk", "gradual", "none")
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
        "time",
        "event",
    )
)
LARGEST_HU = 100_000
MOST_SYNTHETIC = 10  # samples for each training case


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The optimization of a classifier: all that networks of images and of tables share.

    Attributes:
        epochs: passes over the training cases, at most.
        patience: epochs without a lower validation loss before training stops; 0: never early.
        batch: samples of an update, over all processes.
        learning_rate: highest rate of AdamW for new layers.
        pretrained_lr_factor: of the learning rate, for layers with pretrained weights.
        weight_decay: of AdamW; None: `HEAD_DECAY` for a head on frozen features, else `DECAY`.
        trunk_dropout: probability of dropout in a trunk that is trained.
        norm_momentum: of batch norms; 0.01 would lag behind for the whole of a short training.
        class_weights: whether the loss weighs classes by the inverse of their frequency; the
            predictions are corrected for it (`correct_prior`).
        precision: "fp32", or "bf16" for mixed precision.
        seed: of all random numbers.
    """

    epochs: int = 40
    patience: int = 10
    batch: int = 8
    learning_rate: float = 1e-3
    pretrained_lr_factor: float = 0.1
    weight_decay: float | None = None
    trunk_dropout: float = 0.0
    norm_momentum: float = 0.05
    class_weights: bool = True
    precision: str = "fp32"
    seed: int = 0


@dataclass(frozen=True)
class ClassifierOptions(Recipe):
    """Options of the training of a classifier.

    Attributes:
        label: column of the store with the class.
        classes: its values, in the order of the probabilities; empty: all, sorted. Cases with
            other values are left out.
        positive: class of AUC and risk; None: the last one.
        init: a model, or Keras weights (.h5), with the pretrained trunk; None: from scratch.
        freeze: "trunk" trains a head on cached features of the frozen trunk, "gradual" unfreezes
            the trunk step by step, "none" trains all layers at once.
        folds: of the cross-validation; 1: a single split with a fifth of the patients for test.
        seeds: repeats of the cross-validation, each with other folds and weights.
        by_site: whether each site is in one fold as a whole.
        split: CSV file (case, part) with a split, in place of folds.
        clinical: columns of the clinical baseline.
        survival: columns of follow-up time and event (1 or 0), for the evaluation.
        hidden: units of the head's dense layers; None: the pretrained ones (see
            `Setup.pretrained`), or one layer of 128.
        dropout: probability after each dense layer of the head.
        width: of a trunk from scratch, relative to the published network.
        size: voxels of a crop along each axis.
        hu: window of a network from scratch; a pretrained trunk keeps its own.
        views: of each case with a frozen trunk: the crop as it is, and augmented ones.
        permuted_labels: whether each fit is repeated with permuted labels, as a control.
        learning_curve: numbers of training patients of further fits.
        synthetic: model of inpainting, and the number of synthetic samples for each training case.
        allow_overlap: whether to continue where patients overlap; the model is then marked.
        augmentation: how crops are changed.
        device: "cpu", "cuda" or "mps".
    """

    label: str
    classes: tuple[str, ...] = ()
    positive: str | None = None
    init: str | None = None
    freeze: str = "none"
    folds: int = 5
    seeds: int = 3
    by_site: bool = False
    split: str | None = None
    clinical: tuple[str, ...] = ()
    survival: tuple[str, str] | None = None
    hidden: tuple[int, ...] | None = None
    dropout: float = 0.5
    width: float = 1.0
    size: int = 64
    hu: tuple[float, float] = (-1000.0, 400.0)
    views: int = 8
    permuted_labels: bool = False
    learning_curve: tuple[int, ...] = ()
    synthetic: tuple[str, float] | None = None
    allow_overlap: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: str = "cpu"


def check_options(options: ClassifierOptions) -> None:
    """Raise `InputError` for values that no store and no model could make right."""
    least = {
        "--folds": (options.folds, 1),
        "--seeds": (options.seeds, 1),
        "--views": (options.views, 1),
        "--epochs": (options.epochs, 1),
        "--patience": (options.patience, 0),
        "--batch": (options.batch, 2),
        "--seed": (options.seed, 0),
        "--learning-curve": (min(options.learning_curve, default=1), 1),
    }
    for name, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if options.seed >= 1 << 32:
        raise InputError(f"--seed must be less than {1 << 32}, not {options.seed}.")
    _check_optimization(options)
    _check_images(options)


def _check_optimization(options: ClassifierOptions) -> None:
    if not 0 < options.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {options.learning_rate}."
        )
    if options.weight_decay is not None and not 0 <= options.weight_decay <= 100:
        raise InputError(f"--weight-decay must be 0 to 100, not {options.weight_decay}.")
    if options.precision not in PRECISIONS:
        raise InputError(f"--precision is one of {', '.join(PRECISIONS)}.")


def _check_images(options: ClassifierOptions) -> None:
    if not options.hu[1] - options.hu[0] >= 1:
        raise InputError("--hu takes a lower and a higher HU value, in this order.")
    if max(map(abs, options.hu)) > LARGEST_HU:
        raise InputError(f"--hu takes values from -{LARGEST_HU} to {LARGEST_HU}.")
    if options.freeze == "trunk" and options.init is None:
        raise InputError(
            "A trunk from scratch has learnt nothing yet, so it must not be frozen: name a model "
            "to start from with --init, or choose --freeze none."
        )
    if options.freeze not in FREEZE:
        raise InputError(f"--freeze is one of {', '.join(FREEZE)}, not '{options.freeze}'.")
    if options.synthetic is not None and not 0 < options.synthetic[1] <= MOST_SYNTHETIC:
        raise InputError(
            f"--synthetic takes a fraction above 0 and at most {MOST_SYNTHETIC} of the training "
            f"cases, not {options.synthetic[1]:g}."
        )
    if options.split is not None and options.by_site:
        raise InputError("--by-site makes folds, and --split brings your own: choose one of them.")
