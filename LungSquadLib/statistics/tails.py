"""Tails of the normal and the chi-square distribution, without losing small ones."""

from __future__ import annotations

import math
from statistics import NormalDist


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
