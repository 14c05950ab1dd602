"""Logistic regression on many features: scaling, selection and penalty from training cases alone.

It is the baseline of radiomics: handcrafted features are many, skewed, and mostly repeat each
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .calibration import Logistic, fit_ridge_logistic

REDUNDANT = 0.9  # correlation from which of two features only the better one is selected
COUNTS = (3, 10, 30)  # of selected features, to choose from
PENALTIES = (1.0, 10.0, 100.0)  # of the ridge, to choose from
INNER_FOLDS = 5


def mid_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of each column of (N, D), from 1 on; equal values have their mean rank."""
    return np.stack([_counts(column, column) / 2 + 0.5 for column in values.T], 1)


def _counts(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the numbers below and the numbers up to each value, added."""
    ascending = np.sort(among)
    below = np.searchsorted(ascending, values), np.searchsorted(ascending, values, side="right")
    return below[0] + below[1]


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two (N,) arrays; NaN where one does not vary."""
    ranks = mid_ranks(np.stack([first, second], 1))
    deviations = ranks - ranks.mean(0)
    sizes = np.sqrt((deviations**2).sum(0)).prod()
    return float(deviations.prod(1).sum() / sizes) if sizes else float("nan")


class NormalScores:
    """Scaling of features to normal quantiles of their ranks among training cases.

    Outliers and skewed distributions, which radiomics has many of, do no harm. Missing values are
    the training cases' median.
    """

    def __init__(self, training: np.ndarray) -> None:
        known = np.where(np.isfinite(training), training, np.nan)
        self._empty = np.isnan(known).all(0)
        self._median = np.zeros(known.shape[1])
        self._median[~self._empty] = np.nanmedian(known[:, ~self._empty], axis=0)
        self._training = self._filled(known)
        probabilities = np.clip(np.arange(2 * len(known) + 1), 1, 2 * len(known) - 1) / (
            2 * len(known)
        )
        self._quantiles = np.array([NormalDist().inv_cdf(p) for p in probabilities])

    def _filled(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(values), values, self._median)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the scores (M, D) of values (M, D)."""
        columns = zip(self._filled(values).T, self._training.T, strict=True)
        return self._quantiles[np.stack([_counts(column, among) for column, among in columns], 1)]


@dataclass(frozen=True)
class SelectedLogistic:
    """Ridge logistic regression on selected features.

    Attributes:
        scores: the scaling of all features.
        selected: numbers of the features, the one that separates best first.
        penalty: of the ridge.
        model: on the scores of the selected features.
    """

    scores: NormalScores
    selected: np.ndarray
    penalty: float
    model: Logistic

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Return the probability (M,) of class 1 for features (M, D)."""
        log_odds = self.model.log_odds(self.scores(values)[:, self.selected])
        return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))


def fit_selected_logistic(
    values: np.ndarray, y: np.ndarray, groups: np.ndarray, *, seed: int = 0
) -> SelectedLogistic:
    """Fit a logistic regression on a few of many features.

    Features are ranked by their AUC; one that correlates with a better one by `REDUNDANT` or more
    is left out. How many are used and the penalty have the least log loss in a cross-validation
    inside these cases, with everything fitted anew in each of its folds.

    Args:
        values: (N, D), NaN where one is missing.
        y: (N,) 0 or 1, both occur.
        groups: (N,) the patient of each case; a patient is in one fold.
        seed: of the folds.

    Raises:
        ValueError: one class only, or no feature varies.
    """
    values, y = np.asarray(values, np.float64), np.asarray(y)
    settings = [(count, penalty) for count in COUNTS for penalty in PENALTIES]
    losses = np.zeros(len(settings))
    for test in _folds(y, groups, seed):
        scores, order = _ranked(values[~test], y[~test])
        before, after = scores(values[~test]), scores(values[test])
        for number, (count, penalty) in enumerate(settings):
            chosen = order[:count]
            model = fit_ridge_logistic(before[:, chosen], y[~test], penalty=penalty)
            z = model.log_odds(after[:, chosen])
            losses[number] += np.logaddexp(0, z).sum() - y[test] @ z
    # Without folds all losses are 0: the setting in the middle.
    best = int(losses.argmin()) if losses.any() else len(settings) // 2
    count, penalty = settings[best]
    scores, order = _ranked(values, y)
    selected = order[:count]
    model = fit_ridge_logistic(scores(values)[:, selected], y, penalty=penalty)
    return SelectedLogistic(scores, selected, penalty, model)


def _folds(y: np.ndarray, groups: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yield the test cases (N,) of each fold, with both classes on either side."""
    patients, patient = np.unique(groups, return_inverse=True)
    label = np.zeros(len(patients), int)
    np.maximum.at(label, patient, y.astype(int))
    count = min(INNER_FOLDS, *np.bincount(label, minlength=2))
    fold = np.zeros(len(patients), int)
    random = np.random.default_rng(seed)
    for value in (0, 1):
        members = random.permutation(np.flatnonzero(label == value))
        fold[members] = np.arange(len(members)) % max(count, 1)
    for number in range(count if count > 1 else 0):
        yield fold[patient] == number


def _ranked(values: np.ndarray, y: np.ndarray) -> tuple[NormalScores, np.ndarray]:
    """Return the scaling, and the features without redundant ones, the best first."""
    scores = NormalScores(values)
    scaled = scores(values)
    deviations = scaled - scaled.mean(0)
    sizes = np.sqrt((deviations**2).sum(0))
    varies = sizes > 1e-9
    if not varies.any():
        raise ValueError("no feature varies")
    positive = y == 1
    sums = mid_ranks(scaled)[positive].sum(0) - positive.sum() * (positive.sum() + 1) / 2
    merit = np.abs(sums / (positive.sum() * (~positive).sum()) - 0.5)
    unit = deviations / np.where(varies, sizes, 1)
    correlation = np.abs(unit.T @ unit)
    selected: list[int] = []
    for number in np.argsort(-merit, kind="stable").tolist():
        if varies[number] and (correlation[number, selected] < REDUNDANT).all():
            selected.append(number)
        if len(selected) == max(COUNTS):
            break
    return scores, np.array(selected)
