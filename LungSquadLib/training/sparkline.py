"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], *, width: int = 16) -> str:
    """The values as bars, the last of them at the right; means where there are too many.

    Empty for fewer than two values.
    """
    if len(values) < 2:
        return ""
    count = min(len(values), width)
    edges = [i * len(values) // count for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    reach = (high - low) or 1.0
    return "".join(_BARS[round((mean - low) / reach * (len(_BARS) - 1))] for mean in means)
