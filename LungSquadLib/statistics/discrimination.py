"""How well a score separates two classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .checks import labelled
from .tails import reach, two_sided


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the strictest threshold (infinite: no case is called positive) down.

    A case is called positive where its score is at least the threshold.
    """

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class Difference:
    """Of two areas: `a - b`, its interval, and the two-sided p of there being none."""

    value: float
    low: float
    high: float
    p: float


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,) higher for 1.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    positive, values = labelled(labels, scores)
    return float(np.mean(_below(values[positive], values[~positive])))


def auc_interval(
    labels: np.ndarray, scores: np.ndarray, *, level: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of the AUC after DeLong, on the logit scale, so within 0 and 1.

    DeLong et al., Biometrics 1988;44:837-845.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    positive, values = labelled(labels, scores)
    fewer = min(positive.sum(), (~positive).sum())
    if fewer < 2:
        return 0.0, 1.0
    areas, covariance = delong(positive, values[None])
    area, error = areas[0], math.sqrt(covariance[0, 0])
    if area in (0.0, 1.0):  # nothing to estimate a variance from: as far as chance can have hidden
        hidden = float(1 - ((1 - level) / 2) ** (1 / fewer))
        return (1 - hidden, 1.0) if area else (0.0, hidden)
    centre = np.log(area / (1 - area))
    half = reach(level) * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return float(low), float(high)


def delong(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs of several scores of the same cases, and how they vary together.

    DeLong et al., Biometrics 1988;44:837-845, equations 4 to 6.

    Args:
        y: (N,) 0 or 1.
        scores: (M, N) higher for 1.

    Returns:
        Areas (M,) and their covariance (M, M).

    Raises:
        ValueError: fewer than two cases of a class, or a score is NaN.
    """
    positive, values = labelled(y, np.asarray(scores, np.float64).T)
    if min(positive.sum(), (~positive).sum()) < 2:
        raise ValueError("a variance needs two cases of each class")
    pairs = [(column[positive], column[~positive]) for column in values.T]
    of_positives = np.stack([_below(one, other) for one, other in pairs])
    of_negatives = np.stack([1 - _below(other, one) for one, other in pairs])
    covariance = np.cov(of_positives) / of_positives.shape[1]
    covariance = covariance + np.cov(of_negatives) / of_negatives.shape[1]
    return of_positives.mean(axis=1), np.atleast_2d(covariance)


def paired_difference(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, *, level: float = 0.95
) -> Difference:
    """AUC of score `a` less that of `b` on the same cases, after DeLong.

    Where no variance can be estimated (a class of one; scores that differ and never err) nothing is
    claimed: the interval is -1 to 1 and p is 1.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    value = auc(y, a) - auc(y, b)
    positive = np.asarray(y) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return Difference(value, -1.0, 1.0, 1.0)
    covariance = delong(y, np.stack([a, b]))[1]
    error = math.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0))
    if error < 1e-9:  # rounding aside, none: the same order, or no case ever out of order
        same = abs(value) < 1e-9
        return Difference(value, *((value, value) if same else (-1.0, 1.0)), 1.0)
    half = reach(level) * error
    low, high = max(value - half, -1.0), min(value + half, 1.0)
    return Difference(value, low, high, two_sided(value / error))


def roc_curve(y: np.ndarray, score: np.ndarray) -> Curve:
    """The ROC curve: false positive rate (x) and true positive rate (y), a point a distinct score.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    hits, alarms, thresholds = _counts(y, score)
    return Curve(alarms / alarms[-1], hits / hits[-1], thresholds)


def pr_curve(y: np.ndarray, score: np.ndarray) -> Curve:
    """The precision-recall curve: recall (x) and precision (y), a point a distinct score.

    Where no case is called positive the precision is 1 by convention.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    hits, alarms, thresholds = _counts(y, score)
    precision = np.ones(len(hits))
    precision[1:] = hits[1:] / (hits[1:] + alarms[1:])
    return Curve(hits / hits[-1], precision, thresholds)


def average_precision(y: np.ndarray, score: np.ndarray) -> float:
    """Precision averaged over recall, each step at its own precision, nothing interpolated.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    curve = pr_curve(y, score)
    return float(np.sum(np.diff(curve.x) * curve.y[1:]))


def _counts(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives at each threshold, from infinity down."""
    positive, values = labelled(y, score)
    thresholds, index = np.unique(values, return_inverse=True)
    hits = np.bincount(index, weights=positive)[::-1].cumsum()
    called = np.bincount(index)[::-1].cumsum()
    first = np.zeros(1)
    return (
        np.concatenate([first, hits]),
        np.concatenate([first, called - hits]),
        np.concatenate([[np.inf], thresholds[::-1]]),
    )


def _below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each value the share of others below it, ties half."""
    among = np.sort(others)
    left, right = np.searchsorted(among, values), np.searchsorted(among, values, side="right")
    return (left + right) / 2 / len(among)
