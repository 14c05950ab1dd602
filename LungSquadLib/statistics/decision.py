"""Is acting on a score better than acting on everybody, or on nobody?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import with_probabilities


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit (T,) at each threshold probability (T,)."""

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    treat_none: np.ndarray


def decision_curve(
    y: np.ndarray, p: np.ndarray, thresholds: np.ndarray, *, standardised: bool = False
) -> DecisionCurve:
    """Net benefit of treating whoever's probability reaches the threshold.

    Vickers and Elkin, Med Decis Making 2006;26:565-574: true positives less false positives, the
    latter weighed by the odds at the threshold, a patient.

    Args:
        y: (N,) 0 or 1.
        p: (N,) probability of 1.
        thresholds: (T,) each at least 0 and below 1.
        standardised: divided by the share of 1, so that 1 is the most there can be (Kerr et al.,
            J Clin Oncol 2016;34:2534-2540).

    Raises:
        ValueError: a threshold or probability is out of range or NaN, or only one class is there.
    """
    positive, p = with_probabilities(y, p, both=True)
    thresholds = np.asarray(thresholds, np.float64)
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise ValueError("a threshold is below 0, or 1 or more")
    odds = thresholds / (1 - thresholds)
    unit = positive.mean() if standardised else 1.0

    def reached(values: np.ndarray) -> np.ndarray:
        return len(values) - np.searchsorted(np.sort(values), thresholds)

    hits, alarms = reached(p[positive]), reached(p[~positive])
    share = positive.mean()
    return DecisionCurve(
        thresholds,
        (hits - alarms * odds) / len(p) / unit,
        (share - (1 - share) * odds) / unit,
        np.zeros(len(thresholds)),
    )
