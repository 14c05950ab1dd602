"""Where to cut a score, chosen on validation data, and what the cut is worth on others.

A case is called positive where its score is at least the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import labelled
from .discrimination import roc_curve
from .proportion import Proportion, proportion


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold does.

    F1 and balanced accuracy are no shares of cases, so Wilson has no interval for them (`bootstrap`
    does); None where there is nothing to divide by.
    """

    threshold: float
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    f1: float | None
    balanced_accuracy: float | None


def youden(y: np.ndarray, score: np.ndarray) -> float:
    """The threshold of the largest sensitivity + specificity; the highest where several are.

    Youden, Cancer 1950;3:32-35.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    curve = roc_curve(y, score)
    gain = np.round((curve.y - curve.x)[1:], 12)  # rounding must not choose among equals
    return float(curve.thresholds[1:][gain.argmax()])


def at_sensitivity(y: np.ndarray, score: np.ndarray, target: float = 0.9) -> float:
    """The highest threshold with at least this sensitivity.

    Raises:
        ValueError: only one class is there, a score is NaN, or the target is not in 0..1.
    """
    curve = roc_curve(y, score)
    _check(target)
    return float(curve.thresholds[1:][(curve.y[1:] >= target - 1e-12).argmax()])


def at_specificity(y: np.ndarray, score: np.ndarray, target: float = 0.9) -> float:
    """The lowest threshold with at least this specificity; above all scores where none has it.

    Raises:
        ValueError: only one class is there, a score is NaN, or the target is not in 0..1.
    """
    curve = roc_curve(y, score)
    _check(target)
    last = np.flatnonzero(1 - curve.x >= target - 1e-12)[-1]
    return float(curve.thresholds[last] if last else np.nextafter(curve.thresholds[1], np.inf))


def at_threshold(y: np.ndarray, score: np.ndarray, t: float) -> AtThreshold:
    """Sensitivity, specificity, predictive values (with Wilson intervals), F1, balanced accuracy.

    Raises:
        ValueError: a score is NaN.
    """
    positive, score = labelled(y, score, both=False)
    called = score >= t
    hits, alarms = int((called & positive).sum()), int((called & ~positive).sum())
    missed, cleared = int((~called & positive).sum()), int((~called & ~positive).sum())
    sensitivity = proportion(hits, hits + missed)
    specificity = proportion(cleared, cleared + alarms)
    balanced = None
    if sensitivity.value is not None and specificity.value is not None:
        balanced = (sensitivity.value + specificity.value) / 2
    named = 2 * hits + alarms + missed
    return AtThreshold(
        t,
        sensitivity,
        specificity,
        proportion(hits, hits + alarms),
        proportion(cleared, cleared + missed),
        2 * hits / named if named else None,
        balanced,
    )


def _check(target: float) -> None:
    if not 0 <= target <= 1:
        raise ValueError(f"a target of {target} is not in 0..1")
