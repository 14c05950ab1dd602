"""Labelled rows of an evaluation, and measures of their scores with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .checks import patients as patient_numbers
from .discrimination import auc, auc_interval, macro_auc, macro_auc_interval, paired_difference
from .intervals import SAMPLES, Estimate, bootstrap, repeated


@dataclass(frozen=True)
class LabelledRows:
    """Labels of the rows that are evaluated, and the structure of the rows; arrays (N,).

    Attributes:
        label: 0 or 1, or class indices.
        group: the patient; None where each row is a patient.
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
        """The number of patients."""
        return len(self.label) if self.group is None else len(np.unique(self.group))

    @property
    def strata(self) -> np.ndarray | None:
        """(N,) a number for each repeat and fold: scores of one network; None for one network."""
        columns = [
            patient_numbers(column, len(self.label))
            for column in (self.repeat, self.fold)
            if column is not None
        ]
        if not columns:
            return None
        return np.unique(np.column_stack(columns), axis=0, return_inverse=True)[1].ravel()

    def where(self, kept: np.ndarray) -> LabelledRows:
        """Return the rows of a mask (N,)."""
        group, repeat, fold = (
            None if values is None else values[kept]
            for values in (self.group, self.repeat, self.fold)
        )
        return replace(self, label=self.label[kept], group=group, repeat=repeat, fold=fold)

    def auc(self, score: np.ndarray) -> Estimate:
        """Estimate the area under the ROC curve, of pairs of rows that one network scored."""
        low, high = auc_interval(self.label, score, strata=self.strata, groups=self.group)
        return Estimate(auc(self.label, score, self.strata), low, high, self._delong())

    def auc_difference(self, score: np.ndarray, reference: np.ndarray) -> tuple[Estimate, float]:
        """Estimate the AUC of a score less that of a reference score, and p of no difference."""
        difference, p = paired_difference(
            self.label, score, reference, strata=self.strata, groups=self.group
        )
        return replace(difference, method=f"{self._delong()}, paired"), p

    def macro_auc(self, p: np.ndarray) -> Estimate:
        """Estimate the AUC of each class against the rest, averaged; of values (N, classes)."""
        low, high = macro_auc_interval(self.label, p, strata=self.strata, groups=self.group)
        return Estimate(macro_auc(self.label, p, self.strata), low, high, self._delong())

    def bootstrap(
        self,
        statistic: Callable[..., float],
        *columns: np.ndarray,
        most: int | None = None,
        stratify: bool = False,
    ) -> Estimate:
        """Estimate any statistic of labels and columns, by at most `most` bootstrap samples.

        It is computed within each repeat and averaged. `stratify` where it does not depend on the
        prevalence of the classes.
        """
        n = min(self.samples, most or self.samples)
        if self.repeat is None:
            return bootstrap(
                statistic,
                self.label,
                *columns,
                groups=self.group,
                n=n,
                seed=self.seed,
                stratify=stratify,
            )
        return repeated(
            lambda labels, rows: statistic(labels, *(column[rows] for column in columns)),
            self.label,
            np.arange(len(self.label)),
            self.repeat,
            groups=self.group,
            n=n,
            seed=self.seed,
            stratify=stratify,
        )

    def _delong(self) -> str:
        words = ["DeLong" if self.independent else "DeLong by patient"]
        words += ["mean of repeats"] if self.repeat is not None else []
        words += ["within folds"] if self.fold is not None else []
        return ", ".join(words)
