"""Importance of columns over the trainings of a cross-validation, and its stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

TOP = 20


@dataclass(frozen=True)
class Column:
    """The importance of a column over all trainings of a cross-validation.

    Attributes:
        selected: fraction of the trainings that selected it.
        rank: its mean rank among the selected ones, 1 the most important.
        importance, low, high: mean absolute attribution to the log odds, 0 where it was not
            selected, and the range of 95 % of the trainings.
        effect: mean change of the log odds of the positive class with each standard deviation.
    """

    source: str
    name: str
    selected: float
    rank: float
    importance: float
    low: float
    high: float
    effect: float


@dataclass(frozen=True)
class Importance:
    """All columns that were ever selected, the most important first.

    Attributes:
        shared: mean number of columns that the `TOP` of two trainings share; None for one
            training.
    """

    columns: tuple[Column, ...]
    trainings: int
    shared: float | None


def importance(tables: Sequence[Sequence[Mapping[str, str]]]) -> Importance:
    """Compute the importance from the tables `columns.csv` of all trainings."""
    rows: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for table in tables:
        for row in table:
            rows.setdefault((row["source"], row["column"]), []).append(row)
    columns = [_column(key, rows_, len(tables)) for key, rows_ in rows.items()]
    columns.sort(key=lambda column: (-column.importance, column.source, column.name))
    tops = [
        {(row["source"], row["column"]) for row in table if int(row["rank"]) <= TOP}
        for table in tables
    ]
    shared = [len(column & second) for column, second in combinations(tops, 2)]
    return Importance(tuple(columns), len(tables), float(np.mean(shared)) if shared else None)


def _column(key: tuple[str, str], rows: Sequence[Mapping[str, str]], trainings: int) -> Column:
    sizes = np.zeros(trainings)
    sizes[: len(rows)] = [float(row["importance"]) for row in rows]
    low, high = np.quantile(sizes, (0.025, 0.975))
    return Column(
        source=key[0],
        name=key[1],
        selected=len(rows) / trainings,
        rank=float(np.mean([int(row["rank"]) for row in rows])),
        importance=float(sizes.mean()),
        low=float(low),
        high=float(high),
        effect=float(np.mean([float(row["effect"]) for row in rows])),
    )
