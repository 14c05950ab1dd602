"""Measures of generated slices against real ones, and their intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.slice_set import Slicing
from ...imaging.features import SLICE_FEATURES, slice_features
from ...imaging.slices import to_channels
from ...inference.segmenter import Segmenter
from ...statistics.agreement import dice
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
from .image_set import ImageSet
from .results import FRACTIONS, MEASURES, ImageSetMeasure

MIN_SLICES = 8  # in a comparison
SEGMENTED = 64  # most pixels a side of the segmenter's input
_MAX_SD = 10.0  # standard deviations: cubed, one outlier would dominate
_PAIRS = 200  # for MS-SSIM
_QUANTILES = np.linspace(0.005, 0.995, 100)


@dataclass(frozen=True, eq=False)
class MeasuredSlices:
    """Slices with all that is compared of them, a row each.

    Attributes:
        images: HU and mask.
        channels: (n, 2, y, x) CT and mask in -1..1.
        noise_texture: (n,) HU of noise and fine structure, see `noise_texture`.
        shapes: each of `imaging.features.SLICE_FEATURES`; NaN where a mask is empty.
        network: (n, D) features of the segmenter, and `dice` (n,) its agreement with the mask;
            None where there is no segmenter.
    """

    images: ImageSet
    channels: np.ndarray
    noise_texture: np.ndarray
    shapes: dict[str, np.ndarray]
    network: np.ndarray | None
    dice: np.ndarray | None

    def __len__(self) -> int:
        return len(self.channels)

    def subset(self, chosen: np.ndarray) -> MeasuredSlices:
        """Return the chosen rows."""
        return replace(
            self,
            images=self.images.subset(chosen),
            channels=self.channels[chosen],
            noise_texture=self.noise_texture[chosen],
            shapes={name: values[chosen] for name, values in self.shapes.items()},
            network=None if self.network is None else self.network[chosen],
            dice=None if self.dice is None else self.dice[chosen],
        )


def measure_slices(
    images: ImageSet, slicing: Slicing, segmenter: Segmenter | None
) -> MeasuredSlices:
    """Compute the features of slices, with those of a segmenter if there is one."""
    hu, mask = images.hu, images.mask
    channels = to_channels(hu, mask, low=slicing.hu_low, high=slicing.hu_high)
    clipped = np.clip(hu, slicing.hu_low, slicing.hu_high)  # as generated slices are
    shapes = slice_features(clipped, mask, spacing_mm=slicing.pixel_mm)
    noise = noise_texture(clipped)
    if segmenter is None:
        return MeasuredSlices(images, channels, noise, shapes, None, None)
    small = reduced(channels)
    pairs = zip(segmenter.masks(small[:, 0]), small[:, 1] > 0, strict=True)
    agreement = np.array([dice(first, second) for first, second in pairs])
    features = segmenter.features(small[:, 0])
    return MeasuredSlices(images, channels, noise, shapes, features, agreement)


def noise_texture(hu: np.ndarray) -> np.ndarray:
    """Return the median deviation of pixels from the mean of their four neighbours (n,), in HU.

    Of independent normal noise it is 0.754 of the standard deviation (0.674 of it, and a quarter
    more variance for the neighbours).
    """
    x = hu.astype(np.float32)
    neighbours = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    deviation = np.abs(x[:, 1:-1, 1:-1] - neighbours / 4)
    pixels = deviation.shape[1] * deviation.shape[2]
    return np.asarray(np.median(deviation.reshape(len(x), pixels), axis=1))


def histogram_distance(channels: np.ndarray, reals: np.ndarray) -> float:
    """Return the Wasserstein distance of the CT channels' pixels, as a fraction of the window."""
    first, second = (np.quantile(images[:, 0], _QUANTILES) for images in (channels, reals))
    return float(np.abs(first - second).mean() / 2)


def reduced(channels: np.ndarray) -> np.ndarray:
    """Average blocks of images (n, C, y, x) to at most `SEGMENTED` pixels a side."""
    n, count, side, _ = channels.shape
    small = min(side, SEGMENTED)
    block = side // small
    return channels.reshape(n, count, small, block, small, block).mean((3, 5))


def single_set(view: MeasuredSlices, *, seed: int) -> dict[str, float]:
    """Return the measures of a set alone: noise texture, MS-SSIM, empty masks, Dice."""
    first, second = random_pairs(len(view), _PAIRS, seed=seed)
    values = {
        "noise_texture": float(view.noise_texture.mean()),
        "ms_ssim": float(ms_ssim(view.channels[first], view.channels[second]).mean()),
        "empty": float(np.isnan(view.shapes["area_mm2"]).mean()),
    }
    if view.dice is not None:
        values["dice"] = float(view.dice.mean())
    return values


def swd(distance: SlicedWasserstein, channels: np.ndarray) -> dict[str, float]:
    """Return the sliced Wasserstein distances by level, and their mean."""
    levels = distance.to(channels)
    return {
        **{f"swd_{side}": value for side, value in levels.items()},
        "swd_mean": float(np.mean(list(levels.values()))),
    }


