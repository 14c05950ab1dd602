"""Probabilities that mean what they say."""

from __future__ import annotations

import numpy as np


def log_odds(logits: np.ndarray, positive: int) -> np.ndarray:
    """The log odds of one class against all others, of logits (..., classes)."""
    others = np.delete(logits, positive, axis=-1)
    largest = others.max(axis=-1)
    rest = np.log(np.exp(others - largest[..., None]).sum(axis=-1)) + largest
    return logits[..., positive] - rest


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature under which logits give the labels the greatest likelihood.

    Guo et al., ICML 2017, arXiv:1706.04599. Fit it on validation data only.

    Args:
        logits: (N, classes).
        labels: (N,) class indices.

    Returns:
        Between 0.05 and 20; above 1 where the network is too sure of itself.
    """
    logits = np.asarray(logits, np.float64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]))

    # The loss has one valley in 1/T: golden-section search finds its floor.
    low, high = np.log(0.05), np.log(20.0)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def fit_logistic(x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of a logistic regression of 0/1 labels on one number, by Newton's method.

    A penalty of one thousandth of a pseudo-observation keeps it finite where the number separates
    the classes.
    """
    x, labels = np.asarray(x, np.float64), np.asarray(labels, np.float64)
    design = np.stack([np.ones_like(x), x - x.mean()], axis=1)
    weights = np.zeros(2)
    penalty = np.diag([0.0, 1e-3])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (labels - probability) - penalty @ weights
        spread = np.maximum(probability * (1 - probability), 1e-9)
        change = np.linalg.solve(design.T @ (design * spread[:, None]) + penalty, gradient)
        weights += np.clip(change, -3, 3)
        if np.abs(change).max() < 1e-10:
            break
    return float(weights[0] - weights[1] * x.mean()), float(weights[1])
