"""Is this case like those that the model knows?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..imaging.flags import Flag
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


def novelty_flags(seen: Novelty | None, what: str) -> Iterator[Flag]:
    """What is to be said of that; `what` was looked at, a "tumour" say."""
    if seen is None:
        sentence = f"The model has no reference cases: nothing says whether it knows such a {what}."
        yield Flag("no_reference", "warning", sentence)
    elif seen.out_of_distribution:
        sentence = (
            f"To the model this {what} looks unlike those it was trained on: it lies further from "
            f"them than {min(seen.percentile, UNUSUAL):.0%} of its own held-out cases."
        )
        yield Flag("out_of_distribution", "severe", sentence)
