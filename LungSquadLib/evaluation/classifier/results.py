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

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Counts:
    """Numbers of rows and patients; `patients`, `repeats`, `folds` are None without their columns.

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
    """Discrimination of the score. Curves pool all repeats and folds."""

    auc: Estimate
    average_precision: Estimate
    prevalence: float
    roc: Curve
    pr: Curve
    lowest: float
    highest: float


@dataclass(frozen=True)
class Baseline:
    """A score to compare with, on the rows that have both scores.

    Attributes:
        turned: its sign was turned, for it was higher for the negative class.
        auc, score_auc: of the baseline and of the score, on the same `n` rows.
        difference: of the score's AUC to the baseline's; `p` of no difference, by DeLong.
    """

    name: str
    inverted: bool
    n: int
    auc: Estimate
    score_auc: Estimate
    difference: Estimate
    p: float
    roc: Curve


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling fitted on validation rows, and its effect on test rows."""

    value: float
    brier: float
    ece: float
    log_loss: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of the probabilities; `brier_reference` is the Brier score of the prevalence."""

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
    """An operating point, how it was chosen, and its measures on test rows."""

    value: float
    how: str
    measures: AtThreshold


@dataclass(frozen=True)
class HardPredictions:
    """Predicted classes: source, confusion matrix (K, K; rows true), classification report."""

    source: str
    confusion: np.ndarray
    report: Report


@dataclass(frozen=True)
class Survival:
    """Survival of patients above and below a score.

    Attributes:
        cut: the score between the groups; `how` it was chosen.
        concordance: Harrell's C of higher scores with earlier events; below one half, higher scores
            survive longer.
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
    """Histograms of the scores of each class, with B + 1 edges."""

    edges: np.ndarray
    negative: np.ndarray
    positive: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """All results; parts that the table does not allow are None.

    Attributes:
        headline: the findings in sentences; `cautions`: limitations; `notes`: methods.
    """

    columns: Columns
    classes: tuple[str, ...]
    counts: Counts
    discrimination: Discrimination | None = None
    baselines: tuple[Baseline, ...] = ()
    calibration: Calibration | None = None
    decision: DecisionCurve | None = None
    thresholds: tuple[Threshold, ...] = ()
    hard_predictions: HardPredictions | None = None
    survival: Survival | None = None
    distribution: Distribution | None = None
    headline: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON; null where a number is not defined."""
        described = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        return {"format_version": FORMAT_VERSION, **described}


def plain(value: Any) -> Any:
    """Convert dataclasses and arrays, also nested, to JSON types; NaN and infinity to None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class StudyDescription:
    """How a score came about; unknown items stay None or empty, and blank in the checklist.

    Attributes:
        title: of the page; `question`: one sentence.
        data: where the patients come from.
        patients: the number in each part, by the part's name.
        excluded: reasons why cases were left out before, and numbers.
        network: architecture and initial weights; `preprocessing`: of every case.
        split_hash: identifies the split; `seeds`: of the runs.
        learning_curve: (training patients, seed, AUC), a row a run.
        permuted_aucs: AUCs of runs with permuted training labels.
        software: version by name.
        card: of the final model.
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
    permuted_aucs: tuple[float, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None
