"""Confidence intervals and p-values: bootstrap over patients, Wilson, permutation, tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .checks import patients

Statistic = Callable[..., float]
SAMPLES = 1000  # drawn, wherever nobody asks for another number


@dataclass(frozen=True)
class Estimate:
    """A statistic, its percentile interval, and how many of the samples gave a value."""

    value: float
    low: float
    high: float
    n_ok: int


def bootstrap(
    statistic: Statistic,
    y: np.ndarray,
    *columns: np.ndarray,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    level: float = 0.95,
    stratify: bool = True,
) -> Estimate:
    """A statistic with the percentile interval of a bootstrap over patients.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; whole patients are
    drawn, with all their rows: Davison and Hinkley, Bootstrap Methods, 1997, section 3.8.

    Args:
        statistic: called with `y` and `columns` resampled together; a sample of which it says
            ValueError or NaN (one class only, say) is left out, and not counted in `n_ok`.
        y: (N,) class labels.
        columns: each (N, ...).
        groups: (N,) the patient of each row; without it each row is one.
        n: samples drawn.
        seed: of the draws.
        level: of the interval.
        stratify: draw as many patients of each label as there are. Right for what does not depend
            on how common the labels are; pass False where `y` holds no classes (times).

    Raises:
        ValueError: the statistic cannot be had of the data themselves, lengths differ, labels are
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
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Estimate(value, float(low), float(high), len(values))


def repeated(
    statistic: Statistic,
    y: np.ndarray,
    score: np.ndarray,
    repeat: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    level: float = 0.95,
    stratify: bool = True,
) -> Estimate:
    """A statistic averaged over repeats of a cross-validation, each computed within its repeat.

    Repeats share their patients: a sample draws the same patients in all of them, so that ten
    repeats do not count for ten times the patients.

    Args:
        statistic: called with `y` and `score` of one repeat.
        y: (N,) class labels.
        score: (N, ...) such as one of several models' scores a column.
        repeat: (N,) which repeat a row belongs to.
        groups: (N,) the patient of each row.
        n: samples drawn.
        seed: of the draws.
        level: of the interval.
        stratify: as in `bootstrap`.

    Raises:
        ValueError: as `bootstrap`, or several repeats and no groups.
    """
    if groups is None and len(np.unique(repeat)) > 1:
        raise ValueError("repeats share patients, so groups must say which row is whose")

    def averaged(y: np.ndarray, score: np.ndarray, repeat: np.ndarray) -> float:
        each = [statistic(y[repeat == one], score[repeat == one]) for one in np.unique(repeat)]
        return float(np.mean(each))

    return bootstrap(
        averaged, y, score, repeat, groups=groups, n=n, seed=seed, level=level, stratify=stratify
    )


def _rows_of_patients(patient: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(patient, kind="stable")
    return np.split(order, np.cumsum(np.bincount(patient))[:-1])


def _strata(y: np.ndarray, rows: list[np.ndarray]) -> list[np.ndarray]:
    """Patients by their label; those with rows of several labels by the lowest and highest."""
    labels = np.array([(y[of].min(), y[of].max()) for of in rows])
    stratum = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    strata = _rows_of_patients(stratum)
    if len(strata) > len(rows) / 2:  # each drawn from itself: an interval of no width
        raise ValueError(f"{len(strata)} labels among {len(rows)} patients cannot be stratified")
    return strata


@dataclass(frozen=True)
class Proportion:
    """So many of so many; `value` is None of nothing."""

    value: float | None
    low: float
    high: float
    hits: int
    n: int


def proportion(hits: int, n: int, *, level: float = 0.95) -> Proportion:
    """A share with its Wilson interval."""
    return Proportion(hits / n if n else None, *wilson(hits, n, level=level), hits, n)


def wilson(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share; 0 to 1 where n is 0.

    Wilson, J Am Stat Assoc 1927;22:209-212.

    Raises:
        ValueError: hits are negative, or more than n.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return 0.0, 1.0
    share, z = hits / n, reach(level)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are 0 and 1 exactly where none or all hit; rounding must not say otherwise.
    return (middle - half if hits else 0.0), (middle + half if hits < n else 1.0)


def reach(level: float) -> float:
    """How many standard errors an interval of this level reaches to each side: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def two_sided(z: float) -> float:
    """How likely a standard normal number lies farther from 0 than z."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square_tail(x: float, df: int) -> float:
    """How likely a chi-square number of `df` degrees of freedom exceeds x.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5: finite sums, all
    terms of one sign, so that nothing cancels.

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
