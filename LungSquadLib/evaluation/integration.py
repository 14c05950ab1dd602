"""Evaluation of an integration network: ablation on held-out patients, and columns' importance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ..errors import one_line
from ..statistics.agreement import weighted_kappa
from ..statistics.calibration import brier
from ..statistics.classification import confusion
from ..statistics.discrimination import balanced_accuracy
from ..statistics.intervals import SAMPLES, Estimate, is_significant, permutation_test
from ..statistics.text import format_estimate, format_number, format_permutation_p
from ..training.card import predictions_of
from ..training.integration.data import CLINICAL, LOGISTIC, Setup

Rows = Sequence[Mapping[str, str]]
AUC, BRIER, BALANCED = "AUC", "Brier score", "balanced accuracy"
KAPPA, MACRO = "quadratic-weighted kappa", "macro AUC"


@dataclass(frozen=True)
class ComparedModel:
    """A compared model: its name, and each measure, the mean over seeds, with its interval.

    Reference scores have an AUC only.
    """

    name: str
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Difference:
    """The main measure of the network with all sources less that of another model.

    `baseline`: the other model is not the network with fewer sources, and has to be beaten.
    """

    name: str
    value: Estimate
    baseline: bool


@dataclass(frozen=True)
class Ablation:
    """All compared models on the same patients, the network with all sources first.

    Attributes:
        measure: the main one; `chance`: its value by chance.
        p: of a test of the network's balanced accuracy by `permutations` of the labels.
        confusion: (K, K) of the network, rows true, all seeds.
        patients: number of held-out patients.
    """

    measure: str
    chance: float
    models: tuple[ComparedModel, ...]
    differences: tuple[Difference, ...]
    p: float
    permutations: int
    confusion: np.ndarray
    patients: int

    @property
    def main(self) -> Estimate:
        """The main measure of the network with all sources."""
        return self.models[0].measures[self.measure]

    @property
    def above_chance(self) -> bool:
        """Whether the network separates the classes: by its interval and by the permutations."""
        return self.main.low > self.chance and is_significant(self.p, self.permutations)

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """Names of the baselines that the network does not demonstrably beat."""
        return tuple(
            each.name for each in self.differences if each.baseline and each.value.low <= 0
        )


def ablation(setup: Setup, rows: Rows, *, samples: int = SAMPLES, seed: int = 0) -> Ablation:
    """Measure each compared model on its out-of-fold predictions.

    Args:
        setup: the run.
        rows: of its `predictions.csv`.
        samples: number of bootstrap samples and of permutations.
        seed: of both.
    """
    test = [row for row in rows if row["part"] == "test"]
    y = np.array([setup.classes.index(row[setup.options.label]) for row in test])
    held_out = replace(predictions_of(test, y), seed=seed, samples=samples)
    scored = replace(held_out, label=(y == setup.positive).astype(int))
    measure, chance = (AUC, 0.5) if len(setup.classes) == 2 else (BALANCED, 1 / len(setup.classes))

    def kappa(y: np.ndarray, predicted_: np.ndarray) -> float:
        return weighted_kappa(confusion(y, predicted_, range(len(setup.classes))))

    measured: dict[str, Callable[[np.ndarray], Estimate]] = {
        AUC: scored.auc,
        BALANCED: lambda predicted_: held_out.bootstrap(
            balanced_accuracy, predicted_, stratify=True
        ),
        BRIER: lambda score: scored.bootstrap(brier, score),
        KAPPA: lambda predicted_: held_out.bootstrap(kappa, predicted_),
        MACRO: held_out.macro_auc,
    }

    def difference(first: np.ndarray, second: np.ndarray) -> Estimate:
        if measure == AUC:
            return scored.auc_difference(first, second)[0]
        return held_out.bootstrap(
            lambda y, a, b: balanced_accuracy(y, a) - balanced_accuracy(y, b),
            first,
            second,
            stratify=True,
        )

    predictions = {
        model: _predictions(setup, model, test) for model in ("", *setup.compared_models)
    }
    main_predicted, seeds = predictions[""][BALANCED], np.array([row["seed"] for row in test])
    rows_of_seed = [np.flatnonzero(seeds == first) for first in np.unique(seeds)]

    def mean(labels: np.ndarray) -> float:
        return float(
            np.mean([balanced_accuracy(labels[n], main_predicted[n]) for n in rows_of_seed])
        )

    return Ablation(
        measure=measure,
        chance=chance,
        models=tuple(
            ComparedModel(
                model_name(setup, model), {name: measured[name](columns[name]) for name in columns}
            )
            for model, columns in predictions.items()
        ),
        differences=tuple(
            Difference(
                model_name(setup, model),
                difference(predictions[""][measure], predictions[model][measure]),
                model in (LOGISTIC, CLINICAL, *setup.reference_scores),
            )
            for model in setup.compared_models
        ),
        p=permutation_test(mean, y, groups=held_out.group, n=samples, seed=seed).p,
        permutations=samples,
        confusion=confusion(y, main_predicted, range(len(setup.classes))),
        patients=held_out.patients,
    )


def model_name(setup: Setup, model: str) -> str:
    """Return the name of a compared model, for people."""
    if model in setup.reference_scores:
        return f"'{one_line(model, most=60)}'"
    names = {
        "": "the network",
        LOGISTIC: "logistic regression",
        CLINICAL: "clinical variables only",
    }
    return names.get(model, f"the network with {model}")


def _predictions(setup: Setup, model: str, rows: Rows) -> dict[str, np.ndarray]:
    """The predictions of a model, by the measure that uses them; AUC only for reference scores."""

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) for row in rows])

    if model in setup.reference_scores:
        return {AUC: column(model)}
    prefix = f"{model} " if model else ""
    predicted = np.array([setup.classes.index(row[f"{prefix}predicted"]) for row in rows])
    if len(setup.classes) == 2:
        score = column(model or "score")
        return {AUC: score, BALANCED: predicted, BRIER: score}
    p = np.stack([column(f"{prefix}p_{name}") for name in setup.classes], axis=1)
    return {BALANCED: predicted, KAPPA: predicted, MACRO: p}


_NAMES = {"histology": "Histology", "t_stage": "T stage", "survival2y": "Survival at two years"}


def label_of(setup: Setup) -> str:
    """Return the label, for people."""
    label = setup.options.label
    return _NAMES.get(label, f"'{one_line(label, most=60)}'")


def _in_a_sentence(label: str) -> str:
    return label if label == "T stage" else label[0].lower() + label[1:]


def findings(setup: Setup, ablation: Ablation) -> tuple[str, ...]:
    """Return the findings, the most important first."""
    return tuple(_findings(setup, ablation))


def _findings(setup: Setup, ablation: Ablation) -> Iterator[str]:
    label = label_of(setup)
    if not ablation.above_chance:
        first = f"{label} cannot be predicted from these data"
    elif ablation.unbeaten:
        first = f"The network separates {_in_a_sentence(label)} better than chance, but not "
        first += f"demonstrably better than {' or '.join(ablation.unbeaten)}"
    else:
        first = f"{label} can be predicted from these data"
    first += f": {ablation.measure} {format_estimate(ablation.main)}"
    first += f", chance {format_number(ablation.chance)}"
    if ablation.measure != BALANCED:
        balanced = ablation.models[0].measures[BALANCED]
        first += f"; balanced accuracy {format_estimate(balanced)}"
    p = format_permutation_p(ablation.p, ablation.permutations)
    yield f"{first}, {p}; {ablation.patients} patients."
    for each in ablation.differences:
        difference = f"difference of the {ablation.measure} {format_estimate(each.value)}"
        if each.value.low > 0:
            yield f"The network does better than {each.name}: {difference}."
        elif each.value.high < 0:
            yield f"The network does worse than {each.name}: {difference}."
        else:
            yield f"No difference between the network and {each.name} is shown: {difference}."


def cautions(setup: Setup, ablation: Ablation) -> tuple[str, ...]:
    """Return the limitations."""
    sentences = [*setup.warnings]
    if setup.options.allow_leakage:
        sentences.append(
            "Columns that may leak the label were allowed (--allow-leakage). They may explain "
            "the result."
        )
    if len(ablation.differences) > 1:
        sentences.append(
            f"The network was compared with {len(ablation.differences)} other models; intervals "
            "are not corrected for multiple comparisons."
        )
    return tuple(sentences)


TOP = 20


@dataclass(frozen=True)
class Column:
    """The importance of a column over all trainings of a cross-validation.

    Attributes:
        selected: fraction of the trainings that selected it.
        rank: its mean rank among the selected ones, 1 the most important.
        importance, low, high: mean absolute attribution to the log odds, 0 where it was not
            selected, and the range of 95 % of the trainings.
        effect: mean change of the log odds of the positive class with each standard deviation.
    """

    source: str
    name: str
    selected: float
    rank: float
    importance: float
    low: float
    high: float
    effect: float


@dataclass(frozen=True)
class Importance:
    """All columns that were ever selected, the most important first.

    Attributes:
        shared: mean number of columns that the `TOP` of two trainings share; None for one
            training.
    """

    columns: tuple[Column, ...]
    trainings: int
    shared: float | None


def importance(tables: Sequence[Sequence[Mapping[str, str]]]) -> Importance:
    """Compute the importance from the tables `columns.csv` of all trainings."""
    rows: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for table in tables:
        for row in table:
            rows.setdefault((row["source"], row["column"]), []).append(row)
    columns = [_column(key, rows_, len(tables)) for key, rows_ in rows.items()]
    columns.sort(key=lambda column: (-column.importance, column.source, column.name))
    tops = [
        {(row["source"], row["column"]) for row in table if int(row["rank"]) <= TOP}
        for table in tables
    ]
    shared = [len(column & second) for column, second in combinations(tops, 2)]
    return Importance(tuple(columns), len(tables), float(np.mean(shared)) if shared else None)


def _column(key: tuple[str, str], rows: Sequence[Mapping[str, str]], trainings: int) -> Column:
    sizes = np.zeros(trainings)
    sizes[: len(rows)] = [float(row["importance"]) for row in rows]
    low, high = np.quantile(sizes, (0.025, 0.975))
    return Column(
        source=key[0],
        name=key[1],
        selected=len(rows) / trainings,
        rank=float(np.mean([int(row["rank"]) for row in rows])),
        importance=float(sizes.mean()),
        low=float(low),
        high=float(high),
        effect=float(np.mean([float(row["effect"]) for row in rows])),
    )
