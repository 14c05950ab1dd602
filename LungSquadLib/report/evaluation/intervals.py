"""Which interval fits the rows: DeLong's, or the bootstrap of patients, within repeats or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...statistics.bootstrap import bootstrap, repeated
from ...statistics.discrimination import auc, auc_interval, paired_difference
from .results import Measure
from .rows import Rows


@dataclass(frozen=True)
class Intervals:
    """Measures of rows with their intervals; `seed` and `samples` are the bootstrap's."""

    rows: Rows
    seed: int
    samples: int

    @property
    def independent(self) -> bool:
        """Whether every row is another patient, as far as the table tells."""
        group = self.rows.group
        return self.rows.repeat is None and (
            group is None or len(np.unique(group)) == len(self.rows)
        )

    def auc(self, score: np.ndarray) -> Measure:
        """The area under the ROC curve."""
        if self.independent:
            return Measure(
                auc(self.rows.label, score), *auc_interval(self.rows.label, score), "DeLong"
            )
        return self.of(auc, score)

    def auc_difference(self, score: np.ndarray, other: np.ndarray) -> tuple[Measure, float | None]:
        """How much larger the score's AUC is than the other's; p where rows are independent."""
        if self.independent:
            found = paired_difference(self.rows.label, score, other)
            return Measure(found.value, found.low, found.high, "DeLong, paired"), found.p
        return self.of(lambda y, a, b: auc(y, a) - auc(y, b), score, other), None

    def of(
        self, statistic: Callable[..., float], *columns: np.ndarray, most: int | None = None
    ) -> Measure:
        """Any statistic of labels and columns, by at `most` so many samples of the bootstrap."""
        n = min(self.samples, most or self.samples)
        y, group, repeat = self.rows.label, self.rows.group, self.rows.repeat
        if repeat is None:
            found = bootstrap(
                statistic, y, *columns, groups=group, n=n, seed=self.seed, stratify=False
            )
            method = "bootstrap" if group is None else "bootstrap of patients"
        else:
            found = repeated(
                lambda labels, at: statistic(labels, *(column[at] for column in columns)),
                y,
                np.arange(len(y)),
                repeat,
                groups=group,
                n=n,
                seed=self.seed,
                stratify=False,
            )
            method = "mean of repeats, bootstrap of patients"
        return Measure(found.value, found.low, found.high, method)
