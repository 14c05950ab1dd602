"""Is this case like those that the model knows?"""

from __future__ import annotations

import numpy as np

from ..models.bundle import Reference
from ..statistics.distance import mahalanobis
from .prediction import Novelty

UNUSUAL = 0.99  # share of held-out reference cases that must lie nearer


def novelty(features: np.ndarray, reference: Reference) -> Novelty:
    """How unlike the reference cases a case with these features (D,) is.

    Mahalanobis distance (Lee et al., NeurIPS 2018, arXiv:1807.03888), judged by those of reference
    cases that were held out.
    """
    distance = float(mahalanobis(features[None], reference.mean, reference.precision)[0])
    nearer = float(np.searchsorted(reference.distances, distance) / len(reference.distances))
    return Novelty(round(distance, 4), round(nearer, 4), nearer > UNUSUAL)
