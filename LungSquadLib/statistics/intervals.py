"""Confidence intervals and p-values: bootstrap over patients, Wilson, permutation, tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .checks import patients

Statistic = Callable[..., float]
LEVEL = 0.95  # of all intervals
HALF_WIDTH = NormalDist().inv_cdf(0.5 + LEVEL / 2)  # of a normal interval, in standard errors
SAMPLES = 1000  # bootstrap samples, unless another number is given
MIN_PERMUTATIONS = 199  # behind a p that a headline may rest on


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval.

    Attributes:
        value: the point estimate.
        low, high: the ends of the interval.
        method: how the interval was computed ("DeLong", "bootstrap of patients"); None where it
            was not recorded.
    """

    value: float
    low: float
    high: float
    method: str | None = None


@dataclass(frozen=True)
class Proportion:
    """`hits` of `n` with a Wilson interval; `value` is None where n is 0."""

    value: float | None
    low: float
    high: float
    hits: int
    n: int


@dataclass(frozen=True)
class Permutation:
    """A statistic, its p, and its values (n,) under permuted labels."""

    value: float
    p: float
    null: np.ndarray


def bootstrap(
    statistic: Statistic,
    y: np.ndarray,
    *columns: np.ndarray,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    stratify: bool = True,
) -> Estimate:
    """Estimate a statistic with the percentile interval of a bootstrap over patients.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; whole patients are
    drawn, with all their rows: Davison and Hinkley, Bootstrap Methods, 1997, section 3.8.

    Args:
        statistic: called with `y` and `columns` resampled together; samples for which it raises
            ValueError or returns NaN (one class only, for example) are left out.
        y: (N,) class labels.
        columns: each (N, ...).
        groups: (N,) the patient of each row; without it each row is a patient.
        n: number of samples.
        seed: seed of the random draws.
        stratify: draw as many patients of each label as there are. Right for statistics that do not
            depend on the prevalence; pass False where `y` holds no classes (times, for example).

    Raises:
        ValueError: the statistic is undefined for the data themselves, lengths differ, labels are
            as many as patients, or no sample gave a value.
    """
    y, columns = np.asarray(y), tuple(np.asarray(column) for column in columns)
    if any(len(column) != len(y) for column in columns):
        raise ValueError("columns of different lengths")
    value = float(statistic(y, *columns))
    rows = _rows_of_patients(patients(groups, len(y)))
    strata = _strata(y, rows) if stratify else [np.arange(len(rows))]
    random = np.random.default_rng(seed)
    values = []
    for _ in range(n):
        drawn = np.concatenate(
            [stratum[random.integers(0, len(stratum), len(stratum))] for stratum in strata]
        )
        sample = np.concatenate([rows[patient] for patient in drawn])
        try:
            values.append(float(statistic(y[sample], *(column[sample] for column in columns))))
        except ValueError:
            continue
    values = [value for value in values if not np.isnan(value)]
    if not values:
        raise ValueError("no sample gave a value")
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    method = "bootstrap" if groups is None else "bootstrap of patients"
    return Estimate(value, float(low), float(high), method)


def repeated(
    statistic: Statistic,
    y: np.ndarray,
    score: np.ndarray,
    repeat: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    stratify: bool = True,
) -> Estimate:
    """Estimate the mean of a statistic over repeats of a cross-validation.

    Repeats share their patients: a sample draws the same patients in all of them, so that ten
    repeats do not count for ten times the patients.

    Args:
        statistic: called with `y` and `score` of one repeat.
        y: (N,) class labels.
        score: (N, ...), for example a column for each of several models.
        repeat: (N,) the repeat of each row.
        groups: (N,) the patient of each row.
        n: number of samples.
        seed: seed of the random draws.
        stratify: as in `bootstrap`.

    Raises:
        ValueError: as `bootstrap`, or several repeats and no groups.
    """
    if groups is None and len(np.unique(repeat)) > 1:
        raise ValueError("repeats share patients, so groups must give the patient of each row")

    def averaged(y: np.ndarray, score: np.ndarray, repeat: np.ndarray) -> float:
        values = [statistic(y[repeat == k], score[repeat == k]) for k in np.unique(repeat)]
        return float(np.mean(values))

    mean = bootstrap(averaged, y, score, repeat, groups=groups, n=n, seed=seed, stratify=stratify)
    return Estimate(mean.value, mean.low, mean.high, f"mean of repeats, {mean.method}")


