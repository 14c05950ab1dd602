"""Could chance have done as well?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bootstrap import Statistic
from .checks import patients
from .proportion import wilson

FEWEST = 199  # shuffles behind a p that a headline may rest on


@dataclass(frozen=True)
class Permutation:
    """A statistic, its p, and what it came to under shuffled labels (n,)."""

    value: float
    p: float
    null: np.ndarray


def is_small(p: float, shuffles: int, level: float = 0.05) -> bool:
    """Whether a permutation's p is below a level, its own 95 % interval with it.

    A p of so many shuffles is an estimate: 0.048 of 1000 may as well be 0.06, and the least that 19
    give is 0.05. Fewer than `FEWEST` shuffles show nothing.
    """
    reached = round(p * (shuffles + 1)) - 1
    return shuffles >= FEWEST and wilson(reached, shuffles)[1] < level


def permutation_test(
    statistic: Statistic,
    y: np.ndarray,
    *columns: np.ndarray,
    groups: np.ndarray | None = None,
    n: int = 2000,
    seed: int = 0,
) -> Permutation:
    """How often a statistic of shuffled labels is as large as that of the real ones.

    The real order counts as one of the shuffles, which makes the test exact and p at least
    1 / (n + 1): Phipson and Smyth, Stat Appl Genet Mol Biol 2010;9:39.

    Args:
        statistic: called with labels and `columns`; larger where they agree better.
        y: (N,) labels.
        columns: each (N, ...).
        groups: (N,) the patient of each row: labels change places between patients.
        n: shuffles.
        seed: of the shuffles.

    Raises:
        ValueError: a patient has several labels, or the statistic cannot be had.
    """
    y, patient = np.asarray(y), patients(groups, len(y))
    label = y[np.unique(patient, return_index=True)[1]]
    if (label[patient] != y).any():
        raise ValueError("a patient with several labels cannot change places with another")
    value = float(statistic(y, *columns))
    random = np.random.default_rng(seed)
    null = np.array([statistic(random.permutation(label)[patient], *columns) for _ in range(n)])
    # Equal up to rounding is equal; what is NaN counts against the score.
    beaten = null < value - 1e-12 * max(1.0, abs(value))
    return Permutation(value, float((1 + (~beaten).sum()) / (1 + n)), null)