def feature_distances(view: MeasuredSlices, reals: MeasuredSlices) -> dict[str, float]:
    """Return feature distances in standard deviations of the reals; undefined ones are missing."""
    values = _in_space("shape", _table(view), _table(reals))
    if view.network is not None and reals.network is not None:
        values |= _in_space("network", view.network, reals.network)
    for name in SLICE_FEATURES:
        values |= _feature_distance(name, view.shapes[name], reals.shapes[name])
    return values


def _in_space(space: str, features: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    if min(len(features), len(reals)) < MIN_SLICES:
        return {}
    reals, features = (np.clip(table, -_MAX_SD, _MAX_SD) for table in standardised(reals, features))
    share = precision_recall(reals, features)
    return {
        f"kid_{space}": kernel_distance(features, reals),
        f"frechet_{space}": frechet_distance(features, reals),
        f"precision_{space}": share.precision,
        f"recall_{space}": share.recall,
    }


def _table(view: MeasuredSlices) -> np.ndarray:
    """Features (n, D) of the slices without missing ones."""
    table = np.column_stack(list(view.shapes.values()))
    return table[np.isfinite(table).all(1)]


def _feature_distance(name: str, values: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    """The Wasserstein distance of one feature's distributions."""
    values, reals = values[np.isfinite(values)], reals[np.isfinite(reals)]
    if min(len(values), len(reals)) < MIN_SLICES or reals.std() == 0:
        return {}
    gap = np.abs(np.quantile(values, _QUANTILES) - np.quantile(reals, _QUANTILES)).mean()
    return {f"distance_{name}": float(gap / reals.std())}


# Quantiles of Student's t for a 95 % interval of 2 to 10 seeds.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
MOST_SEEDS = len(_T) + 1


@dataclass(frozen=True)
class SeedComparison:
    """The comparison of one seed, from which all random draws follow.

    Attributes:
        fakes: generated slices; `untrained`: of the network before its training.
        training: real slices of the generator's training; `held_out`: other real ones.
        compared: number of slices of each set; 0: no comparison.
        seed: of the draws.
    """

    fakes: MeasuredSlices
    training: MeasuredSlices
    held_out: MeasuredSlices
    untrained: MeasuredSlices | None
    compared: int
    seed: int

    def columns(self) -> dict[str, dict[str, float]]:
        """Return the measures of generated slices, reference and baselines, by their column."""
        values: dict[str, dict[str, float]] = {"generated": single_set(self.fakes, seed=self.seed)}
        if not self.compared:
            return values
        n, random = self.compared, np.random.default_rng((self.seed, 2))
        reals = self.held_out.subset(random.choice(len(self.held_out), n, replace=False))
        fakes = self.fakes.subset(np.arange(n))
        distance = SlicedWasserstein(reals.channels, seed=self.seed)

        def compared(channels: np.ndarray) -> dict[str, float]:
            return swd(distance, channels) | {
                "histogram": histogram_distance(channels, reals.channels)
            }

        values["generated"] |= compared(fakes.channels) | feature_distances(fakes, reals)
        values["reference"] = single_set(reals, seed=self.seed)
        if len(self.training) >= n:
            known = self.training.subset(random.choice(len(self.training), n, replace=False))
            values["reference"] |= compared(known.channels) | feature_distances(known, reals)
        if self.untrained is not None:
            values["untrained"] = compared(self.untrained.channels)
        model = self.training if len(self.training) else self.held_out
        values["gaussian"] = compared(_gaussian(model.channels, n, random))
        return values


def _gaussian(channels: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """Images of independent pixels with the mean and standard deviation of the real ones."""
    drawn = random.standard_normal((n, *channels.shape[1:]), np.float32)
    return np.clip(channels.mean(0) + channels.std(0) * drawn, -1, 1)


def measures(rounds: Sequence[dict[str, dict[str, float]]]) -> tuple[ImageSetMeasure, ...]:
    """Return the measures that are defined for every seed, with intervals over seeds."""

    def over_seeds(column: str, name: str) -> Estimate | None:
        values = [seed_values.get(column, {}).get(name, math.nan) for seed_values in rounds]
        return None if np.isnan(values).any() else _interval(values, name)

    table = []
    for name in MEASURES:
        generated = over_seeds("generated", name)
        references = (over_seeds(column, name) for column in ("reference", "untrained", "gaussian"))
        if generated is not None:
            table.append(ImageSetMeasure(name, generated, *references))
    return tuple(table)


def _interval(values: list[float], name: str) -> Estimate:
    """Mean and 95 % interval, Student's, over seeds, within the range of the measure."""
    mean = float(np.mean(values))
    half_width = _T[len(values) - 2] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = mean - half_width, mean + half_width
    if not name.startswith("kid"):  # which is unbiased, and so may lie below 0
        low = max(low, 0.0)
    return Estimate(mean, low, min(high, 1.0) if name in FRACTIONS else high)
