"""Is this case like those that the model was trained on? A test by rank, whose level holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..imaging.flags import Flag
from ..models.file import Reference
from ..statistics.distance import mahalanobis
from .prediction import Novelty

LEVEL = 0.01  # share of the cases like the training's that are flagged, at most
LEAST_HELD_OUT = round(1 / LEVEL) - 1  # fewer give no p-value as small as the level


def novelty(features: np.ndarray, reference: Reference) -> Novelty:
    """How unlike the reference cases a case with these features (D,) is.

    The out-of-distribution score is the Mahalanobis distance (Lee et al., NeurIPS 2018,
    arXiv:1807.03888). Its p-value is a rank among the scores of held-out cases (Vovk et al.,
    Algorithmic Learning in a Random World, 2005, section 2.2): of exchangeable cases a share of at
    most `LEVEL` is flagged, whatever the scores' distribution.
    """
    distance = float(mahalanobis(features[None], reference.mean, reference.precision)[0])
    count = len(reference.distances)
    as_far = count - int(np.searchsorted(reference.distances, distance, side="left"))
    p = (as_far + 1) / (count + 1)
    unlike = p <= LEVEL if count >= LEAST_HELD_OUT else None
    return Novelty(round(distance, 4), round(p, 6), count, unlike)


def novelty_flags(seen: Novelty | None, what: str) -> Iterator[Flag]:
    """What is to be said of that; `what` was looked at, a "tumour" say."""
    if seen is None:
        sentence = f"The model has no reference cases: nothing says whether it knows such a {what}."
        yield Flag("no_reference", "warning", sentence)
    elif seen.out_of_distribution is None:
        sentence = (
            f"The model has only {seen.held_out} held-out cases, and {LEAST_HELD_OUT} are needed: "
            f"nothing says whether it knows such a {what}."
        )
        yield Flag("few_reference_cases", "warning", sentence)
    elif seen.out_of_distribution:
        sentence = (
            f"To the model this {what} looks unlike those it was trained on (p = {seen.p:.2g}): of "
            f"its {seen.held_out} held-out cases at most {LEVEL:.0%} lie as far from them."
        )
        yield Flag("out_of_distribution", "severe", sentence)
