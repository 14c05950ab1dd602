"""Options of the training of the integration network."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ..classifier.options import RESULT_COLUMNS

# Classes of labels that have further values, which are excluded.
CLASSES = {
    "histology": ("LUAD", "LUSC"),
    "t_stage": ("T1", "T2", "T3", "T4"),
    "survival2y": ("0", "1"),
}


@dataclass(frozen=True)
class IntegrationOptions:
    """Options of the training of the integration network.

    Attributes:
        label: a fact of a clinical table, or a column of a source, which is then no input.
        classes: its values, in the order of the probabilities; empty: those of `CLASSES`, or all,
            sorted.
        positive: of two classes that of AUC and risk; None: the last one.
        exclude_columns: columns that are not used.
        reference_scores: columns with scores to compare with, which are no inputs.
        folds: of the outer cross-validation.
        seeds: its repeats, each with other folds and weights.
        inner_folds: of the inner cross-validation, which chooses the setting.
        by_site: whether each site is in one outer fold as a whole.
        branch_width: units of a layer for each source; 0: none.
        ordinal: whether the classes are ordered; see `networks.tables.OrderedClasses`.
        epochs: passes over the training patients, at most.
        seed: of all random numbers.
        allow_leakage: whether to continue where a column looks like the label.
        allow_overlap: whether to continue where patients of two cohorts have the same name; they
            are taken to be different.
    """

    label: str
    classes: tuple[str, ...] = ()
    positive: str | None = None
    exclude_columns: tuple[str, ...] = ()
    reference_scores: tuple[str, ...] = ()
    folds: int = 5
    seeds: int = 5
    inner_folds: int = 3
    by_site: bool = False
    branch_width: int = 0
    ordinal: bool = False
    epochs: int = 60
    seed: int = 0
    allow_leakage: bool = False
    allow_overlap: bool = False


def check_options(options: IntegrationOptions) -> None:
    """Raise `InputError` for values that no table could make right."""
    least = {
        "--folds": (options.folds, 2),
        "--seeds": (options.seeds, 1),
        "--inner-folds": (options.inner_folds, 2),
        "--branch-width": (options.branch_width, 0),
        "--epochs": (options.epochs, 1),
        "--seed": (options.seed, 0),
    }
    for name, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if options.label in RESULT_COLUMNS:
        raise InputError(
            f"The label '{options.label}' has the name of a column of the results: rename it."
        )