def _rows_of_patients(patient: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(patient, kind="stable")
    return np.split(order, np.cumsum(np.bincount(patient))[:-1])


def _strata(y: np.ndarray, rows: list[np.ndarray]) -> list[np.ndarray]:
    """Patients by label; those with rows of several labels by the lowest and the highest."""
    labels = np.array([(y[of].min(), y[of].max()) for of in rows])
    stratum = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    strata = _rows_of_patients(stratum)
    if len(strata) > len(rows) / 2:  # strata of one patient give an interval of no width
        raise ValueError(f"{len(strata)} labels among {len(rows)} patients cannot be stratified")
    return strata


def proportion(hits: int, n: int) -> Proportion:
    """Estimate a proportion with its Wilson interval."""
    return Proportion(hits / n if n else None, *wilson(hits, n), hits, n)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the Wilson interval of a proportion; 0 to 1 where n is 0.

    Wilson, J Am Stat Assoc 1927;22:209-212.

    Raises:
        ValueError: hits are negative, or more than n.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no proportion")
    if n == 0:
        return 0.0, 1.0
    share, z = hits / n, HALF_WIDTH
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are exactly 0 and 1 for no hits and for n hits, whatever the rounding.
    return (middle - half if hits else 0.0), (middle + half if hits < n else 1.0)


def two_sided_p(z: float) -> float:
    """Return the probability that a standard normal variable lies farther from 0 than z."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square_tail(x: float, df: int) -> float:
    """Return the probability that a chi-square variable of `df` degrees of freedom exceeds x.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5: finite sums, all
    terms of one sign, so that small tails keep their digits.

    Raises:
        ValueError: x is negative or NaN, or df below 1.
    """
    if not x >= 0 or df < 1:
        raise ValueError(f"no chi-square of {x} with {df} degrees of freedom")
    if x in (0, math.inf):
        return float(x == 0)
    half = x / 2
    tail, a = (math.erfc(math.sqrt(half)), 0.5) if df % 2 else (math.exp(-half), 1.0)
    while a < df / 2:
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return tail


def is_significant(p: float, permutations: int, level: float = 0.05) -> bool:
    """Return whether the p of a permutation test, with its 95 % interval, lies below a level.

    A p of few permutations is itself an estimate: 0.048 of 1000 may as well be 0.06, and the least
    that 19 give is 0.05. With fewer than `MIN_PERMUTATIONS` nothing is significant.
    """
    as_large = round(p * (permutations + 1)) - 1
    return permutations >= MIN_PERMUTATIONS and wilson(as_large, permutations)[1] < level


def permutation_test(
    statistic: Statistic,
    y: np.ndarray,
    *columns: np.ndarray,
    groups: np.ndarray | None = None,
    n: int = 2000,
    seed: int = 0,
) -> Permutation:
    """Test how often a statistic under permuted labels is as large as under the true ones.

    The true order counts as one of the permutations, which makes the test exact and p at least
    1 / (n + 1): Phipson and Smyth, Stat Appl Genet Mol Biol 2010;9:39.

    Args:
        statistic: called with labels and `columns`; larger where they agree better.
        y: (N,) labels.
        columns: each (N, ...).
        groups: (N,) the patient of each row: labels are permuted between patients.
        n: number of permutations.
        seed: seed of the permutations.

    Raises:
        ValueError: a patient has several labels, or the statistic is undefined.
    """
    y, patient = np.asarray(y), patients(groups, len(y))
    label = y[np.unique(patient, return_index=True)[1]]
    if (label[patient] != y).any():
        raise ValueError("a patient with several labels cannot change labels with another")
    value = float(statistic(y, *columns))
    random = np.random.default_rng(seed)
    null = np.array([statistic(random.permutation(label)[patient], *columns) for _ in range(n)])
    # Equal up to rounding is equal; NaN counts against the score.
    below = null < value - 1e-12 * max(1.0, abs(value))
    return Permutation(value, float((1 + (~below).sum()) / (1 + n)), null)
