"""Is this case like those that the model knows?"""

from __future__ import annotations

import numpy as np

from ..models.bundle import Reference
from .prediction import Novelty

UNUSUAL = 0.99  # share of held-out reference cases that must lie nearer


def novelty(features: np.ndarray, reference: Reference) -> Novelty:
    """Mahalanobis distance of features (D,) from the reference cases (Lee et al., NeurIPS 2018)."""
    return judged(mahalanobis(features[None], reference.mean, reference.precision)[0], reference)


def mahalanobis(features: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Distances (N,) of features (N, D)."""
    offset = np.asarray(features, np.float64) - mean
    squared = np.einsum("nd,de,ne->n", offset, precision, offset)
    return np.sqrt(np.maximum(squared, 0))


def judged(distance: float, reference: Reference) -> Novelty:
    """What a distance means beside those of held-out reference cases."""
    nearer = float(np.searchsorted(reference.distances, distance) / len(reference.distances))
    return Novelty(round(float(distance), 4), round(nearer, 4), nearer > UNUSUAL)
