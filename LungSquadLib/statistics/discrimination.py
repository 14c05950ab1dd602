"""Discrimination: AUC with DeLong intervals, ROC and precision-recall curves, balanced accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .checks import labelled, patients
from .intervals import HALF_WIDTH, LEVEL, Estimate, two_sided_p


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the strictest threshold (infinite: no case is called positive) down.

    A case is called positive where its score is at least the threshold.
    """

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray


def auc(labels: np.ndarray, scores: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, ties half.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,) higher for 1.
        strata: (N,) the network that gave the score; pairs count within a stratum only, since
            scores of two networks have no common scale (Forman and Scholz, SIGKDD
            Explorations 2010;12:49). All pairs count alike; a stratum of one class has none.

    Raises:
        ValueError: no pair: only one class occurs, in each stratum; or a score is NaN.
    """
    positive, values = labelled(labels, scores)
    return float(_pairs(positive, values[:, None], _codes(strata, len(values)))[0][0])


def auc_interval(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the DeLong confidence interval of the AUC, on the logit scale, so within 0 and 1.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,) higher for 1.
        strata: as in `auc`.
        groups: as in `delong`.

    Raises:
        ValueError: as `auc`.
    """
    areas, _, patients_of = influence(labels, np.asarray(scores)[None], strata, groups)
    fewer, area = min(patients_of), areas[0]
    if fewer < 2:
        return 0.0, 1.0
    if area in (0.0, 1.0):  # no variance can be estimated: as far as chance can explain
        hidden = float(1 - ((1 - LEVEL) / 2) ** (1 / fewer))
        return (1 - hidden, 1.0) if area else (0.0, hidden)
    covariance = delong(labels, np.asarray(scores)[None], strata=strata, groups=groups)[1]
    return logit_interval(area, math.sqrt(covariance[0, 0]))


def logit_interval(value: float, error: float) -> tuple[float, float]:
    """Return the interval of a value between 0 and 1 by its standard error on the logit scale."""
    centre = np.log(value / (1 - value))
    half = HALF_WIDTH * error / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return float(low), float(high)


