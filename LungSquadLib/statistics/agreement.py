"""Agreement between repeated measurements of the same patients."""

from __future__ import annotations

import numpy as np

from .intervals import Estimate


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
