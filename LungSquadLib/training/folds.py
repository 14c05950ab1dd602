"""The folds that a data set comes with: one of them is kept for the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.splits import Fold, fold_split
from ..data.store import StoredCase
from ..errors import InputError
from ..options import check, option, seed_option


@dataclass(frozen=True, kw_only=True)
class FoldOptions:
    """Options of a training whose data can come with folds of their own.

    Attributes:
        device: "cpu", "cuda" or "mps".
    """

    fold_column: str | None = option(
        None, metavar="COL", help="column of the data with each case's fold"
    )
    test_fold: str | None = option(
        None,
        metavar="FOLD",
        help="fold of --fold-column to test on (default: patients drawn at random)",
    )
    seed: int = seed_option()
    device: str = "cpu"

    def __post_init__(self) -> None:
        check(self)
        if (self.fold_column is None) != (self.test_fold is None):
            raise InputError("--fold-column and --test-fold go together: give both or neither.")

    @property
    def kept_for_test(self) -> str:
        """The sentence of a card on the fold that was kept for the test; "" where there is none."""
        if self.fold_column is None:
            return ""
        return f" The cases whose {self.fold_column} is {self.test_fold} were kept for the test."

    def given_split(self, cases: Sequence[StoredCase], *, validation: float = 0.1) -> Fold | None:
        """Return the split by the folds of the data; None where no fold is named.

        Raises:
            InputError: the data have no such column, or as `fold_split`.
        """
        if self.fold_column is None or self.test_fold is None:
            return None
        if not cases or self.fold_column not in cases[0].columns:
            columns = (", ".join(cases[0].columns) if cases else "") or "none"
            raise InputError(f"The data have no column '{self.fold_column}'; they have {columns}.")
        folds = [case.value(self.fold_column) for case in cases]
        return fold_split(
            cases, folds, test_fold=self.test_fold, seed=self.seed, validation=validation
        )
