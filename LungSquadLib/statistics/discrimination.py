"""How well a score separates two classes."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,) higher for 1.

    Raises:
        ValueError: only one class is there.
    """
    return float(np.mean(_placements(labels, scores)[0]))


def auc_interval(
    labels: np.ndarray, scores: np.ndarray, *, level: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of the AUC after DeLong, on the logit scale, so within 0 and 1.

    DeLong et al., Biometrics 1988;44:837-845.

    Raises:
        ValueError: only one class is there.
    """
    of_positives, of_negatives = _placements(labels, scores)
    area = float(np.mean(of_positives))
    fewer = min(len(of_positives), len(of_negatives))
    if fewer < 2:
        return 0.0, 1.0
    if area in (0.0, 1.0):  # nothing to estimate a variance from: as far as chance can have hidden
        hidden = 1 - ((1 - level) / 2) ** (1 / fewer)
        return (1 - hidden, 1.0) if area else (0.0, hidden)
    variance = np.var(of_positives, ddof=1) / len(of_positives)
    variance += np.var(of_negatives, ddof=1) / len(of_negatives)
    centre = np.log(area / (1 - area))
    reach = NormalDist().inv_cdf(0.5 + level / 2) * np.sqrt(variance) / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(centre - reach))), 1 / (1 + np.exp(-(centre + reach)))
    return float(low), float(high)


def _placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative of positives above."""
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    positives, negatives = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    if not len(positives) or not len(negatives):
        raise ValueError("AUC needs both classes.")

    def below(values: np.ndarray, among: np.ndarray) -> np.ndarray:
        left, right = np.searchsorted(among, values), np.searchsorted(among, values, side="right")
        return (left + right) / 2 / len(among)

    return below(positives, negatives), 1 - below(negatives, positives)
