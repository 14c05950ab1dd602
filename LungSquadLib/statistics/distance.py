"""Mahalanobis distances of cases from a reference distribution."""

from __future__ import annotations

import numpy as np


def mahalanobis(cases: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Return the Mahalanobis distances (N,) of cases (N, D) from a mean (D,); precision (D, D)."""
    offset = np.asarray(cases, np.float64) - mean
    squared = np.einsum("nd,de,ne->n", offset, precision, offset)
    return np.sqrt(np.maximum(squared, 0))


def shrunk_precision(cases: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Return the inverse covariance (D, D) of cases (N, D), shrunk towards a sphere by `share`.

    Ledoit and Wolf, J Multivar Anal 2004;88:365, with a fixed share.
    """
    covariance = np.atleast_2d(np.cov(cases.T))
    sphere = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    precision = np.linalg.inv((1 - share) * covariance + share * sphere)
    return (precision + precision.T) / 2
