"""What the user asks of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import InputError
from ..augment import Augmentation
from .task import Recipe

FREEZE = ("trunk", "gradual", "none")
LARGEST_HU = 100_000
MOST_SYNTHETIC = 10  # samples for each training case


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Attributes:
        label: the column of the store that is to be told.
        classes: its values in the order of the answers; empty: all, sorted. Others are left out.
        positive: the class that AUC and risk are about; the last if left out.
        init: a model, or Keras weights (.h5), whose trunk is the start; None: from scratch.
        freeze: "trunk" trains a head on the frozen trunk's cached features, "gradual" thaws the
            trunk step by step, "none" trains all at once.
        folds: of cross-validation; 1 is one split with a fifth for the test.
        seeds: repeats, each with folds and weights of its own.
        by_site: whole sites go into one fold.
        split: CSV (case, part) in place of folds.
        clinical: columns of the clinical baseline.
        survival: columns of follow-up time and event (1 or 0), for the evaluation.
        hidden: units of the head's dense layers; None: those of the start, which are then taken
            over too (see `Setup.taken`), or else one of 128.
        dropout: after each of them.
        width: of a trunk from scratch, 1 is the published network's.
        hu: window of a network from scratch; another's trunk keeps its own.
        views: of each case, where the trunk is frozen: as it is, and augmented.
        shuffled: also train on labels dealt out at random (control).
        curve: numbers of patients for a learning curve.
        synthetic: a translator, and for each training case so many tumours that it paints, which
            are trained on as well: (model, fraction).
        allow_overlap: go on where patients overlap; the model is then marked.
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
    shuffled: bool = False
    curve: tuple[int, ...] = ()
    synthetic: tuple[str, float] | None = None
    allow_overlap: bool = False
    device: str = "cpu"
    augmentation: Augmentation = field(default_factory=Augmentation)
    recipe: Recipe = field(default_factory=Recipe)


def check_options(options: Options) -> None:
    """`InputError` for what no store and no model could make right."""
    recipe = options.recipe
    least = {
        "--folds": (options.folds, 1),
        "--seeds": (options.seeds, 1),
        "--views": (options.views, 1),
        "--epochs": (recipe.epochs, 1),
        "--patience": (recipe.patience, 0),
        "--batch": (recipe.batch, 2),
        "--seed": (recipe.seed, 0),
        "--curve": (min(options.curve, default=1), 1),
    }
    if recipe.seed >= 1 << 32:
        raise InputError(f"--seed must be less than {1 << 32}, not {recipe.seed}.")
    for name, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if not 0 < recipe.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {recipe.learning_rate}."
        )
    if recipe.weight_decay is not None and not 0 <= recipe.weight_decay <= 100:
        raise InputError(f"--weight-decay must be 0 to 100, not {recipe.weight_decay}.")
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
