"""Intensity statistics, the intensity histogram, and the intensity-volume histogram."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError
from .region import Region, number_of_bins

MOST_BINS = 100_000  # of the intensity-volume histogram


def statistics(values: np.ndarray) -> tuple[float, ...]:
    """Return the features of the family "stat", in the standard's order.

    Args:
        values: (n,) HU of the intensity mask.
    """
    values = values.astype(np.float64)
    mean, variance = float(values.mean()), float(values.var())
    deviations = values - mean
    p10, p25, median, p75, p90 = map(float, np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9)))
    central = values[(values >= p10) & (values <= p90)]
    return (
        mean,
        variance,
        float((deviations**3).mean()) / variance**1.5 if variance else 0.0,
        float((deviations**4).mean()) / variance**2 - 3 if variance else 0.0,
        median,
        float(values.min()),
        p10,
        p90,
        float(values.max()),
        p75 - p25,
        float(np.ptp(values)),
        float(np.abs(deviations).mean()),
        float(np.abs(central - central.mean()).mean()),
        float(np.abs(values - median).mean()),
        math.sqrt(variance) / mean if mean else math.nan,
        (p75 - p25) / (p75 + p25) if p75 + p25 else math.nan,
        float((values**2).sum()),
        math.sqrt(float((values**2).mean())),
    )


def histogram(levels: np.ndarray, count: int) -> tuple[float, ...]:
    """Return the features of the family "ih", in the standard's order.

    Args:
        levels: (n,) grey levels of the intensity mask, from 1 on.
        count: of grey levels; those that do not occur belong to the gradient. NaN where there is
            only one.
    """
    values = statistics(levels)
    *up_to_maximum, maximum = values[:9]
    counts = np.bincount(levels, minlength=count + 1)[1:]
    probability = counts[counts > 0] / len(levels)
    modes = np.flatnonzero(counts == counts.max()) + 1
    mode = float(modes[np.abs(modes - values[0]).argmin()])
    gradient = np.gradient(counts.astype(float)) if count > 1 else np.full(1, math.nan)
    steepest, lowest = int(gradient.argmax()), int(gradient.argmin())
    return (
        *up_to_maximum,
        maximum,
        mode,
        *values[9:16],
        -float((probability * np.log2(probability)).sum()),
        float((probability**2).sum()),
        float(gradient[steepest]),
        steepest + 1.0 if count > 1 else math.nan,
        float(gradient[lowest]),
        lowest + 1.0 if count > 1 else math.nan,
    )


def volume_histogram(region: Region) -> tuple[float, ...]:
    """Return the features of the family "ivh", in the standard's order.

    Intensities are HU, or numbers of bins where the histogram has a fixed bin number. NaN where
    there is one intensity only. An intensity that no tenth of the volume or less has is the one
    above the highest.

    Raises:
        InputError: the histogram has more than `MOST_BINS` bins.
    """
    values, intensities = _binned(region)
    if len(intensities) == 1:
        return (math.nan,) * 6
    below = np.searchsorted(np.sort(values), intensities - 1e-9)
    volume = 1 - below / len(values)
    fraction = np.linspace(0, 1, len(intensities))
    above = 2 * intensities[-1] - intensities[-2]

    def volume_at(share: float) -> float:
        return float(volume[fraction >= share - 1e-12].max())

    def intensity_at(share: float) -> float:
        present = intensities[volume <= share + 1e-12]
        return float(present.min() if len(present) else above)

    v10, v90, i10, i90 = volume_at(0.1), volume_at(0.9), intensity_at(0.1), intensity_at(0.9)
    return v10, v90, i10, i90, v10 - v90, i10 - i90


def _binned(region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Return the discretised values (n,) and all intensities of the histogram, ascending."""
    settings, values = region.settings, region.values
    if (number := settings.ivh_bin_number) is not None:
        return number_of_bins(values, number), np.arange(1.0, number + 1)
    low, high = settings.hu_range or (float(values.min()), float(values.max()))
    width = settings.ivh_bin_size or 1.0
    bins = math.ceil((high - low) / width - 1e-9)
    if bins > MOST_BINS:
        raise InputError(
            f"A bin size of {width:g} HU makes {bins} bins of the intensity-volume histogram; at "
            f"most {MOST_BINS} can be computed. Choose wider bins."
        )
    if settings.ivh_bin_size is None:
        return values, low + np.arange(math.floor(high - low) + 1)
    number = np.clip(np.floor((values - low) / width) + 1, 1, max(bins, 1))
    centres = low + (np.arange(1, max(bins, 1) + 1) - 0.5) * width
    return low + (number - 0.5) * width, centres
