"""Calibration of probabilities: temperature, logistic recalibration, Brier score, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .checks import labelled, with_probabilities
from .intervals import wilson

BOUND = 1e-6  # probabilities are clipped so far from 0 and 1 before a logarithm


class CalibrationLine(NamedTuple):
    """Intercept and slope of logistic recalibration, and calibration in the large.

    0, 1 and 0 for calibrated probabilities. A slope below 1: overconfident. Above 0 in the large:
    too low on average.
    """

    intercept: float
    slope: float
    in_the_large: float


@dataclass(frozen=True)
class CalibrationCurve:
    """Mean probability and observed fraction of 1 with its Wilson interval, of B bins: (B,).

    `smooth_x`, `smooth_y` (101,): the fraction of 1 near a probability, over the range that occurs.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    smooth_x: np.ndarray
    smooth_y: np.ndarray


def log_odds(logits: np.ndarray, positive: int) -> np.ndarray:
    """Return the log odds of one class against the rest, of logits (..., classes)."""
    other_classes = np.delete(logits, positive, axis=-1)
    largest = other_classes.max(axis=-1)
    rest = np.log(np.exp(other_classes - largest[..., None]).sum(axis=-1)) + largest
    return logits[..., positive] - rest


def fit_temperature(
    logits: np.ndarray, labels: np.ndarray, *, prior: np.ndarray | None = None
) -> float:
    """Fit the temperature that maximises the likelihood of the labels.

    Guo et al., ICML 2017, arXiv:1706.04599. Fit it on validation data only.

    Args:
        logits: (N, classes).
        labels: (N,) class indices.
        prior: (classes,) log class priors, which an uninformative network predicts; equal if left
            out. The temperature divides the logits less this prior.

    Returns:
        Between 0.05 and 20; above 1 where the network is overconfident.
    """
    base = np.zeros(1) if prior is None else np.asarray(prior, np.float64)
    logits = np.asarray(logits, np.float64) - base
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature) + base
        scaled -= scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]))

    # The loss has one minimum in 1/T, which golden-section search finds.
    low, high = np.log(0.05), np.log(20.0)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def fit_logistic(x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Fit a logistic regression of 0/1 labels on one variable; return intercept and slope.

    A penalty of one thousandth of a pseudo-observation keeps it finite where the variable
    separates the classes.
    """
    x = np.asarray(x, np.float64)
    fit = fit_ridge_logistic((x - x.mean())[:, None], labels, penalty=1e-3)
    slope = float(fit.slopes[0])
    return fit.intercept - slope * float(x.mean()), slope


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Return the Brier score of probabilities (N,) of 1 and labels (N,) 0 or 1: 0 is best.

    Brier, Monthly Weather Review 1950;78:1-3, half of his sum over both classes.

    Raises:
        ValueError: a label is neither 0 nor 1, or a probability NaN or out of 0..1.
    """
    positive, p = with_probabilities(y, p)
    return float(np.mean((p - positive) ** 2))


def brier_reference(y: np.ndarray) -> float:
    """Return the Brier score of predicting the prevalence for every case."""
    share = float(np.mean(labelled(y, y, both=False)[0]))
    return share * (1 - share)


def brier_skill(y: np.ndarray, p: np.ndarray) -> float:
    """Return the Brier skill score: 1 is perfect, 0 equals the prevalence, below 0 is worse.

    Raises:
        ValueError: as `brier`, or only one class is there.
    """
    with_probabilities(y, p, both=True)
    return 1 - brier(y, p) / brier_reference(y)


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Return the mean negative log likelihood in nats; probabilities are clipped by `BOUND`.

    Raises:
        ValueError: as `brier`.
    """
    positive, p = with_probabilities(y, p)
    p = np.clip(p, BOUND, 1 - BOUND)
    return float(-np.mean(np.log(np.where(positive, p, 1 - p))))


def ece(y: np.ndarray, p: np.ndarray, *, bins: int = 10, equal_mass: bool = True) -> float:
    """Return the expected calibration error: mean |observed fraction - mean probability| of bins.

    Naeini et al., AAAI 2015;29:2901-2907, with bins of equal width; bins of about equally many
    cases (the default) depend less on chance: Roelofs et al., AISTATS 2022, arXiv:2012.08668.
    Chance alone makes it larger than 0, and resampling makes it larger again: a bootstrap interval
    of it lies too high.

    Raises:
        ValueError: as `brier`, or fewer than one bin.
    """
    positive, p = with_probabilities(y, p)
    of = _bin_of(p, bins, equal_mass)
    return float(np.abs(np.bincount(of, weights=positive - p)).sum() / len(p))


def calibration_line(y: np.ndarray, p: np.ndarray) -> CalibrationLine:
    """Fit logistic recalibration of probabilities, and calibration in the large.

    Cox, Biometrika 1958;45:562-565; in the large as in Van Calster et al., BMC Med 2019;17:230 (the
    intercept at a slope of 1). Probabilities are clipped by `BOUND`. The slope is 0
    where all probabilities are equal; where they separate the classes it is as large as the penalty
    of `fit_logistic` lets it be.

    Args:
        y: (N,) 0 or 1.
        p: (N,) probability of 1.

    Raises:
        ValueError: as `brier`, or only one class is there.
    """
    positive, p = with_probabilities(y, p, both=True)
    p = np.clip(p, BOUND, 1 - BOUND)
    logit = np.log(p / (1 - p))
    intercept, slope = fit_logistic(logit, positive)
    low, high, odds, share = -40.0, 40.0, np.exp(-logit), positive.mean()
    for _ in range(60):  # the mean probability grows with the shift: bisection finds it
        middle = (low + high) / 2
        too_low = np.mean(1 / (1 + odds * np.exp(-middle))) < share
        low, high = (middle, high) if too_low else (low, middle)
    return CalibrationLine(intercept, slope, (low + high) / 2)


def calibration_curve(y: np.ndarray, p: np.ndarray, *, bins: int = 10) -> CalibrationCurve:
    """Return a reliability diagram in bins of about equally many cases, and a smooth curve.

    Equal probabilities share a bin, so there may be fewer bins than asked for. The smooth curve is
    the kernel-weighted fraction of 1 (Nadaraya, Theory Probab Appl 1964;9:141; Gaussian kernel of
    Silverman's width, at least 0.02).

    Raises:
        ValueError: as `brier`, or fewer than one bin.
    """
    positive, p = with_probabilities(y, p)
    of = _bin_of(p, bins, True)
    count = np.bincount(of)
    hits = np.bincount(of, weights=positive).astype(np.int64)
    ends = np.array([wilson(int(h), int(n)) for h, n in zip(hits, count, strict=True)])
    width = max(1.06 * p.std() * len(p) ** -0.2, 0.02)
    x = np.linspace(p.min(), p.max(), 101)
    weights = np.exp(-0.5 * ((x[:, None] - p) / width) ** 2)
    return CalibrationCurve(
        np.bincount(of, weights=p) / count,
        hits / count,
        ends[:, 0],
        ends[:, 1],
        count,
        x,
        weights @ positive / weights.sum(axis=1),
    )


def _bin_of(p: np.ndarray, bins: int, equal_mass: bool) -> np.ndarray:
    """The bin of each case, numbered without gaps; a case on an edge lies in the lower bin."""
    if bins < 1:
        raise ValueError(f"{bins} bins")
    parts = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.quantile(p, parts) if equal_mass else parts
    return np.unique(np.searchsorted(edges, p), return_inverse=True)[1]


@dataclass(frozen=True)
class Logistic:
    """A logistic regression: the log odds of 1 are `intercept + x @ slopes`."""

    intercept: float
    slopes: np.ndarray

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Return the log odds (N,) of cases (N, D)."""
        return self.intercept + np.asarray(x, np.float64) @ self.slopes


def fit_ridge_logistic(x: np.ndarray, y: np.ndarray, *, penalty: float = 1.0) -> Logistic:
    """Fit a logistic regression with a ridge penalty by Newton's method.

    Hastie et al., The Elements of Statistical Learning, 4.4.1 and 4.4.4.

    Args:
        x: (N, D), standardised if the penalty is to fall on all alike.
        y: (N,) 0 or 1, both occur.
        penalty: half of it times the slopes' sum of squares is added to the loss; it keeps them
            finite where a column separates the classes.

    Raises:
        ValueError: one class only.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if not 0 < y.mean() < 1:
        raise ValueError("logistic regression needs both classes")
    design = np.column_stack([np.ones(len(x)), x])
    ridge = np.diag([0.0, *np.full(x.shape[1], penalty)])
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(y.mean() / (1 - y.mean()))

    def loss(weights: np.ndarray) -> float:
        z = design @ weights
        return float(np.logaddexp(0, z).sum() - y @ z + weights @ ridge @ weights / 2)

    for _ in range(100):
        probability = np.exp(-np.logaddexp(0, -(design @ weights)))
        gradient = design.T @ (y - probability) - ridge @ weights
        variance = np.maximum(probability * (1 - probability), 1e-9)
        step = np.linalg.solve(design.T @ (design * variance[:, None]) + ridge, gradient)
        while loss(weights + step) > loss(weights) + 1e-9:  # rounding is no reason
            step /= 2  # where the classes are far apart, a whole step may lead astray
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    return Logistic(float(weights[0]), weights[1:])
