"""The reference of a model: its training cases, and how far others lie from such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..models.file import Reference
from ..statistics.distance import mahalanobis, shrunk_precision


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Features by one network of the cases that it was trained on, and of cases kept from it.

    Attributes:
        training: (N, D).
        others: (M, D), one case a patient. No weight, epoch, mean or precision comes from them.
    """

    training: np.ndarray
    others: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Out-of-distribution scores (M,) of the others: Mahalanobis distances."""
        return mahalanobis(self.others, self.training.mean(axis=0), shrunk_precision(self.training))


def reference_of(training: np.ndarray, held_out: Iterable[HeldOut]) -> Reference:
    """The reference of a model.

    The score of a new case is judged by those of held-out cases. Where no patient can be spared,
    these come from cross-validation: each by the network of the fold that did not train on it, from
    that fold's training cases (cross-conformal prediction, Vovk, Ann Math Artif Intell
    2015;74:9-28).

    Args:
        training: (N, D) features, by the model's own network, of the cases that it was trained on.
        held_out: of the model's network, or of one network for each fold.

    Raises:
        ValueError: nothing was held out.
    """
    distances = np.concatenate([one.distances for one in held_out])
    return Reference(training.mean(axis=0), shrunk_precision(training), np.sort(distances))
