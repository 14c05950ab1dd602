"""Classification at a threshold: sensitivity, net benefit, confusion matrix, report.

A case is called positive where its score is at least the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import labelled, with_probabilities
from .discrimination import roc_curve
from .intervals import Proportion, proportion
from .text import decimal


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold does.

    F1 and balanced accuracy are no shares of cases, so Wilson has no interval for them (`bootstrap`
    does); None where there is nothing to divide by.
    """

    threshold: float
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    f1: float | None
    balanced_accuracy: float | None


def youden(y: np.ndarray, score: np.ndarray) -> float:
    """The threshold of the largest sensitivity + specificity; the highest where several are.

    Youden, Cancer 1950;3:32-35.

    Raises:
        ValueError: only one class is there, or a score is NaN.
    """
    curve = roc_curve(y, score)
    gain = np.round((curve.y - curve.x)[1:], 12)  # rounding must not choose among equals
    return float(curve.thresholds[1:][gain.argmax()])


def at_sensitivity(y: np.ndarray, score: np.ndarray, target: float = 0.9) -> float:
    """The highest threshold with at least this sensitivity.

    Raises:
        ValueError: only one class is there, a score is NaN, or the target is not in 0..1.
    """
    curve = roc_curve(y, score)
    _check(target)
    return float(curve.thresholds[1:][(curve.y[1:] >= target - 1e-12).argmax()])


def at_specificity(y: np.ndarray, score: np.ndarray, target: float = 0.9) -> float:
    """The lowest threshold with at least this specificity; above all scores where none has it.

    Raises:
        ValueError: only one class is there, a score is NaN, or the target is not in 0..1.
    """
    curve = roc_curve(y, score)
    _check(target)
    last = np.flatnonzero(1 - curve.x >= target - 1e-12)[-1]
    return float(curve.thresholds[last] if last else np.nextafter(curve.thresholds[1], np.inf))


def at_threshold(y: np.ndarray, score: np.ndarray, t: float) -> AtThreshold:
    """Sensitivity, specificity, predictive values (with Wilson intervals), F1, balanced accuracy.

    Raises:
        ValueError: a score is NaN.
    """
    positive, score = labelled(y, score, both=False)
    called = score >= t
    hits, alarms = int((called & positive).sum()), int((called & ~positive).sum())
    missed, cleared = int((~called & positive).sum()), int((~called & ~positive).sum())
    sensitivity = proportion(hits, hits + missed)
    specificity = proportion(cleared, cleared + alarms)
    balanced = None
    if sensitivity.value is not None and specificity.value is not None:
        balanced = (sensitivity.value + specificity.value) / 2
    named = 2 * hits + alarms + missed
    return AtThreshold(
        t,
        sensitivity,
        specificity,
        proportion(hits, hits + alarms),
        proportion(cleared, cleared + missed),
        2 * hits / named if named else None,
        balanced,
    )


def _check(target: float) -> None:
    if not 0 <= target <= 1:
        raise ValueError(f"a target of {target} is not in 0..1")


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit (T,) at each threshold probability (T,)."""

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    treat_none: np.ndarray


def decision_curve(
    y: np.ndarray, p: np.ndarray, thresholds: np.ndarray, *, standardised: bool = False
) -> DecisionCurve:
    """Net benefit of treating whoever's probability reaches the threshold.

    Vickers and Elkin, Med Decis Making 2006;26:565-574: true positives less false positives, the
    latter weighed by the odds at the threshold, a patient.

    Args:
        y: (N,) 0 or 1.
        p: (N,) probability of 1.
        thresholds: (T,) each at least 0 and below 1.
        standardised: divided by the share of 1, so that 1 is the most there can be (Kerr et al.,
            J Clin Oncol 2016;34:2534-2540).

    Raises:
        ValueError: a threshold or probability is out of range or NaN, or only one class is there.
    """
    positive, p = with_probabilities(y, p, both=True)
    thresholds = np.asarray(thresholds, np.float64)
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise ValueError("a threshold is below 0, or 1 or more")
    odds = thresholds / (1 - thresholds)
    unit = positive.mean() if standardised else 1.0

    def reached(values: np.ndarray) -> np.ndarray:
        return len(values) - np.searchsorted(np.sort(values), thresholds)

    hits, alarms = reached(p[positive]), reached(p[~positive])
    share = positive.mean()
    return DecisionCurve(
        thresholds,
        (hits - alarms * odds) / len(p) / unit,
        (share - (1 - share) * odds) / unit,
        np.zeros(len(thresholds)),
    )


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
