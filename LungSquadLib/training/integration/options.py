"""Options of the training of the integration network."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ...options import check, option_group, seed_option
from ..classifier.options import RESULT_COLUMNS, synthetic_fraction_option, synthetic_option

_target, _patients, _validation, _training = (
    option_group(name) for name in ("target", "patients", "validation", "training")
)

# Classes of labels that have further values, which are excluded.
CLASSES = {
    "histology": ("LUAD", "LUSC"),
    "t_stage": ("T1", "T2", "T3", "T4"),
    "survival2y": ("0", "1"),
}


@dataclass(frozen=True)
class IntegrationOptions:
    """Options of the training of the integration network.

    Without `classes` those of `CLASSES` are used, or all values, sorted. About `ordinal` see
    `networks.tables.OrderedClasses`.
    """

    label: str = _target(
        metavar="COL", help="target: histology, t_stage, survival2y, or any column of the tables"
    )
    classes: tuple[str, ...] = _target(
        (), help="values of the target, in this order; others are excluded"
    )
    positive: str | None = _target(
        None, metavar="A", help="positive class of AUC (default: the last one)"
    )
    exclude_columns: tuple[str, ...] = _patients((), help="columns that are not used")
    reference_scores: tuple[str, ...] = _patients(
        (), help="columns with scores to compare with, which are no inputs"
    )
    folds: int = _validation(5, low=2, help="folds of the cross-validation")
    seeds: int = _validation(5, low=1, help="repeats of the cross-validation, with other folds")
    inner_folds: int = _validation(3, low=2, help="folds of the inner cross-validation")
    by_site: bool = _validation(False, help="keep each site in one fold")
    branch_width: int = _training(
        0, low=0, help="units of a separate layer for each source; 0: none"
    )
    ordinal: bool = _target(False, help="the classes are ordered")
    epochs: int = _training(60, low=1, help="passes over the training patients, at most")
    synthetic: str | None = synthetic_option()
    synthetic_fraction: float = synthetic_fraction_option()
    seed: int = seed_option(group="training")
    allow_leakage: bool = _validation(False, help="continue if a column seems to leak the target")
    allow_overlap: bool = _validation(
        False,
        help="continue if the network of a source was trained on the patients, which the results "
        "say, or if both cohorts have the same patient names: they are taken to be different",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.label in RESULT_COLUMNS:
            raise InputError(
                f"The label '{self.label}' has the name of a column of the results: rename it."
            )