def delong(
    y: np.ndarray,
    scores: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the AUCs of several scores of the same cases, and their covariance.

    DeLong et al., Biometrics 1988;44:837-845, equations 4 to 6; several rows of a patient after
    Obuchowski, Biometrics 1997;53:567-578. A patient's contributions to the AUC are summed over all
    of their pairs, whatever the stratum or the repeat, and patients are independent.

    Args:
        y: (N,) 0 or 1.
        scores: (M, N) higher for 1.
        strata: (N,) as in `auc`.
        groups: (N,) the patient of each row; without it each row is a patient.

    Returns:
        Areas (M,) and their covariance (M, M).

    Raises:
        ValueError: fewer than two patients of a class, no pair, or a score is NaN.
    """
    areas, (of_positives, of_negatives), (n, m) = influence(y, scores, strata, groups)
    if min(n, m) < 2:
        raise ValueError("a variance needs two cases of each class")
    covariance = of_positives @ of_positives.T * (n / (n - 1))
    covariance += of_negatives @ of_negatives.T * (m / (m - 1))
    both = of_positives @ of_negatives.T  # 0 but for patients with rows of either class
    return areas, covariance + both + both.T


def paired_difference(
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[Estimate, float]:
    """Return the AUC of score `a` less that of `b` on the same cases, and p of no difference.

    By DeLong's covariance; p is two-sided. Where no variance can be estimated (a class of one;
    scores that differ and never err) the interval is -1 to 1 and p is 1. `strata` and `groups` as
    in `delong`.

    Raises:
        ValueError: as `auc`.
    """
    both = np.stack([np.asarray(a, np.float64), np.asarray(b, np.float64)])
    areas, _, patients_of = influence(y, both, strata, groups)
    value = float(areas[0] - areas[1])
    if min(patients_of) < 2:
        return Estimate(value, -1.0, 1.0, "DeLong, paired"), 1.0
    covariance = delong(y, both, strata=strata, groups=groups)[1]
    error = math.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0))
    if error < 1e-9:  # rounding aside, none: the same order, or no case ever out of order
        same = abs(value) < 1e-9
        return Estimate(value, *((value, value) if same else (-1.0, 1.0)), "DeLong, paired"), 1.0
    half = HALF_WIDTH * error
    low, high = max(value - half, -1.0), min(value + half, 1.0)
    return Estimate(value, low, high, "DeLong, paired"), two_sided_p(value / error)


def influence(
    y: np.ndarray, scores: np.ndarray, strata: np.ndarray | None, groups: np.ndarray | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], tuple[int, int]]:
    """Return areas (M,), and the influence of each patient's positive and negative rows on them.

    Returns:
        Areas; two arrays (M, patients); how many patients have positive, and negative, rows that
        are in any pair.
    """
    positive, values = labelled(y, np.asarray(scores, np.float64).T)
    areas, wins, pairs = _pairs(positive, values, _codes(strata, len(values)))
    moved = (wins - areas * pairs[:, None]) / pairs[positive].sum()
    patient = patients(groups, len(values))
    parts, counts = [], []
    for rows in (positive & (pairs > 0), ~positive & (pairs > 0)):
        part = np.zeros((patient.max() + 1, len(areas)))
        np.add.at(part, patient[rows], moved[rows])
        parts.append(part.T)
        counts.append(len(np.unique(patient[rows])))
    return areas, (parts[0], parts[1]), (counts[0], counts[1])


def roc_curve(y: np.ndarray, score: np.ndarray) -> Curve:
    """Return the ROC curve: false (x) and true (y) positive rate at each distinct score.

    Raises:
        ValueError: only one class occurs, or a score is NaN.
    """
    hits, alarms, thresholds = _counts(y, score)
    return Curve(alarms / alarms[-1], hits / hits[-1], thresholds)


def pr_curve(y: np.ndarray, score: np.ndarray) -> Curve:
    """Return the precision-recall curve: recall (x) and precision (y) at each distinct score.

    Where no case is called positive the precision is 1 by convention.

    Raises:
        ValueError: only one class occurs, or a score is NaN.
    """
    hits, alarms, thresholds = _counts(y, score)
    precision = np.ones(len(hits))
    precision[1:] = hits[1:] / (hits[1:] + alarms[1:])
    return Curve(hits / hits[-1], precision, thresholds)


def average_precision(y: np.ndarray, score: np.ndarray) -> float:
    """Return the average precision: each step of recall at its precision, without interpolation.

    Raises:
        ValueError: only one class occurs, or a score is NaN.
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


def _codes(strata: np.ndarray | None, rows: int) -> np.ndarray:
    """The stratum 0, 1, ... of each row; one stratum where none is given."""
    return np.zeros(rows, np.int64) if strata is None else patients(strata, rows)


