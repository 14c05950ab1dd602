"""Ablation of an integration network: measures of each compared model on held-out patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import one_line
from ...statistics.agreement import weighted_kappa
from ...statistics.calibration import brier
from ...statistics.classification import confusion
from ...statistics.discrimination import balanced_accuracy
from ...statistics.intervals import SAMPLES, Estimate, is_significant, permutation_test
from ...statistics.text import format_estimate, format_number, format_permutation_p
from ...training.card import predictions_of
from ...training.integration.data import CLINICAL, LOGISTIC, Setup

Rows = Sequence[Mapping[str, str]]
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
    """The network with all sources less another arm, in the measure that counts.

    `baseline`: the other arm is no network of ours with fewer sources, and has to be beaten.
    """

    name: str
    value: Estimate
    baseline: bool


@dataclass(frozen=True)
class Ablation:
    """All arms on the same patients, the network with all sources first.

    Attributes:
        measure: the one that counts; `chance`: what it comes to by chance.
        p: how often so many `shuffles` of the labels reach the network's balanced accuracy.
        confusion: (K, K) its answers, rows true, all seeds.
    """

    measure: str
    chance: float
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    p: float
    shuffles: int
    confusion: np.ndarray
    tested: int

    @property
    def main(self) -> Estimate:
        """What the network with all sources reaches."""
        return self.arms[0].measures[self.measure]

    @property
    def above_chance(self) -> bool:
        """Whether the network separates the classes: by its interval, and by enough shuffles."""
        return self.main.low > self.chance and is_significant(self.p, self.shuffles)

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """The baselines than which the network is not shown to be better."""
        return tuple(one.name for one in self.differences if one.baseline and one.value.low <= 0)


def ablation(setup: Setup, rows: Rows, *, samples: int = SAMPLES, seed: int = 0) -> Ablation:
    """Measure every arm on the answers out of fold.

    Args:
        setup: the run.
        rows: of its `predictions.csv`.
        samples: of the bootstrap, and shuffles of the permutation test.
        seed: of both.
    """
    test = [row for row in rows if row["part"] == "test"]
    y = np.array([setup.classes.index(row[setup.options.label]) for row in test])
    held_out = replace(predictions_of(test, y), seed=seed, samples=samples)
    scored = replace(held_out, label=(y == setup.positive).astype(int))
    measure, chance = (AUC, 0.5) if len(setup.classes) == 2 else (BALANCED, 1 / len(setup.classes))

    def kappa(y: np.ndarray, answered: np.ndarray) -> float:
        return weighted_kappa(confusion(y, answered, range(len(setup.classes))))

    measured: dict[str, Callable[[np.ndarray], Estimate]] = {
        AUC: scored.auc,
        BALANCED: lambda answered: held_out.bootstrap(balanced_accuracy, answered, stratify=True),
        BRIER: lambda score: scored.bootstrap(brier, score),
        KAPPA: lambda answered: held_out.bootstrap(kappa, answered),
        MACRO: held_out.macro_auc,
    }

    def difference(one: np.ndarray, other: np.ndarray) -> Estimate:
        if measure == AUC:
            return scored.auc_difference(one, other)[0]
        return held_out.bootstrap(
            lambda y, a, b: balanced_accuracy(y, a) - balanced_accuracy(y, b),
            one,
            other,
            stratify=True,
        )

    said = {arm: _said(setup, arm, test) for arm in ("", *setup.compared_models)}
    predicted, seeds = said[""][BALANCED], np.array([row["seed"] for row in test])
    chosen = [np.flatnonzero(seeds == one) for one in np.unique(seeds)]

    def mean(labels: np.ndarray) -> float:
        return float(np.mean([balanced_accuracy(labels[n], predicted[n]) for n in chosen]))

    return Ablation(
        measure=measure,
        chance=chance,
        arms=tuple(
            Arm(name_of(setup, arm), {name: measured[name](its[name]) for name in its})
            for arm, its in said.items()
        ),
        differences=tuple(
            Difference(
                name_of(setup, arm),
                difference(said[""][measure], said[arm][measure]),
                arm in (LOGISTIC, CLINICAL, *setup.reference_scores),
            )
            for arm in setup.compared_models
        ),
        p=permutation_test(mean, y, groups=held_out.group, n=samples, seed=seed).p,
        shuffles=samples,
        confusion=confusion(y, predicted, range(len(setup.classes))),
        tested=held_out.patients,
    )


def name_of(setup: Setup, arm: str) -> str:
    """What people read of an arm."""
    if arm in setup.reference_scores:
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

    if arm in setup.reference_scores:
        return {AUC: column(arm)}
    before = f"{arm} " if arm else ""
    predicted = np.array([setup.classes.index(row[f"{before}predicted"]) for row in rows])
    if len(setup.classes) == 2:
        score = column(arm or "score")
        return {AUC: score, BALANCED: predicted, BRIER: score}
    p = np.stack([column(f"{before}p_{name}") for name in setup.classes], axis=1)
    return {BALANCED: predicted, KAPPA: predicted, MACRO: p}


_NAMES = {"histology": "Histology", "t_stage": "T stage", "survival2y": "Survival at two years"}


def label_of(setup: Setup) -> str:
    """The label, for people."""
    label = setup.options.label
    return _NAMES.get(label, f"'{one_line(label, most=60)}'")


def _in_a_sentence(label: str) -> str:
    return label if label == "T stage" else label[0].lower() + label[1:]


def findings(setup: Setup, found: Ablation) -> tuple[str, ...]:
    """What came out, first things first."""
    return tuple(_findings(setup, found))


def _findings(setup: Setup, found: Ablation) -> Iterator[str]:
    label = label_of(setup)
    if not found.above_chance:
        first = f"{label} cannot be separated from these data"
    elif found.unbeaten:
        first = f"The network separates {_in_a_sentence(label)} better than chance, but is not "
        first += f"shown to do so better than {' or '.join(found.unbeaten)}"
    else:
        first = f"{label} can be separated from these data"
    first += (
        f": {found.measure} {format_estimate(found.main)}, chance {format_number(found.chance)}"
    )
    if found.measure != BALANCED:
        balanced = found.arms[0].measures[BALANCED]
        first += f"; balanced accuracy {format_estimate(balanced)}"
    yield f"{first}, {format_permutation_p(found.p, found.shuffles)}; {found.tested} patients."
    for one in found.differences:
        difference = f"difference of the {found.measure} {format_estimate(one.value)}"
        if one.value.low > 0:
            yield f"The network does better than {one.name}: {difference}."
        elif one.value.high < 0:
            yield f"The network does worse than {one.name}: {difference}."
        else:
            yield f"No difference between the network and {one.name} is shown: {difference}."


def cautions(setup: Setup, found: Ablation) -> tuple[str, ...]:
    """What to mind before believing the numbers."""
    said = [*setup.warnings]
    if setup.options.allow_leakage:
        said.append("Columns that look like the label were allowed: the result may be theirs.")
    if len(found.differences) > 1:
        said.append(
            f"The network was compared with {len(found.differences)} others; intervals are not "
            "corrected for several looks."
        )
    return tuple(said)
