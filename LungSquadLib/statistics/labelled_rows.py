"""Labelled rows of an evaluation, and measures of their scores with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .checks import patients as numbered
from .discrimination import auc, auc_interval, macro_auc, macro_auc_interval, paired_difference
from .intervals import SAMPLES, bootstrap, repeated


@dataclass(frozen=True)
class Measure:
    """A number, its 95 % interval, and how the interval was found."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Predictions:
    """What is true of rows of predictions, and what belongs together; arrays (N,).

    Attributes:
        label: 0 or 1, or class indices.
        group: the patient; None where each row is one.
        repeat: the repeat (seed) of a cross-validation; None where there is one.
        fold: the fold, whose network gave the scores; None where one network gave all.
        seed, samples: of the bootstrap.
    """

    label: np.ndarray
    group: np.ndarray | None = None
    repeat: np.ndarray | None = None
    fold: np.ndarray | None = None
    seed: int = 0
    samples: int = SAMPLES

    @property
    def independent(self) -> bool:
        """Whether every row is another patient, as far as is known."""
        return self.repeat is None and self.patients == len(self.label)

    @property
    def patients(self) -> int:
        """How many there are."""
        return len(self.label) if self.group is None else len(np.unique(self.group))

    @property
    def strata(self) -> np.ndarray | None:
        """(N,) a number for each repeat and fold: scores of one network; None for one network."""
        columns = [
            numbered(one, len(self.label)) for one in (self.repeat, self.fold) if one is not None
        ]
        if not columns:
            return None
        return np.unique(np.column_stack(columns), axis=0, return_inverse=True)[1].ravel()

    def where(self, kept: np.ndarray) -> Predictions:
        """Some of the rows, by a mask (N,)."""
        group, repeat, fold = (
            None if values is None else values[kept]
            for values in (self.group, self.repeat, self.fold)
        )
        return replace(self, label=self.label[kept], group=group, repeat=repeat, fold=fold)

    def auc(self, score: np.ndarray) -> Measure:
        """The area under the ROC curve, of pairs of rows that one network scored."""
        low, high = auc_interval(self.label, score, strata=self.strata, groups=self.group)
        return Measure(auc(self.label, score, self.strata), low, high, self._delong())

    def auc_difference(self, score: np.ndarray, other: np.ndarray) -> tuple[Measure, float]:
        """How much larger the score's AUC is than the other's; p of there being no difference."""
        found = paired_difference(self.label, score, other, strata=self.strata, groups=self.group)
        return Measure(found.value, found.low, found.high, f"{self._delong()}, paired"), found.p

    def macro_auc(self, p: np.ndarray) -> Measure:
        """AUC of each class against all others, averaged; of values (N, classes)."""
        low, high = macro_auc_interval(self.label, p, strata=self.strata, groups=self.group)
        return Measure(macro_auc(self.label, p, self.strata), low, high, self._delong())

    def of(
        self,
        statistic: Callable[..., float],
        *columns: np.ndarray,
        most: int | None = None,
        stratify: bool = False,
    ) -> Measure:
        """Any statistic of labels and columns, by at most `most` samples of the bootstrap.

        It is computed within each repeat and averaged. `stratify` where it does not depend on how
        common the classes are.
        """
        n = min(self.samples, most or self.samples)
        method = "bootstrap" if self.group is None else "bootstrap of patients"
        if self.repeat is None:
            found = bootstrap(
                statistic,
                self.label,
                *columns,
                groups=self.group,
                n=n,
                seed=self.seed,
                stratify=stratify,
            )
        else:
            found = repeated(
                lambda labels, at: statistic(labels, *(column[at] for column in columns)),
                self.label,
                np.arange(len(self.label)),
                self.repeat,
                groups=self.group,
                n=n,
                seed=self.seed,
                stratify=stratify,
            )
            method = f"mean of repeats, {method}"
        return Measure(found.value, found.low, found.high, method)

    def _delong(self) -> str:
        words = ["DeLong" if self.independent else "DeLong by patient"]
        words += ["mean of repeats"] if self.repeat is not None else []
        words += ["within folds"] if self.fold is not None else []
        return ", ".join(words)
