"""Annotations of patients to compare clusters with, and their follow-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from ...statistics.clustering import adjusted_rand
from .results import Annotation

FIRST = ("t_stage", "histology", "sex", "site")
_NOT = ("time", "event", "edition")  # in survival curves, or of other columns
_MOST_KINDS = 10
_FEWEST = 5  # patients of at least two values


def annotations_of(table: Mapping[str, tuple[str, ...]]) -> tuple[Annotation, ...]:
    """Return the columns of `Joined.facts` with few categories, the clinical ones first.

    Numbers with many values are cut at their median. A column that equals an earlier one is left
    out.
    """
    annotations: list[Annotation] = []
    for name in sorted(set(table) - set(_NOT), key=lambda name: (_rank(name), name)):
        annotation = Annotation(name, _halved(table[name]))
        counts = [n for kind, n in Counter(annotation.values).most_common() if kind]
        parts = len(counts) > 1 and counts[1] >= _FEWEST and len(counts) <= _MOST_KINDS
        if parts and not any(_same(annotation, annotation_) for annotation_ in annotations):
            annotations.append(annotation)
    return tuple(annotations)


def follow_up(table: Mapping[str, tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return days (N,) and events 1 or 0 (N,), both NaN where one is not known."""
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
    """Numbers with many values as the halves that they lie in; other values unchanged."""
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


def _same(first: Annotation, second: Annotation) -> bool:
    known = np.array([bool(a) for a in first.values])
    if not np.array_equal(known, [bool(b) for b in second.values]):
        return False
    return (
        adjusted_rand(*(np.array(annotation.values)[known] for annotation in (first, second))) == 1
    )
