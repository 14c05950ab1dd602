"""The prediction of a model about a tumour: probabilities, interval, OOD score, saliency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..imaging.crop import Crop
from ..imaging.flags import Flag
from ..models.card import Card, Metric

LEVEL = 0.95  # of the intervals
NO_PROOF = (
    "It shows how much the prediction depends on things that should not matter; it does not show "
    "whether the network is right about such patients."
)


@dataclass(frozen=True)
class Interval:
    """Range of the probability under changes that should not matter, and which these were."""

    low: float
    high: float
    level: float
    explanation: str


@dataclass(frozen=True)
class Robustness:
    """The probability of the positive class for shifted crops.

    `probabilities` has one for each position, by its offset from the crop in voxels along the CT's
    x, y and z; "0, 0, 0" is the crop itself. `icc` compares the variance of this patient's logit
    over the positions with that between the model's reference patients: 1 where the position does
    not matter, towards 0 where it matters more than patients do. None where the model has no
    reference patients.
    """

    probabilities: dict[str, float]
    low: float
    high: float
    icc: float | None
    explanation: str

    @property
    def positions(self) -> int:
        """Number of crops."""
        return len(self.probabilities)


@dataclass(frozen=True)
class OODScore:
    """Out-of-distribution score: Mahalanobis distance of the features from the reference cases.

    `p` is the rank of the distance among those of `held_out` cases: the share of in-distribution
    cases that lie as far. `out_of_distribution` is None where these are too few to decide.
    """

    distance: float
    p: float
    held_out: int
    out_of_distribution: bool | None


@dataclass(frozen=True)
class ModelUsed:
    """The model of a prediction: its card and the SHA-256 of its file."""

    card: Card
    sha256: str


@dataclass(frozen=True)
class PointPrediction:
    """One model's prediction for one tumour, before its interval and robustness are measured.

    `probabilities` follow the card's classes. `saliency` (0 to 1) lies on the CT's voxels, over the
    crop, and explains the predicted class. `baseline` is the positive class's probability by the
    volume-only baseline.
    """

    model: ModelUsed
    crop: Crop
    probabilities: tuple[float, ...]
    ood: OODScore | None
    baseline: float | None
    saliency: sitk.Image
    flags: tuple[Flag, ...]

    @property
    def predicted_class(self) -> int:
        """Index of the most probable class; of equal ones, as `to_dict` rounds them, the first."""
        return most_probable(self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but voxels: the JSON of the worker."""
        described = prediction_dict(
            self.model, self.probabilities, None, ood=self.ood, flags=self.flags, parameters={}
        )
        return self._with_baseline(described)

    def _with_baseline(self, described: dict[str, Any]) -> dict[str, Any]:
        card = self.model.card
        described["model"]["volume_only_metrics"] = _metrics(
            card.baseline.metrics if card.baseline else {}
        )
        baseline = None if self.baseline is None else rounded(self.baseline)
        return {**described, "volume_only_baseline": baseline, "crop": self.crop.to_dict()}


@dataclass(frozen=True)
class Prediction(PointPrediction):
    """One model's prediction for one tumour, with its interval and robustness.

    These are about the card's positive class.
    """

    interval: Interval
    robustness: Robustness
    parameters: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but voxels: the JSON of the command line, the worker and the report."""
        described = prediction_dict(
            self.model,
            self.probabilities,
            self.interval,
            ood=self.ood,
            flags=self.flags,
            parameters=self.parameters,
        )
        robustness = self.robustness
        described["robustness"] = {
            "positions": robustness.positions,
            "low": rounded(robustness.low),
            "high": rounded(robustness.high),
            "icc": None if robustness.icc is None else rounded(robustness.icc),
            "explanation": robustness.explanation,
            "probabilities": {
                name: rounded(value) for name, value in robustness.probabilities.items()
            },
        }
        return self._with_baseline(described)


def prediction_dict(
    model: ModelUsed,
    probabilities: tuple[float, ...],
    interval: Interval | None,
    *,
    ood: OODScore | None,
    flags: tuple[Flag, ...],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Return the JSON fields that predictions from images and from tables share."""
    card = model.card
    measured = {}
    if interval is not None:
        ends = {"low": rounded(interval.low), "high": rounded(interval.high)}
        measured["interval"] = {**asdict(interval), **ends}
    codes = [label.code for label in card.classes]
    return {
        "task": card.task,
        "question": card.question,
        "predicted_class": codes[most_probable(probabilities)],
        "classes": [asdict(label) for label in card.classes],
        "probabilities": dict(zip(codes, map(rounded, probabilities), strict=True)),
        "positive_class": codes[card.positive],
        **measured,
        "out_of_distribution": None if ood is None else asdict(ood),
        "flags": [flag.to_dict() for flag in flags],
        "notice": card.notice,
        "model": {
            "name": card.name,
            "title": card.title,
            "sha256": model.sha256,
            "training_data": card.training.data,
            "metrics": _metrics(card.metrics),
            "licence": card.licence,
            "intended_use": card.intended_use,
            "must_not": list(card.must_not),
        },
        "parameters": parameters,
    }


def most_probable(probabilities: tuple[float, ...]) -> int:
    """Return the index of the most probable class; of equal ones, once rounded, the first."""
    equal = [rounded(value) for value in probabilities]
    return equal.index(max(equal))


def _metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: asdict(metric) for name, metric in metrics.items()}


def rounded(value: float) -> float:
    """Round to six decimals, which a network's rounding errors leave the same."""
    return round(float(value), 6)


def calibrated_probabilities(logits: np.ndarray, card: Card) -> np.ndarray:
    """Return the calibrated probabilities of logits (..., classes)."""
    scaled = logits / card.temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def interval_of(samples: np.ndarray, probability: float, explanation: str) -> Interval:
    """Return the central interval of samples (N,) of a probability, which it always contains."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, (tail, 1 - tail))
    low, high = min(float(low), probability), max(float(high), probability)
    return Interval(low, high, LEVEL, explanation)
