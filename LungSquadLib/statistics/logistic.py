"""Logistic regression with a small ridge penalty: the baseline that a network has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Logistic:
    """The log odds of 1 are `intercept + x @ slopes`."""

    intercept: float
    slopes: np.ndarray

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Of cases (N, D)."""
        return self.intercept + np.asarray(x, np.float64) @ self.slopes


def fit_ridge_logistic(x: np.ndarray, y: np.ndarray, *, penalty: float = 1.0) -> Logistic:
    """Fit by Newton's method (Hastie et al., The Elements of Statistical Learning, 4.4.1, 4.4.4).

    Args:
        x: (N, D), standardised if the penalty is to fall on all alike.
        y: (N,) 0 or 1, both there.
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
        spread = np.maximum(probability * (1 - probability), 1e-9)
        change = np.linalg.solve(design.T @ (design * spread[:, None]) + ridge, gradient)
        while loss(weights + change) > loss(weights) + 1e-9:  # rounding is no reason
            change /= 2  # where the classes are far apart, a whole step may lead astray
        weights += change
        if np.abs(change).max() < 1e-10:
            break
    return Logistic(float(weights[0]), weights[1:])
