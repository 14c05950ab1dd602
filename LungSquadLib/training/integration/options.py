"""What the user asks of a training on tables."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ..classifier.setup import TAKEN

# Labels whose other values are no classes to tell.
CLASSES = {
    "histology": ("LUAD", "LUSC"),
    "t_stage": ("T1", "T2", "T3", "T4"),
    "survival2y": ("0", "1"),
}


@dataclass(frozen=True)
class IntegrationOptions:
    """What the user asks for.

    Attributes:
        label: a fact of a clinical table, or a column of a source, which is then no feature.
        classes: its values in the order of the answers; empty: those of `CLASSES`, or all, sorted.
        positive: of two classes the one that AUC is about; the last if left out.
        leave_out: columns that are not used.
        beside: columns with scores of others, to compare with; no features.
        folds, seeds: of the outer cross-validation; `inner`: folds of the inner one.
        by_site: whole sites go into one outer fold.
        branch: units of a layer of its own for each source; 0: none.
        ordinal: whether the classes stand in an order; see `networks.tables.OrderedClasses`.
        epochs: at most.
        seed: of all that is drawn.
        allow_telling: go on where a column looks like the label.
        allow_overlap: go on where patients of two cohorts have the same name; they are taken for
            different ones.
    """

    label: str
    classes: tuple[str, ...] = ()
    positive: str | None = None
    leave_out: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    folds: int = 5
    seeds: int = 5
    inner: int = 3
    by_site: bool = False
    branch: int = 0
    ordinal: bool = False
    epochs: int = 60
    seed: int = 0
    allow_telling: bool = False
    allow_overlap: bool = False


def check_integration_options(options: IntegrationOptions) -> None:
    """`InputError` for what no table could make right."""
    least = {
        "--folds": (options.folds, 2),
        "--seeds": (options.seeds, 1),
        "--inner": (options.inner, 2),
        "--branch": (options.branch, 0),
        "--epochs": (options.epochs, 1),
        "--seed": (options.seed, 0),
    }
    for name, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if options.label in TAKEN:
        raise InputError(
            f"The label '{options.label}' has the name of a column of the results: rename it."
        )