def _pairs(
    positive: np.ndarray, values: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Areas (M,) of values (N, M); of each row the pairs it wins for them (N, M), and all (N,)."""
    wins, pairs = np.zeros(values.shape), np.zeros(len(values))
    for number in range(stratum.max() + 1):
        p = np.flatnonzero(positive & (stratum == number))
        n = np.flatnonzero(~positive & (stratum == number))
        pairs[p], pairs[n] = len(n), len(p)
        if not (len(p) and len(n)):
            continue
        for column, score in enumerate(values.T):
            wins[p, column] = _below(score[p], score[n]) * len(n)
            wins[n, column] = (1 - _below(score[n], score[p])) * len(p)
    whole = pairs[positive].sum()
    if not whole:
        raise ValueError("both classes are needed in one stratum at least")
    return wins[positive].sum(axis=0) / whole, wins, pairs


def _below(values: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The fraction of references below each value, ties half."""
    among = np.sort(references)
    left, right = np.searchsorted(among, values), np.searchsorted(among, values, side="right")
    return (left + right) / 2 / len(among)


def macro_auc(y: np.ndarray, p: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Return the AUC of each class against the rest, averaged over classes.

    Args:
        y: (N,) classes 0 .. K-1, all of them occur.
        p: (N, K) higher for the class; need not sum to 1.
        strata: (N,) as in `auc`.

    Raises:
        ValueError: a class is missing or out of range, or a value is NaN.
    """
    p = np.asarray(p, np.float64)
    here = _one_hot(y, p)
    return float(np.mean([auc(here[:, k], p[:, k], strata) for k in range(p.shape[1])]))


def macro_auc_interval(
    y: np.ndarray,
    p: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the 95 % interval of the macro AUC, on the logit scale.

    As DeLong's of one AUC: the influences of a patient on the areas of all classes are summed, and
    patients of a class are independent. 0 to 1 where a class has one patient, or all areas are 0 or
    1.

    Raises:
        ValueError: as `macro_auc`.
    """
    p = np.asarray(p, np.float64)
    here, value = _one_hot(y, p), macro_auc(y, p, strata)
    patient = patients(groups, len(p))
    influences = np.zeros(patient.max() + 1)
    for k in range(p.shape[1]):
        of_positives, of_negatives = influence(here[:, k], p[:, k][None], strata, groups)[1]
        influences += (of_positives + of_negatives)[0] / p.shape[1]
    label = np.asarray(y)[np.unique(patient, return_index=True)[1]]
    per_class = [influences[label == values] for values in np.unique(label)]
    if min(map(len, per_class)) < 2 or value in (0.0, 1.0):
        return 0.0, 1.0
    variance = sum(len(values) * values.var(ddof=1) for values in per_class)
    return logit_interval(value, float(np.sqrt(variance)))


def balanced_accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the recall averaged over classes; 1 / K by chance.

    Brodersen et al., ICPR 2010, p. 3121.

    Args:
        y: (N,) classes; those that occur count.
        predicted: (N,) classes.

    Raises:
        ValueError: lengths differ, or there are no rows.
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.shape != predicted.shape or not len(y):
        raise ValueError(f"labels {y.shape} and predictions {predicted.shape} do not go together")
    number = np.unique(y, return_inverse=True)[1]
    right = np.bincount(number, weights=y == predicted) / np.bincount(number)
    return float(right.mean())


def _one_hot(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y):
        raise ValueError(f"labels {y.shape} and values {p.shape} do not go together")
    here = y[:, None] == np.arange(p.shape[1])
    if not here.any(axis=1).all():
        raise ValueError(f"a label is none of 0 .. {p.shape[1] - 1}")
    return here


def variance_ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Fisher's F of a one-way analysis of variance of each column, of its known values.

    Fisher, Statistical Methods for Research Workers, 1925, chapter 7.

    Args:
        x: (N, D), NaN where a number is missing.
        y: (N,) class labels.

    Returns:
        (D,), 0 or more; 0 for a column that is constant or has too few values.
    """
    x, known = np.asarray(x, np.float64), ~np.isnan(x)
    count = known.sum(axis=0)
    filled = np.where(known, x, 0)
    filled = np.where(known, filled - filled.sum(axis=0) / np.maximum(count, 1), 0)
    between, n_classes = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for label in np.unique(y):
        n_class = known[y == label].sum(axis=0)
        between += filled[y == label].sum(axis=0) ** 2 / np.maximum(n_class, 1)
        n_classes += n_class > 0
    total = (filled**2).sum(axis=0)
    within = np.maximum(total - between, 1e-12 * total)
    degrees = np.maximum(count - n_classes, 0) / np.maximum(n_classes - 1, 1)
    informative = (n_classes > 1) & (within > 0)
    return np.where(informative, between * degrees / np.where(informative, within, 1), 0)
