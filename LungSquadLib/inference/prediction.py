"""What a model says of a tumour, with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..imaging.crop import Crop
from ..imaging.flags import Flag
from ..models.card import Card, Metric


@dataclass(frozen=True)
class Interval:
    """Where most answers lie when what should not matter is changed, and what was changed."""

    low: float
    high: float
    level: float
    explanation: str


@dataclass(frozen=True)
class Robustness:
    """The probability of the positive class in other positions of the crop.

    `probabilities` has one for each position, by its offset from the crop in voxels along the CT's
    x, y and z; "0, 0, 0" is the crop's own. `icc` compares the spread of this patient's logit over
    them with that between the model's reference patients: 1 where the position does not matter, 0
    where it matters more than patients do. None where the model has no reference patients.
    """

    probabilities: dict[str, float]
    low: float
    high: float
    icc: float | None
    explanation: str

    @property
    def positions(self) -> int:
        """How many different crops were predicted from."""
        return len(self.probabilities)


@dataclass(frozen=True)
class Novelty:
    """How far the crop's features lie from those of the model's reference cases.

    `p` is the rank of the distance among those of `held_out` cases: the share of like cases that
    lie as far. `out_of_distribution` is None where these are too few to say.
    """

    distance: float
    p: float
    held_out: int
    out_of_distribution: bool | None


@dataclass(frozen=True)
class ModelUsed:
    """Which model answered: its card and the SHA-256 of its file."""

    card: Card
    sha256: str


@dataclass(frozen=True)
class Prediction:
    """One model's answer to its question about one tumour.

    `probabilities` follow the card's classes; `interval` and `robustness` are about its positive
    class. `saliency` (0 to 1) lies on the CT's voxels, over the crop, and explains `answer`.
    `baseline` is what the tumour's volume alone would say of the positive class.
    """

    model: ModelUsed
    crop: Crop
    probabilities: tuple[float, ...]
    interval: Interval
    robustness: Robustness
    novelty: Novelty | None
    baseline: float | None
    saliency: sitk.Image
    flags: tuple[Flag, ...]
    parameters: dict[str, Any]

    @property
    def answer(self) -> int:
        """The most probable class; the first where they are equal as `to_dict` rounds them."""
        return most_probable(self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """Everything but voxels: the JSON of the command line, the worker and the report."""
        card = self.model.card
        told = described(
            self.model,
            self.probabilities,
            self.interval,
            novelty=self.novelty,
            flags=self.flags,
            parameters=self.parameters,
        )
        told["model"]["metrics_of_volume_alone"] = _metrics(
            card.baseline.metrics if card.baseline else {}
        )
        return {
            **told,
            "robustness": {
                "positions": self.robustness.positions,
                "low": rounded(self.robustness.low),
                "high": rounded(self.robustness.high),
                "icc": None if self.robustness.icc is None else rounded(self.robustness.icc),
                "explanation": self.robustness.explanation,
                "probabilities": {
                    name: rounded(value) for name, value in self.robustness.probabilities.items()
                },
            },
            "baseline_volume_alone": None if self.baseline is None else rounded(self.baseline),
            "crop": self.crop.to_dict(),
        }


def described(
    model: ModelUsed,
    probabilities: tuple[float, ...],
    interval: Interval,
    *,
    novelty: Novelty | None,
    flags: tuple[Flag, ...],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """What every prediction says, whatever it was made from."""
    card = model.card
    codes = [label.code for label in card.classes]
    return {
        "task": card.task,
        "question": card.question,
        "answer": codes[most_probable(probabilities)],
        "classes": [asdict(label) for label in card.classes],
        "probabilities": dict(zip(codes, map(rounded, probabilities), strict=True)),
        "positive_class": codes[card.positive],
        "interval": {
            **asdict(interval),
            "low": rounded(interval.low),
            "high": rounded(interval.high),
        },
        "out_of_distribution": None if novelty is None else asdict(novelty),
        "flags": [flag.to_dict() for flag in flags],
        "notice": card.notice,
        "model": {
            "name": card.name,
            "title": card.title,
            "sha256": model.sha256,
            "trained_on": card.training.data,
            "metrics": _metrics(card.metrics),
            "licence": card.licence,
            "intended_use": card.intended_use,
            "must_not": list(card.must_not),
        },
        "parameters": parameters,
    }


def most_probable(probabilities: tuple[float, ...]) -> int:
    """The most probable class; the first where they are equal as `rounded` leaves them."""
    equal = [rounded(value) for value in probabilities]
    return equal.index(max(equal))


def _metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: asdict(metric) for name, metric in metrics.items()}


def rounded(value: float) -> float:
    """Six decimals: what a network's rounding leaves the same from run to run."""
    return round(float(value), 6)


LEVEL = 0.95
NO_PROOF = (
    "It shows how far the answer hangs on things that should not matter; it does not show whether "
    "the network is right about such patients."
)


def probabilities(logits: np.ndarray, card: Card) -> np.ndarray:
    """Calibrated probabilities of logits (..., classes)."""
    scaled = logits / card.temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def interval_of(samples: np.ndarray, answer: float, explanation: str) -> Interval:
    """Where most of the samples (N,) of a probability lie; the answer itself always does."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, (tail, 1 - tail))
    return Interval(min(float(low), answer), max(float(high), answer), LEVEL, explanation)
