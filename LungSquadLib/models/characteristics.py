"""Characteristics of nodules that readers rate, as the card of a descriptor has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..fields import Fields


@dataclass(frozen=True)
class Characteristic:
    """A characteristic that readers rate on a scale, and what is known of its ratings.

    Attributes:
        name: as an identifier ("spiculation").
        lowest: value of the scale; the others count from it.
        words: for each value.
        scaling: intercept and slope of the rating by the expected rating of a reader, which is
            nearer to the middle; ratings then vary as much as the readers' means do.
        temperature: the log probabilities are divided by it.
        most_sd: predicted standard deviation of readers above which the model abstains.
        sd: readers' standard deviation in training nodules, by the readers' mean (rounded).
        groups: means at most the first and at least the second are the two classes of AUC.
        volume: intercept and slope of the volume-only baseline: rating by log volume in mL, which
            varies as much as the readers' means do.
    """

    name: str
    lowest: int
    words: tuple[str, ...]
    scaling: tuple[float, float]
    temperature: float
    most_sd: float
    sd: tuple[float, ...]
    groups: tuple[float, float]
    volume: tuple[float, float]

    @property
    def values(self) -> tuple[int, ...]:
        """The values of the scale, rising."""
        return tuple(range(self.lowest, self.lowest + len(self.words)))

    def rounded(self, value: float) -> int:
        """Return the value of the scale nearest to a number."""
        return min(max(math.floor(value + 0.5), self.values[0]), self.values[-1])

    def rating(self, expected: np.ndarray) -> np.ndarray:
        """Return the ratings (N,) of expected ratings of a reader, within the scale."""
        value = self.scaling[0] + self.scaling[1] * np.asarray(expected)
        return np.clip(value, self.values[0], self.values[-1])

    def by_volume(self, volume_ml: float) -> float:
        """Return the rating that the volume alone suggests, within the scale."""
        value = self.volume[0] + self.volume[1] * math.log(volume_ml)
        return min(max(value, self.values[0]), self.values[-1])


def read_characteristic(fields: Fields) -> Characteristic:
    """Read a characteristic of a card's JSON; `ValueError` if it is not valid."""
    result = Characteristic(
        name=fields.identifier("name"),
        lowest=fields.integer("lowest", 0, 100),
        words=fields.texts("words", most=20),
        scaling=fields.numbers("scaling", -1e3, 1e3, most=2),  # type: ignore[arg-type]
        temperature=fields.number("temperature", 1e-3, 1e3),
        most_sd=fields.number("most_sd", 0, 100),
        sd=fields.numbers("sd", 0, 100, most=20),
        groups=fields.numbers("groups", most=2),  # type: ignore[arg-type]
        volume=fields.numbers("volume", -1e3, 1e3, most=2),  # type: ignore[arg-type]
    )
    pairs = (result.groups, result.volume, result.scaling)
    if len(result.sd) != len(result.words) or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"the characteristic '{result.name}' of the card is not complete")
    fields.end()
    return result
