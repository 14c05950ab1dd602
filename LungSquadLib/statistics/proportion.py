"""Shares of a whole, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .tails import reach


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
