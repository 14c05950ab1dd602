"""What groups of patients can be held against: the facts that have a few values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from ...statistics.clustering import adjusted_rand
from .results import Fact

FIRST = ("t_stage", "histology", "sex", "site")
_NOT = ("time", "event", "edition")  # told by survival curves, or of the facts themselves
_MOST_KINDS = 10
_FEWEST = 5  # patients of at least two values


def facts_of(table: Mapping[str, tuple[str, ...]]) -> tuple[Fact, ...]:
    """Columns of `Joined.facts` that part the patients: the well-known ones first.

    Numbers of many values are cut at their median. What parts the patients as another one does is
    not there again.
    """
    found: list[Fact] = []
    for name in sorted(set(table) - set(_NOT), key=lambda one: (_rank(one), one)):
        fact = Fact(name, _halved(table[name]))
        counts = [n for kind, n in Counter(fact.values).most_common() if kind]
        parts = len(counts) > 1 and counts[1] >= _FEWEST and len(counts) <= _MOST_KINDS
        if parts and not any(_same(fact, other) for other in found):
            found.append(fact)
    return tuple(found)


def follow_up(table: Mapping[str, tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Days (N,) and event 1 or 0 (N,), NaN both where one of them is not known."""
    count = len(next(iter(table.values()), ()))
    time, event = (
        np.array(list(_numbers(table.get(name, ("",) * count))), np.float64)
        for name in ("time", "event")
    )
    known = ~np.isnan(time) & (time >= 0) & np.isin(event, (0, 1))
    return np.where(known, time, np.nan), np.where(known, event, np.nan)


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _halved(values: tuple[str, ...]) -> tuple[str, ...]:
    """Numbers of many values as the halves that they lie in; all else as it is."""
    if len(set(values)) <= _MOST_KINDS:
        return values
    numbers = np.array(list(_numbers(values)))
    if (np.isnan(numbers) & (np.array(values, object) != "")).any():
        return values
    middle = float(np.nanmedian(numbers))
    low, high = f"up to {middle:g}", f"above {middle:g}"
    return tuple("" if np.isnan(n) else high if n > middle else low for n in numbers)


def _numbers(values: tuple[str, ...]) -> Iterator[float]:
    for value in values:
        try:
            yield float(value)
        except ValueError:
            yield np.nan


def _same(one: Fact, other: Fact) -> bool:
    known = np.array([bool(a) for a in one.values])
    if not np.array_equal(known, [bool(b) for b in other.values]):
        return False
    return adjusted_rand(*(np.array(fact.values)[known] for fact in (one, other))) == 1
