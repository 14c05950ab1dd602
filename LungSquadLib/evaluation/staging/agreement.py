"""How far several ways of staging the same patients agree, on T1 to T4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ...imaging.stage import GROUPS, group_of
from ...statistics.agreement import weighted_kappa
from ...statistics.bootstrap import Estimate, bootstrap
from ...statistics.report import confusion
from ...statistics.text import with_interval

# What the ways are called, in the order in which they are shown.
WAYS: Mapping[str, str] = {
    "ruler": "ruler",
    "mlp": "MLP",
    "cluster": "cluster",
    "reported": "reported",
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two ways on the patients whom both have staged.

    Attributes:
        one, other: of `WAYS`.
        counts: (4, 4); rows are `one`'s T1 to T4, columns `other`'s.
        kappa: quadratic-weighted, with its interval; None where chance leaves nothing to disagree
            on, as where all patients have one stage.
    """

    one: str
    other: str
    counts: np.ndarray
    kappa: Estimate | None

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def same(self) -> int:
        """Patients on whom both agree."""
        return int(self.counts.trace())

    @property
    def sentence(self) -> str:
        """The agreement for people."""
        names = f"{WAYS[self.one]} and {WAYS[self.other]}"
        said = f"{names[0].upper()}{names[1:]}: {self.same} of {self.n} patients alike"
        if self.kappa is None:
            return f"{said}; kappa cannot be had of them."
        return f"{said}; quadratic-weighted kappa {with_interval(self.kappa)}."

    def to_dict(self) -> dict[str, Any]:
        kappa = self.kappa
        return {
            "ways": [self.one, self.other],
            "n": self.n,
            "same": self.same,
            "kappa": None
            if kappa is None
            else {"value": kappa.value, "low": kappa.low, "high": kappa.high, "level": 0.95},
            "counts": self.counts.tolist(),
        }


def agreements(stages: Sequence[Mapping[str, str]], *, seed: int = 0) -> list[Agreement]:
    """Every two ways that have staged a patient in common.

    Args:
        stages: of each patient, by way; a way that is not there says nothing.
        seed: of the intervals' bootstrap.
    """
    found = []
    for one, other in combinations(WAYS, 2):
        both = [patient for patient in stages if one in patient and other in patient]
        if both:
            found.append(_agreement(one, other, both, seed))
    return found


def disagreement(stages: Mapping[str, str]) -> str | None:
    """A sentence where ways differ on T1 to T4; None where they agree, or there is one alone."""
    if len({group_of(stage) for stage in stages.values()}) < 2:
        return None
    said = ", ".join(f"{WAYS[way]} {stages[way]}" for way in WAYS if way in stages)
    return f"The ways disagree: {said}."


def other_edition(reported: str, edition: str) -> str:
    """That a reported stage is of another edition than the ruler's."""
    return (
        f"Reported by the {reported}th edition, measured by the {edition}th: part of the "
        "disagreement is between editions. --edition takes that of the reports."
    )


def _agreement(one: str, other: str, both: Sequence[Mapping[str, str]], seed: int) -> Agreement:
    numbers = [[GROUPS.index(group_of(patient[way])) for patient in both] for way in (one, other)]
    y, x = (np.array(each) for each in numbers)
    try:
        # How common the stages are is part of what kappa says: not drawn by stage.
        kappa = bootstrap(_kappa, y, x, seed=seed, stratify=False)
    except ValueError:
        kappa = None
    return Agreement(one, other, confusion(y, x, range(len(GROUPS))), kappa)


def _kappa(y: np.ndarray, x: np.ndarray) -> float:
    return weighted_kappa(confusion(y, x, range(len(GROUPS))))
