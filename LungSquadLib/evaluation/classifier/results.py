"""The results of an evaluation of a classifier, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from ...models.card import Card
from ...statistics.calibration import CalibrationCurve
from ...statistics.classification import AtThreshold, DecisionCurve, Report
from ...statistics.discrimination import Curve
from ...statistics.intervals import Estimate
from ...statistics.survival import KaplanMeier, LogRank
from .rows import Columns

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Counts:
    """Who was evaluated; `patients`, `repeats`, `folds` are None where no column tells them.

    `folds_of_one_class` are those, of all repeats, that add no pair to an AUC.
    """

    rows: int
    used: int
    per_class: tuple[int, ...]
    patients: int | None
    repeats: int | None
    folds: int | None
    folds_of_one_class: int
    validation: int | None
    left_out: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Discrimination:
    """How well the score separates the classes. Curves pool all repeats and folds."""

    auc: Estimate
    average_precision: Estimate
    prevalence: float
    roc: Curve
    pr: Curve
    lowest: float
    highest: float


@dataclass(frozen=True)
class Baseline:
    """Another score beside the one that is evaluated, on the rows that have both.

    Attributes:
        turned: its sign was turned, for it was higher for the negative class.
        auc, score_auc: of the baseline and of the score, on the same `n` rows.
        difference: of the score's AUC to the baseline's; `p` of no difference, by DeLong.
    """

    name: str
    turned: bool
    n: int
    auc: Estimate
    score_auc: Estimate
    difference: Estimate
    p: float
    roc: Curve


@dataclass(frozen=True)
class Temperature:
    """What dividing the log odds by a temperature, fitted on validation rows, does on test rows."""

    value: float
    brier: float
    ece: float
    log_loss: float


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say; `brier_reference` is that of the prevalence."""

    brier: Estimate
    brier_reference: float
    brier_skill: float
    log_loss: float
    ece: float
    intercept: float
    slope: Estimate
    in_the_large: Estimate
    curve: CalibrationCurve
    temperature: Temperature | None


@dataclass(frozen=True)
class Threshold:
    """An operating point, how it was arrived at, and what it gives on test rows."""

    value: float
    how: str
    measures: AtThreshold


@dataclass(frozen=True)
class Answers:
    """Hard answers: where they are from, counts (K, K; rows true), and the usual report."""

    source: str
    confusion: np.ndarray
    report: Report


@dataclass(frozen=True)
class Survival:
    """Patients above and below a score, followed over time.

    Attributes:
        cut: the score that parts the groups; `how` it was found.
        concordance: Harrell's C of higher scores with earlier events; below one half, higher scores
            live longer.
    """

    n: int
    events: int
    cut: float
    how: str
    low: KaplanMeier
    high: KaplanMeier
    log_rank: LogRank
    concordance: Estimate


@dataclass(frozen=True)
class Distribution:
    """How many rows of each class have a score between one edge (B + 1) and the next."""

    edges: np.ndarray
    negative: np.ndarray
    positive: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Everything; parts that the table does not allow are None.

    Attributes:
        headline: what was found, as sentences; `cautions`: what to mind; `notes`: what was done.
    """

    columns: Columns
    classes: tuple[str, ...]
    counts: Counts
    discrimination: Discrimination | None = None
    baselines: tuple[Baseline, ...] = ()
    calibration: Calibration | None = None
    decision: DecisionCurve | None = None
    thresholds: tuple[Threshold, ...] = ()
    answers: Answers | None = None
    survival: Survival | None = None
    distribution: Distribution | None = None
    headline: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; null where a number is not defined."""
        found = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        return {"format_version": FORMAT_VERSION, **found}


def plain(value: Any) -> Any:
    """What JSON can hold of a dataclass, an array, or what holds them; None for NaN, infinity."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Facts:
    """What is not known stays None or empty, and blank in the checklist.

    Attributes:
        title: of the page; `question`: one sentence.
        data: where the patients come from.
        patients: how many in each part, by the part's name.
        excluded: why cases were left out before, and how many.
        network: which, and what it starts from; `preprocessing`: what was done to every case.
        split_hash: names the split; `seeds`: of the runs.
        learning_curve: (training patients, seed, AUC), a row a run.
        shuffled: AUCs of runs whose training labels were shuffled.
        software: version by name.
        card: of the model that the run ended in.
    """

    title: str | None = None
    question: str | None = None
    data: str | None = None
    patients: Mapping[str, int] = field(default_factory=dict)
    excluded: tuple[tuple[str, int], ...] = ()
    network: str | None = None
    preprocessing: str | None = None
    split_hash: str | None = None
    seeds: tuple[int, ...] = ()
    learning_curve: tuple[tuple[int, int, float], ...] = ()
    shuffled: tuple[float, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None
