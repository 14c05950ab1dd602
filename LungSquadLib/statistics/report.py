"""The classification report: what was called what, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .text import decimal


@dataclass(frozen=True)
class Row:
    """One class, or an average; None where there is nothing to divide by."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Report:
    """A row a class, accuracy, and averages (macro: classes count alike; weighted: cases do)."""

    classes: tuple[Row, ...]
    accuracy: float | None
    macro: Row
    weighted: Row

    def text(self, digits: int = 2) -> str:
        """The report as scikit-learn's `classification_report` lays it out; `-` where undefined."""

        def line(name: str, *cells: str) -> str:
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells)

        def cells(row: Row) -> list[str]:
            shares = (row.precision, row.recall, row.f1)
            return [*(number(share) for share in shares), str(row.support)]

        def number(share: float | None) -> str:
            return "-" if share is None else decimal(share, digits)

        averages = (self.macro, self.weighted)
        width = max(digits, *(len(row.name) for row in (*self.classes, *averages)))
        lines = [
            line("", "precision", "recall", "f1-score", "support"),
            "",
            *(line(row.name, *cells(row)) for row in self.classes),
            "",
            line("accuracy", "", "", number(self.accuracy), str(self.macro.support)),
            *(line(row.name, *cells(row)) for row in averages),
        ]
        return "\n".join(lines) + "\n"


def confusion(true: np.ndarray, predicted: np.ndarray, classes: Sequence) -> np.ndarray:
    """How often a true class (row) was called which class (column): (K, K) int64.

    Raises:
        ValueError: lengths differ, or a value is not among `classes`.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(f"{true.shape} true and {predicted.shape} predicted classes")
    place = {one: number for number, one in enumerate(classes)}
    table = np.zeros((len(place), len(place)), np.int64)
    try:
        for row, column in zip(true.tolist(), predicted.tolist(), strict=True):
            table[place[row], place[column]] += 1
    except KeyError as error:
        raise ValueError(f"{error} is none of the classes {list(classes)}") from None
    return table


def classification_report(confusion: np.ndarray, classes: Sequence) -> Report:
    """Precision, recall, F1 and support of each class, accuracy, and their averages.

    What has nothing to divide by (the precision of a class that was never called, the recall of one
    that never occurred) is None, and so is an average that needs it.

    Args:
        confusion: (K, K) rows true.
        classes: K names.

    Raises:
        ValueError: not as many rows and columns as classes.
    """
    confusion = np.asarray(confusion)
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"a table {confusion.shape} for {len(classes)} classes")
    hits, support, called = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    rows = tuple(
        Row(str(name), _share(h, c), _share(h, s), _share(2 * h, s + c), int(s))
        for name, h, s, c in zip(classes, hits, support, called, strict=True)
    )
    return Report(
        rows,
        _share(hits.sum(), support.sum()),
        _average("macro avg", rows, np.ones(len(rows))),
        _average("weighted avg", rows, support),
    )


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _average(name: str, rows: Sequence[Row], weights: np.ndarray) -> Row:
    def mean(values: Sequence[float | None]) -> float | None:
        counted = [(value, w) for value, w in zip(values, weights, strict=True) if w]
        if not counted or any(value is None for value, _ in counted):
            return None
        return float(np.average([value for value, _ in counted], weights=[w for _, w in counted]))

    return Row(
        name,
        mean([row.precision for row in rows]),
        mean([row.recall for row in rows]),
        mean([row.f1 for row in rows]),
        sum(row.support for row in rows),
    )
