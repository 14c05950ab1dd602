"""Measures of generated slices against real ones, and their intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.slice_set import Slicing
from ...imaging.features import SLICE_FEATURES, slice_features
from ...imaging.slices import to_channels
from ...inference.segmenter import Segmenter, dice
from ...statistics.image_similarity import (
    SlicedWasserstein,
    frechet_distance,
    kernel_distance,
    ms_ssim,
    precision_recall,
    random_pairs,
    standardised,
)
from ...statistics.intervals import Estimate
from .image_set import Material
from .results import MEASURES, SHARES, ImageSetMeasure

FEWEST = 8  # slices that a comparison takes
SEGMENTED = 64  # pixels a side at most that the segmenter sees
_FARTHEST = 10.0  # standard deviations: cubed, one outlier would be all that is seen
_PAIRS = 200  # for MS-SSIM
_QUANTILES = np.linspace(0.005, 0.995, 100)


@dataclass(frozen=True, eq=False)
class View:
    """Slices as everything that is compared sees them, a row each.

    Attributes:
        material: the slices themselves.
        channels: (n, 2, y, x) CT and mask in -1..1.
        shapes: each of `imaging.features.SLICE_FEATURES`; NaN where a mask is empty.
        network: (n, D) features of the segmenter, and `dice` (n,) its agreement with the mask;
            None where there is no segmenter.
    """

    material: Material
    channels: np.ndarray
    shapes: dict[str, np.ndarray]
    network: np.ndarray | None
    dice: np.ndarray | None

    def __len__(self) -> int:
        return len(self.channels)

    def taken(self, chosen: np.ndarray) -> View:
        """Some of the rows."""
        return replace(
            self,
            material=self.material.taken(chosen),
            channels=self.channels[chosen],
            shapes={name: values[chosen] for name, values in self.shapes.items()},
            network=None if self.network is None else self.network[chosen],
            dice=None if self.dice is None else self.dice[chosen],
        )


def look(material: Material, slicing: Slicing, segmenter: Segmenter | None) -> View:
    """Slices, looked at."""
    hu, mask = material.hu, material.mask
    channels = to_channels(hu, mask, low=slicing.hu_low, high=slicing.hu_high)
    clipped = np.clip(hu, slicing.hu_low, slicing.hu_high)  # as a generator's must be
    shapes = slice_features(clipped, mask, spacing_mm=slicing.pixel_mm)
    if segmenter is None:
        return View(material, channels, shapes, None, None)
    small = reduced(channels)
    found = dice(segmenter.masks(small[:, 0]), small[:, 1] > 0)
    return View(material, channels, shapes, segmenter.features(small[:, 0]), found)


def reduced(channels: np.ndarray) -> np.ndarray:
    """Images (n, C, y, x) with at most `SEGMENTED` pixels a side: means of blocks."""
    n, count, side, _ = channels.shape
    small = min(side, SEGMENTED)
    block = side // small
    return channels.reshape(n, count, small, block, small, block).mean((3, 5))


def alone(view: View, *, seed: int) -> dict[str, float]:
    """What can be said of a set by itself."""
    first, second = random_pairs(len(view), _PAIRS, seed=seed)
    said = {
        "ms_ssim": float(ms_ssim(view.channels[first], view.channels[second]).mean()),
        "empty": float(np.isnan(view.shapes["area_mm2"]).mean()),
    }
    if view.dice is not None:
        said["dice"] = float(view.dice.mean())
    return said


def pyramid(distance: SlicedWasserstein, channels: np.ndarray) -> dict[str, float]:
    """Sliced Wasserstein distances by level, and their mean."""
    levels = distance.to(channels)
    return {
        **{f"swd_{side}": value for side, value in levels.items()},
        "swd_mean": float(np.mean(list(levels.values()))),
    }


def beside(view: View, reals: View) -> dict[str, float]:
    """Distances of features, in standard deviations of the reals; what cannot be had is missing."""
    said = _in_space("shape", _table(view), _table(reals))
    if view.network is not None and reals.network is not None:
        said |= _in_space("network", view.network, reals.network)
    for name in SLICE_FEATURES:
        said |= _apart(name, view.shapes[name], reals.shapes[name])
    return said


def _in_space(space: str, features: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    if min(len(features), len(reals)) < FEWEST:
        return {}
    reals, features = (np.clip(one, -_FARTHEST, _FARTHEST) for one in standardised(reals, features))
    share = precision_recall(reals, features)
    return {
        f"kid_{space}": kernel_distance(features, reals),
        f"frechet_{space}": frechet_distance(features, reals),
        f"precision_{space}": share.precision,
        f"recall_{space}": share.recall,
    }


def _table(view: View) -> np.ndarray:
    """Features (n, D) of the slices that have them all."""
    table = np.column_stack(list(view.shapes.values()))
    return table[np.isfinite(table).all(1)]


def _apart(name: str, values: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    """The Wasserstein distance of one feature's distributions."""
    values, reals = values[np.isfinite(values)], reals[np.isfinite(reals)]
    if min(len(values), len(reals)) < FEWEST or reals.std() == 0:
        return {}
    gap = np.abs(np.quantile(values, _QUANTILES) - np.quantile(reals, _QUANTILES)).mean()
    return {f"apart_{name}": float(gap / reals.std())}


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


def measures(rounds: Sequence[dict[str, dict[str, float]]]) -> tuple[ImageSetMeasure, ...]:
    """Measures that every seed gave, with their intervals."""

    def over_seeds(column: str, name: str) -> Estimate | None:
        values = [one.get(column, {}).get(name, math.nan) for one in rounds]
        return None if np.isnan(values).any() else _interval(values, name)

    found = []
    for name in MEASURES:
        value = over_seeds("value", name)
        others = (over_seeds(column, name) for column in ("reference", "untrained", "gaussian"))
        if value is not None:
            found.append(ImageSetMeasure(name, value, *others))
    return tuple(found)


def _interval(values: list[float], name: str) -> Estimate:
    """Mean and 95 % interval, Student's, over seeds; no longer than the measure can be."""
    mean = float(np.mean(values))
    reach = _T[len(values) - 2] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = mean - reach, mean + reach
    if not name.startswith("kid"):  # which is unbiased, and so may lie below 0
        low = max(low, 0.0)
    return Estimate(mean, low, min(high, 1.0) if name in SHARES else high)
