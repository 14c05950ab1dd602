"""How far cases lie from a cloud of others."""

from __future__ import annotations

import numpy as np


def mahalanobis(cases: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Mahalanobis distances (N,) of cases (N, D) from a mean (D,) with precision matrix (D, D)."""
    offset = np.asarray(cases, np.float64) - mean
    squared = np.einsum("nd,de,ne->n", offset, precision, offset)
    return np.sqrt(np.maximum(squared, 0))


def shrunk_precision(cases: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Inverse covariance (D, D) of cases (N, D), `share` of it shrunk towards a ball.

    Ledoit and Wolf, J Multivar Anal 2004;88:365, with a fixed share.
    """
    covariance = np.atleast_2d(np.cov(cases.T))
    ball = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    precision = np.linalg.inv((1 - share) * covariance + share * ball)
    return (precision + precision.T) / 2
