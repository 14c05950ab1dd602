"""Discrimination and calibration of more than two classes."""

from __future__ import annotations

import numpy as np

from .checks import patients
from .discrimination import auc, influence, logit_interval


def macro_auc(y: np.ndarray, p: np.ndarray, strata: np.ndarray | None = None) -> float:
    """AUC of each class against all others, averaged over classes.

    Args:
        y: (N,) classes 0 .. K-1, all of them there.
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
    """95 % interval of the macro AUC, on the logit scale.

    As DeLong's of one AUC: what a patient adds to the areas of all classes is summed, and patients
    of a class vary independently. 0 to 1 where a class has one patient, or all areas are 0 or 1.

    Raises:
        ValueError: as `macro_auc`.
    """
    p = np.asarray(p, np.float64)
    here, value = _one_hot(y, p), macro_auc(y, p, strata)
    patient = patients(groups, len(p))
    moved = np.zeros(patient.max() + 1)
    for k in range(p.shape[1]):
        of_positives, of_negatives = influence(here[:, k], p[:, k][None], strata, groups)[1]
        moved += (of_positives + of_negatives)[0] / p.shape[1]
    label = np.asarray(y)[np.unique(patient, return_index=True)[1]]
    classes = [moved[label == one] for one in np.unique(label)]
    if min(map(len, classes)) < 2 or value in (0.0, 1.0):
        return 0.0, 1.0
    variance = sum(len(one) * one.var(ddof=1) for one in classes)
    return logit_interval(value, float(np.sqrt(variance)))


def brier_multiclass(y: np.ndarray, p: np.ndarray) -> float:
    """Squared distance of the probabilities from the truth: 0 to 2, of two classes twice `brier`.

    Brier, Monthly Weather Review 1950;78:1-3.

    Args:
        y: (N,) classes 0 .. K-1.
        p: (N, K) probabilities, each row summing to 1.

    Raises:
        ValueError: a class is out of range, or rows are no probabilities.
    """
    p = np.asarray(p, np.float64)
    here = _one_hot(y, p)
    if not ((p >= 0).all() and np.allclose(p.sum(axis=1), 1, atol=1e-4)):
        raise ValueError("probabilities of a case do not sum to 1")
    return float(((p - here) ** 2).sum(axis=1).mean())


def balanced_accuracy(y: np.ndarray, answered: np.ndarray) -> float:
    """The share of right answers in each class, averaged over the classes; by chance 1 / K.

    Brodersen et al., ICPR 2010, p. 3121.

    Args:
        y: (N,) classes; those that occur count.
        answered: (N,) classes.

    Raises:
        ValueError: lengths differ, or nothing is there.
    """
    y, answered = np.asarray(y), np.asarray(answered)
    if y.shape != answered.shape or not len(y):
        raise ValueError(f"labels {y.shape} and answers {answered.shape} do not go together")
    number = np.unique(y, return_inverse=True)[1]
    right = np.bincount(number, weights=y == answered) / np.bincount(number)
    return float(right.mean())


def _one_hot(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y):
        raise ValueError(f"labels {y.shape} and values {p.shape} do not go together")
    here = y[:, None] == np.arange(p.shape[1])
    if not here.any(axis=1).all():
        raise ValueError(f"a label is none of 0 .. {p.shape[1] - 1}")
    return here
