"""Agreement between repeated measurements of the same patients, and between readers' ratings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .calibration import fit_temperature
from .intervals import Estimate


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Dice coefficient of two masks; 1 if both are empty (Dice, Ecology 1945;26:297)."""
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / both if both else 1.0


def icc_2_1(ratings: np.ndarray) -> float:
    """Return the intraclass correlation ICC(2,1).

    Two-way random effects, absolute agreement, single rating:
    Shrout and Fleiss, Psychological Bulletin 1979;86:420-428.

    Args:
        ratings: (patients, raters); at least two of each, no missing values.

    Returns:
        1 where all raters agree and patients differ; around 0, or below, where raters differ as
        much as patients do. NaN where nothing varies at all.

    Raises:
        ValueError: fewer than two patients or raters.
    """
    ratings = np.asarray(ratings, np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise ValueError(f"ICC needs two patients and two raters at least, not {ratings.shape}.")
    patients, raters = ratings.shape
    mean = ratings.mean()
    between_patients = raters * ((ratings.mean(axis=1) - mean) ** 2).sum() / (patients - 1)
    between_raters = patients * ((ratings.mean(axis=0) - mean) ** 2).sum() / (raters - 1)
    residual = (
        ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0, keepdims=True) + mean
    )
    error = (residual**2).sum() / ((patients - 1) * (raters - 1))
    whole = between_patients + (raters - 1) * error + raters * (between_raters - error) / patients
    return float((between_patients - error) / whole) if whole > 0 else float("nan")


def icc_estimate(ratings: np.ndarray, *, n: int = 1000) -> Estimate:
    """Estimate ICC(2,1) with the percentile interval of `n` bootstrap samples; see `icc_2_1`."""
    ratings = np.asarray(ratings, np.float64)
    random = np.random.default_rng(0)
    samples = [icc_2_1(ratings[random.integers(0, len(ratings), len(ratings))]) for _ in range(n)]
    value = icc_2_1(ratings)
    low, high = np.nanquantile(samples, (0.025, 0.975))  # a sample of one patient alone has none
    return Estimate(value, min(float(low), value), max(float(high), value), "bootstrap of patients")


def weighted_kappa(confusion: np.ndarray) -> float:
    """Return the quadratic-weighted kappa of a square table: near misses count less than far ones.

    Cohen, Psychological Bulletin 1968;70:213-220.

    Args:
        confusion: (K, K) counts, classes in their order (T1, T2, ...).

    Returns:
        1 where all agree, around 0 by chance. NaN where no disagreement is expected.

    Raises:
        ValueError: the table is not square, negative or empty.
    """
    table = np.asarray(confusion, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"kappa needs a square table, not {table.shape}")
    if not (table >= 0).all() or not table.sum():
        raise ValueError("kappa needs counts, at least one")
    misses = np.subtract.outer(np.arange(len(table)), np.arange(len(table))) ** 2
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    expected = (misses * by_chance).sum()
    return float(1 - (misses * table).sum() / expected) if expected else float("nan")


Ratings = Sequence[Sequence[int]]  # of each nodule, each reader's
_LEAST_NODULES = 5  # for a spread of their own


def nearest(values: np.ndarray, lowest: int, count: int) -> np.ndarray:
    """Return the nearest value of a scale; halves go up."""
    rounded = np.floor(np.asarray(values, np.float64) + 0.5).astype(np.int64)
    return np.clip(rounded, lowest, lowest + count - 1)


def scale_kappa(first: np.ndarray, second: np.ndarray, lowest: int, count: int) -> float:
    """Return the quadratic-weighted kappa of two ratings (N,) on a scale; see `weighted_kappa`.

    Means and other numbers between the values are rounded.
    """
    rows, columns = (nearest(values, lowest, count) - lowest for values in (first, second))
    table = np.bincount(rows * count + columns, minlength=count * count)
    return weighted_kappa(table.reshape(count, count))


def leave_one_reader_out(ratings: Ratings) -> Iterator[tuple[int, int, float]]:
    """Yield the nodule, each reader's rating, and the mean of the other readers of that nodule."""
    for number, given in enumerate(ratings):
        for reader, rating in enumerate(given):
            rest = [*given[:reader], *given[reader + 1 :]]
            if rest:
                yield number, rating, float(np.mean(rest))


def sd_by_value(ratings: Ratings, lowest: int, count: int) -> np.ndarray:
    """Return the readers' standard deviation (count,) in nodules of each mean rating, rounded.

    Pooled over nodules with two readers at least; over all of them where a value has too few.
    """
    several = [given for given in ratings if len(given) > 1]
    if not several:
        return np.zeros(count)
    variances = np.array([np.var(given, ddof=1) for given in several])
    weights = np.array([len(given) - 1 for given in several])
    means = nearest(np.array([np.mean(given) for given in several]), lowest, count)
    result = np.full(count, np.sqrt(np.average(variances, weights=weights)))
    for number in range(count):
        here = means == lowest + number
        if here.sum() >= _LEAST_NODULES:
            result[number] = np.sqrt(np.average(variances[here], weights=weights[here]))
    return result


def same_variance(x: np.ndarray, y: np.ndarray, *, steepest: float = 5.0) -> tuple[float, float]:
    """Return intercept and slope of the line that gives x (N,) the mean and variance of y (N,).

    The reduced major axis (Kermack and Haldane, Biometrika 1950;37:30-41). Least squares would
    give values nearer to the mean, which no scale's ends are reached with. The sign is that of the
    correlation. A slope of more than `steepest` would enlarge noise, and is not given.
    """
    deviations = x - x.mean(), y - y.mean()
    if not deviations[0].any():
        return float(y.mean()), 0.0
    sign = 1.0 if (deviations[0] * deviations[1]).sum() >= 0 else -1.0
    slope = sign * min(float(y.std() / x.std()), steepest)
    return float(y.mean() - slope * x.mean()), slope


def tempered(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (N, K) of log probabilities divided by a temperature."""
    scaled = np.asarray(log_probabilities, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def temperature_of_votes(log_probabilities: np.ndarray, votes: np.ndarray) -> float:
    """Fit the temperature (see `fit_temperature`) to how many readers gave each value (N, K)."""
    rows, values = np.nonzero(votes)
    times = votes[rows, values].astype(np.int64)
    return fit_temperature(log_probabilities[np.repeat(rows, times)], np.repeat(values, times))


def mean_and_sd(probabilities: np.ndarray, lowest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation (N,) of distributions (N, K) over a scale."""
    values = lowest + np.arange(probabilities.shape[-1])
    mean = probabilities @ values
    return mean, np.sqrt(np.maximum(probabilities @ values**2 - mean**2, 0))


def central_range(
    probabilities: np.ndarray, lowest: int, *, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value (N,) of the central range that holds `level`."""
    tail, at_most = (1 - level) / 2, probabilities.cumsum(axis=-1)
    low, high = ((at_most < share - 1e-12).sum(axis=-1) for share in (tail, 1 - tail))
    most = probabilities.shape[-1] - 1
    return lowest + np.minimum(low, most), lowest + np.minimum(high, most)
