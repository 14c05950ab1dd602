"""What a training of the integration network found, measured on the patients held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import one_line
from ...statistics.agreement import weighted_kappa
from ...statistics.bootstrap import Estimate, repeated
from ...statistics.calibration import brier
from ...statistics.discrimination import auc
from ...statistics.multiclass import balanced_accuracy, macro_auc
from ...statistics.permutation import permutation_test
from ...statistics.report import confusion
from ...training.integration_setup import CLINICAL, LOGISTIC, Setup

Rows = Sequence[Mapping[str, str]]
Statistic = Callable[..., float]
AUC, BRIER, BALANCED = "AUC", "Brier score", "balanced accuracy"
KAPPA, MACRO = "quadratic-weighted kappa", "macro AUC"


@dataclass(frozen=True)
class Arm:
    """Something that answers: its name, and each measure, the mean over seeds, with its interval.

    Scores of others have an AUC alone.
    """

    name: str
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Difference:
    """The network with all sources less another arm, in the measure that counts."""

    name: str
    value: Estimate


@dataclass(frozen=True)
class Ablation:
    """All arms on the same patients, the network with all sources first.

    Attributes:
        measure: the one that counts; `chance`: what it comes to by chance.
        p: how often shuffled labels reach the network's balanced accuracy.
        confusion: (K, K) its answers, rows true, all seeds.
    """

    measure: str
    chance: float
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    p: float
    confusion: np.ndarray
    tested: int

    @property
    def main(self) -> Estimate:
        """What the network with all sources reaches."""
        return self.arms[0].measures[self.measure]

    @property
    def told(self) -> bool:
        """Whether the label can be told from these data."""
        return self.main.low > self.chance and self.p < 0.05


def ablation(setup: Setup, rows: Rows, *, samples: int = 1000, seed: int = 0) -> Ablation:
    """Measure every arm on the answers out of fold.

    Args:
        setup: the run.
        rows: of its `predictions.csv`.
        samples: of the bootstrap, and shuffles of the permutation test.
        seed: of both.
    """
    test = [row for row in rows if row["part"] == "test"]
    y = np.array([setup.classes.index(row[setup.options.label]) for row in test])
    seeds, patients = (np.array([row[name] for row in test]) for name in ("seed", "patient"))
    measure, chance = (AUC, 0.5) if len(setup.classes) == 2 else (BALANCED, 1 / len(setup.classes))
    statistics = _statistics(setup)

    def drawn(statistic: Statistic, columns: np.ndarray) -> Estimate:
        return repeated(statistic, y, columns, seeds, groups=patients, n=samples, seed=seed)

    said = {arm: _said(setup, arm, test) for arm in ("", *setup.arms)}
    arms = [
        Arm(name_of(setup, arm), {name: drawn(statistics[name], its[name]) for name in its})
        for arm, its in said.items()
    ]
    differences = []
    for arm in setup.arms:
        pair = np.stack([said[""][measure], said[arm][measure]], axis=-1)
        difference = drawn(_difference(statistics[measure]), pair)
        differences.append(Difference(name_of(setup, arm), difference))
    predicted = said[""][BALANCED]
    chosen = [np.flatnonzero(seeds == one) for one in np.unique(seeds)]

    def mean(labels: np.ndarray) -> float:
        return float(np.mean([balanced_accuracy(labels[n], predicted[n]) for n in chosen]))

    return Ablation(
        measure=measure,
        chance=chance,
        arms=tuple(arms),
        differences=tuple(differences),
        p=permutation_test(mean, y, groups=patients, n=samples, seed=seed).p,
        confusion=confusion(y, predicted, range(len(setup.classes))),
        tested=len(np.unique(patients)),
    )


def name_of(setup: Setup, arm: str) -> str:
    """What people read of an arm."""
    if arm in setup.beside:
        return f"'{one_line(arm, most=60)}'"
    names = {
        "": "the network",
        LOGISTIC: "logistic regression",
        CLINICAL: "clinical facts alone",
    }
    return names.get(arm, f"the network with {arm}")


def _said(setup: Setup, arm: str, rows: Rows) -> dict[str, np.ndarray]:
    """What an arm says, as each measure takes it; of the scores of others there is one measure."""

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) for row in rows])

    if arm in setup.beside:
        return {AUC: column(arm)}
    before = f"{arm} " if arm else ""
    predicted = np.array([setup.classes.index(row[f"{before}predicted"]) for row in rows])
    if len(setup.classes) == 2:
        score = column(arm or "score")
        return {AUC: score, BALANCED: predicted, BRIER: score}
    p = np.stack([column(f"{before}p_{name}") for name in setup.classes], axis=1)
    return {BALANCED: predicted, KAPPA: predicted, MACRO: p}


def _statistics(setup: Setup) -> dict[str, Statistic]:
    """Each measure, of class indices and what `_said` gives for it."""

    def of_positive(statistic: Statistic) -> Statistic:
        return lambda y, score: statistic((y == setup.positive).astype(int), score)

    def kappa(y: np.ndarray, answered: np.ndarray) -> float:
        return weighted_kappa(confusion(y, answered, range(len(setup.classes))))

    return {
        AUC: of_positive(auc),
        BALANCED: balanced_accuracy,
        BRIER: of_positive(brier),
        KAPPA: kappa,
        MACRO: macro_auc,
    }


def _difference(statistic: Statistic) -> Statistic:
    return lambda y, pair: statistic(y, pair[..., 0]) - statistic(y, pair[..., 1])
