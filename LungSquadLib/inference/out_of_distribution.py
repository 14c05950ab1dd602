"""Out-of-distribution (OOD) score: is a case like those that the model was trained on?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..imaging.flags import Flag
from ..models.file import Reference
from .prediction import OODScore

LEVEL = 0.01  # largest share of in-distribution cases that is flagged
LEAST_HELD_OUT = round(1 / LEVEL) - 1  # with fewer cases no p-value is as small as the level


def ood_score(features: np.ndarray, reference: Reference) -> OODScore:
    """Return the OOD score of a case with these features (D,).

    The score is the Mahalanobis distance from the reference cases (Lee et al., NeurIPS 2018,
    arXiv:1807.03888). Its p-value is the rank among the scores of held-out cases (Vovk et al.,
    Algorithmic Learning in a Random World, 2005, section 2.2): of exchangeable cases a share of at
    most `LEVEL` is flagged, whatever the scores' distribution.
    """
    distance = float(mahalanobis(features[None], reference.mean, reference.precision)[0])
    count = len(reference.distances)
    as_far = count - int(np.searchsorted(reference.distances, distance, side="left"))
    p = (as_far + 1) / (count + 1)
    flagged = p <= LEVEL if count >= LEAST_HELD_OUT else None
    return OODScore(round(distance, 4), round(p, 6), count, flagged)


def ood_flags(score: OODScore | None, what: str) -> Iterator[Flag]:
    """Yield the flag of an OOD score; `what` has it, a "tumour" for example."""
    if score is None:
        sentence = (
            f"Whether this {what} is out of distribution is not known: the model has no reference "
            "cases."
        )
        yield Flag("no_reference", "warning", sentence)
    elif score.out_of_distribution is None:
        sentence = (
            f"Whether this {what} is out of distribution is not known: the model has only "
            f"{score.held_out} held-out cases, and {LEAST_HELD_OUT} are needed."
        )
        yield Flag("few_reference_cases", "warning", sentence)
    elif score.out_of_distribution:
        sentence = (
            f"This {what} is out of distribution for the model (p = {score.p:.2g}): of its "
            f"{score.held_out} held-out cases at most {LEVEL:.0%} lie as far from its training "
            "cases. Do not rely on the prediction."
        )
        yield Flag("out_of_distribution", "severe", sentence)


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
