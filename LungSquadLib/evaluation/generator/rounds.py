"""Comparisons over seeds: what is drawn once more in each, and what comes out of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...models.card import Interval
from ...statistics.image_similarity import SlicedWasserstein
from .compare import View, alone, beside, pyramid
from .results import MEASURES, SHARES, Measure

# Quantiles of Student's t for a 95 % interval of 2 to 10 seeds.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
MOST_SEEDS = len(_T) + 1


@dataclass(frozen=True)
class Round:
    """One seed's comparison: everything that is drawn is drawn from it.

    Attributes:
        fakes: generated slices; `untrained`: of the network before its training.
        training: real slices that the generator has seen; `held_out`: others.
        compared: how many of each are compared; 0: nothing is.
        seed: of what is drawn.
    """

    fakes: View
    training: View
    held_out: View
    untrained: View | None
    compared: int
    seed: int

    def columns(self) -> dict[str, dict[str, float]]:
        """The numbers of generated slices, reference and baselines, by the fields of `Measure`."""
        said: dict[str, dict[str, float]] = {"value": alone(self.fakes, seed=self.seed)}
        if not self.compared:
            return said
        n, random = self.compared, np.random.default_rng((self.seed, 2))
        reals = self.held_out.taken(random.choice(len(self.held_out), n, replace=False))
        fakes = self.fakes.taken(np.arange(n))
        distance = SlicedWasserstein(reals.channels, seed=self.seed)
        said["value"] |= pyramid(distance, fakes.channels) | beside(fakes, reals)
        said["reference"] = alone(reals, seed=self.seed)
        if len(self.training) >= n:
            known = self.training.taken(random.choice(len(self.training), n, replace=False))
            said["reference"] |= pyramid(distance, known.channels) | beside(known, reals)
        if self.untrained is not None:
            said["untrained"] = pyramid(distance, self.untrained.channels)
        model = self.training if len(self.training) else self.held_out
        said["gaussian"] = pyramid(distance, _gaussian(model.channels, n, random))
        return said


def _gaussian(channels: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """Images whose pixels have the mean and standard deviation that they have in real ones."""
    drawn = random.standard_normal((n, *channels.shape[1:]), np.float32)
    return np.clip(channels.mean(0) + channels.std(0) * drawn, -1, 1)


def measures(rounds: Sequence[dict[str, dict[str, float]]]) -> tuple[Measure, ...]:
    """Measures that every seed gave, with their intervals."""

    def over_seeds(column: str, name: str) -> Interval | None:
        values = [one.get(column, {}).get(name, math.nan) for one in rounds]
        return None if np.isnan(values).any() else _interval(values, name)

    found = []
    for name in MEASURES:
        value = over_seeds("value", name)
        others = (over_seeds(column, name) for column in ("reference", "untrained", "gaussian"))
        if value is not None:
            found.append(Measure(name, value, *others))
    return tuple(found)


def _interval(values: list[float], name: str) -> Interval:
    """Mean and 95 % interval, Student's, over seeds; no longer than the measure can be."""
    mean = float(np.mean(values))
    reach = _T[len(values) - 2] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = mean - reach, mean + reach
    if not name.startswith("kid"):  # which is unbiased, and so may lie below 0
        low = max(low, 0.0)
    return Interval(mean, low, min(high, 1.0) if name in SHARES else high)
