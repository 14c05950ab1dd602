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
from .text import format_number


@dataclass(frozen=True)
class AtThreshold:
    """Measures of a classification at a threshold.

    F1 and balanced accuracy are no proportions of cases, so they have no Wilson interval (use
    `bootstrap`); None where the denominator is 0.
    """

    threshold: float
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    f1: float | None
    balanced_accuracy: float | None


def youden(y: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold of the largest sensitivity + specificity; the highest of several.

    Youden, Cancer 1950;3:32-35.

    Raises:
        ValueError: only one class occurs, or a score is NaN.
    """
    curve = roc_curve(y, score)
    gain = np.round((curve.y - curve.x)[1:], 12)  # rounding must not choose among equals
    return float(curve.thresholds[1:][gain.argmax()])


def at_sensitivity(y: np.ndarray, score: np.ndarray, target: float = 0.9) -> float:
    """Return the highest threshold with at least this sensitivity.

    Raises:
        ValueError: only one class occurs, a score is NaN, or the target is not in 0..1.
    """
    if not 0 <= target <= 1:
        raise ValueError(f"a target of {target} is not in 0..1")
    curve = roc_curve(y, score)
    return float(curve.thresholds[1:][(curve.y[1:] >= target - 1e-12).argmax()])


def at_threshold(y: np.ndarray, score: np.ndarray, t: float) -> AtThreshold:
    """Measure sensitivity, specificity, predictive values, F1 and balanced accuracy at a threshold.

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


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit (T,) at each threshold probability (T,)."""

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    treat_none: np.ndarray


def decision_curve(y: np.ndarray, p: np.ndarray, thresholds: np.ndarray) -> DecisionCurve:
    """Return the net benefit of treating patients whose probability reaches the threshold.

    Vickers and Elkin, Med Decis Making 2006;26:565-574: true positives less false positives, the
    latter weighed by the odds at the threshold, a patient.

    Args:
        y: (N,) 0 or 1.
        p: (N,) probability of 1.
        thresholds: (T,) each at least 0 and below 1.

    Raises:
        ValueError: a threshold or probability is out of range or NaN, or only one class occurs.
    """
    positive, p = with_probabilities(y, p, both=True)
    thresholds = np.asarray(thresholds, np.float64)
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise ValueError("a threshold is below 0, or 1 or more")
    odds = thresholds / (1 - thresholds)

    def reached(values: np.ndarray) -> np.ndarray:
        return len(values) - np.searchsorted(np.sort(values), thresholds)

    hits, alarms = reached(p[positive]), reached(p[~positive])
    share = positive.mean()
    return DecisionCurve(
        thresholds,
        (hits - alarms * odds) / len(p),
        share - (1 - share) * odds,
        np.zeros(len(thresholds)),
    )


@dataclass(frozen=True)
class Row:
    """Precision, recall and F1 of a class, or an average; None where the denominator is 0."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Report:
    """A classification report: a row for each class, accuracy, macro and weighted averages."""

    classes: tuple[Row, ...]
    accuracy: float | None
    macro: Row
    weighted: Row

    def text(self, digits: int = 2) -> str:
        """Format the report in scikit-learn's layout; `-` where a measure is undefined."""

        def line(name: str, *cells: str) -> str:
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells)

        def cells(row: Row) -> list[str]:
            values = (row.precision, row.recall, row.f1)
            return [*(number(value) for value in values), str(row.support)]

        def number(value: float | None) -> str:
            return "-" if value is None else format_number(value, digits)

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
    """Return the confusion matrix (K, K) int64: rows are true classes, columns predicted ones.

    Raises:
        ValueError: lengths differ, or a value is not among `classes`.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(f"{true.shape} true and {predicted.shape} predicted classes")
    index = {value: n for n, value in enumerate(classes)}
    table = np.zeros((len(index), len(index)), np.int64)
    try:
        for row, column in zip(true.tolist(), predicted.tolist(), strict=True):
            table[index[row], index[column]] += 1
    except KeyError as error:
        raise ValueError(f"{error} is none of the classes {list(classes)}") from None
    return table


def classification_report(confusion: np.ndarray, classes: Sequence) -> Report:
    """Return precision, recall, F1 and support of each class, accuracy, and their averages.

    A measure with the denominator 0 (the precision of a class that was never predicted, the recall
    of one that never occurred) is None, and so is an average that needs it.

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
