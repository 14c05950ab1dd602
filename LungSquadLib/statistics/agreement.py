"""Agreement between repeated measurements of the same patients."""

from __future__ import annotations

import numpy as np


def icc_2_1(ratings: np.ndarray) -> float:
    """Intraclass correlation ICC(2,1): two-way random effects, absolute agreement, single rating.

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
