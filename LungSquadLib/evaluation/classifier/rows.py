"""The columns of a table, and its rows that can be evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.tables.facts import read_follow_up
from ...errors import InputError, one_line
from ...options import option
from ...statistics.labelled_rows import LabelledRows
from .table import Table, format_name, number_in

_MOST_CLASSES = 30
VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True)
class Columns:
    """Columns of a table to evaluate; it has a score, predicted classes, or both."""

    label: str = option(metavar="COL", help="column of the true class")
    score: str | None = option(
        None,
        metavar="COL",
        help="column of the score: a probability of the positive class, or any number that is "
        "higher for it",
    )
    predicted: str | None = option(
        None, metavar="COL", help="column of the predicted class, in the values of the label"
    )
    baselines: tuple[str, ...] = option(
        (),
        flag="--baseline",
        metavar="COL",
        help="column of another score to compare with, such as tumour volume; may be repeated",
    )
    group: str | None = option(
        None, metavar="COL", help="column of the patient, if patients have several rows"
    )
    repeat: str | None = option(
        None, metavar="COL", help="column of the repeat, such as a seed of the cross-validation"
    )
    part: str | None = option(
        None,
        metavar="COL",
        help="column of the part: validation (where thresholds are chosen) or test",
    )
    time: str | None = option(None, metavar="COL", help="column of the follow-up time, in any unit")
    event: str | None = option(
        None, metavar="COL", help="column of the event: 1 if it occurred, 0 if censored"
    )
    fold: str | None = option(
        None,
        metavar="COL",
        help="column of the fold of the cross-validation: scores are ranked within folds, whose "
        "networks have no common scale",
    )

    def __post_init__(self) -> None:
        if self.score is None and self.predicted is None:
            raise InputError(
                "Nothing to evaluate: name the column of the score (--score), or of "
                "the predicted classes (--predicted)."
            )
        if self.baselines and self.score is None:
            raise InputError("A baseline is compared with a score: name its column (--score).")
        if self.repeat is not None and self.group is None:
            raise InputError(
                "Repeats share their patients: --repeat needs --group, the patient's column."
            )
        if self.fold is not None and self.score is None:
            raise InputError("Folds are of scores: name the score's column (--score).")
        if (self.time is None) != (self.event is None):
            raise InputError("Survival needs --time and --event together.")
        if self.time is not None and self.score is None:
            raise InputError("Survival is shown by score: name its column (--score).")
        # Alone the label may be an event too: being dead at the end of the follow-up, say.
        names = [name for name in self if name != self.event or name != self.label]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise InputError(
                f"The column '{one_line(repeated)}' is named for two purposes. Name another one."
            )

    def __iter__(self) -> Iterator[str]:
        """The columns' names."""
        single = (self.label, self.score, self.predicted, self.group, self.repeat, self.fold)
        outcome = (self.part, self.time, self.event)
        yield from (name for name in (*single, *outcome) if name is not None)
        yield from self.baselines


@dataclass(frozen=True)
class Rows:
    """The rows that are evaluated; arrays of N rows, the positive class of two being number 1.

    Attributes:
        classes: the labels' values.
        label: (N,) number of the class.
        score: (N,) NaN where no column is one; `predicted`: (N,) number of the class, or None.
        baselines: (N,) each, NaN where missing.
        group, repeat, fold: (N,) a number for each patient, repeat, and fold; or None.
        time, event: (N,) NaN where missing.
    """

    classes: tuple[str, ...]
    label: np.ndarray
    score: np.ndarray
    predicted: np.ndarray | None
    baselines: Mapping[str, np.ndarray]
    group: np.ndarray | None
    repeat: np.ndarray | None
    fold: np.ndarray | None
    time: np.ndarray
    event: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def labelled(self, **drawn: int) -> LabelledRows:
        """The rows as measures take them; `drawn` are the bootstrap's `seed` and `samples`."""
        return LabelledRows(self.label, self.group, self.repeat, self.fold, **drawn)

    def where(self, kept: np.ndarray) -> Rows:
        """Return the rows of a mask (N,)."""
        return replace(
            self,
            label=self.label[kept],
            score=self.score[kept],
            predicted=_some(self.predicted, kept),
            baselines={name: values[kept] for name, values in self.baselines.items()},
            group=_some(self.group, kept),
            repeat=_some(self.repeat, kept),
            fold=_some(self.fold, kept),
            time=self.time[kept],
            event=self.event[kept],
        )


@dataclass(frozen=True)
class Selection:
    """The rows that are measured, those on which something may be chosen, and the rest.

    Attributes:
        test: what everything is measured on.
        validation: None where the table has no parts.
        total: rows of the table.
        left_out: why rows were left out, and how many.
        notes: sentences.
    """

    test: Rows
    validation: Rows | None
    total: int
    left_out: tuple[tuple[str, int], ...]
    notes: tuple[str, ...] = ()


def select(table: Table, columns: Columns, *, positive: str | None = None) -> Selection:
    """Select the rows of a table that can be evaluated.

    Args:
        table: has all the columns.
        columns: which is what.
        positive: the label's value that scores are high for; the last in order if left out.

    Raises:
        InputError: a column is missing or holds what it must not, no row is left, or one class.
    """
    needed = (columns.label, columns.score, columns.predicted, columns.group, columns.repeat)
    kept, left_out = np.ones(len(table), bool), []
    for name in (*needed, columns.fold, columns.part):
        if name is not None:
            empty = np.array([cell is None for cell in table.cells(name)]) & kept
            kept &= ~empty
            left_out += (
                [(f"nothing in '{format_name(name)}'", int(empty.sum()))] if empty.any() else []
            )
    parts = None if columns.part is None else np.array(table.cells(columns.part), object)
    if parts is not None:
        unknown = kept & ~np.isin(parts, (VALIDATION, TEST))
        kept &= ~unknown
        left_out += [("neither validation nor test", int(unknown.sum()))] if unknown.any() else []
    if not kept.any():
        reasons = "; ".join(f"{count} rows with {why}" for why, count in left_out)
        raise InputError(f"'{table.source}' has no row that can be evaluated ({reasons}).")
    rows, notes = _rows(table, columns, kept, positive)
    validation = None
    if parts is not None:
        parts = parts[kept]
        for part in (TEST, VALIDATION):
            if part not in parts:
                raise InputError(
                    f"The column '{one_line(columns.part)}' marks no row that can be "
                    f"evaluated as '{part}'."
                )
        rows, validation = rows.where(parts == TEST), rows.where(parts == VALIDATION)
    if columns.score is not None:
        check_classes(rows, "The rows that can be evaluated")
        check_folds(rows, "The rows that can be evaluated", columns.fold)
        if validation is not None:
            check_classes(validation, "The validation rows that can be evaluated")
    return Selection(
        rows, validation, len(table), tuple(left_out), (*notes, *_shared(rows, validation))
    )


def _shared(test: Rows, validation: Rows | None) -> tuple[str, ...]:
    """A sentence about patients on whom thresholds were chosen and measured, if there are some."""
    if validation is None or test.group is None or validation.group is None:
        return ()
    both = len(np.intersect1d(test.group, validation.group))
    sentence = (
        f"{both} patients have validation rows and test rows, as in a cross-validation: thresholds "
        "and temperature were chosen on patients on whom they are measured."
    )
    return (sentence,) if both else ()


def check_classes(rows: Rows, which: str) -> None:
    """Refuse rows, or a repeat of them, of one class only; `which` begins the sentence."""
    repeat = np.zeros(len(rows)) if rows.repeat is None else rows.repeat
    for number in np.unique(repeat):
        classes = np.unique(rows.label[repeat == number])
        if len(classes) < 2:
            suffix = "" if rows.repeat is None else " of one repeat"
            name = one_line(rows.classes[classes[0]], most=40)
            raise InputError(f"{which}{suffix} are all of the class '{name}'; two are needed.")


def check_folds(rows: Rows, which: str, column: str | None) -> None:
    """Refuse rows of which no fold has both classes, as in leave-one-out."""
    strata = rows.labelled().strata
    if rows.fold is None or strata is None:
        return
    if not any(len(np.unique(rows.label[strata == number])) > 1 for number in np.unique(strata)):
        raise InputError(
            f"{which} have no fold ('{format_name(str(column))}') with both classes, as after "
            "leave-one-out, so no two scores of one network can be compared. Without --fold all "
            "scores are ranked together, as if one network had given them."
        )


def _rows(
    table: Table, columns: Columns, kept: np.ndarray, positive: str | None
) -> tuple[Rows, tuple[str, ...]]:
    """The kept rows, and sentences."""

    def texts(name: str) -> list[str]:
        cells = zip(table.cells(name), kept, strict=True)
        return [cell for cell, used in cells if used and cell is not None]

    def numbers(name: str | None) -> np.ndarray:
        return np.array([np.nan] * len(table) if name is None else table.numbers(name))[kept]

    def cells(name: str | None) -> list[str]:
        return [""] * len(table) if name is None else [cell or "" for cell in table.cells(name)]

    def codes(name: str | None) -> np.ndarray | None:
        return None if name is None else np.unique(texts(name), return_inverse=True)[1]

    labels = list(map(plain, texts(columns.label)))
    predictions = None if columns.predicted is None else list(map(plain, texts(columns.predicted)))
    classes = _classes(table, columns, labels, predictions, positive)
    number_of = {value: number for number, value in enumerate(classes)}
    followed = read_follow_up(cells(columns.time), cells(columns.event), table.row)
    rows = Rows(
        classes=classes,
        label=np.array([number_of[value] for value in labels]),
        score=numbers(columns.score),
        predicted=None
        if predictions is None
        else np.array([number_of[value] for value in predictions]),
        baselines={name: np.array(table.numbers(name))[kept] for name in columns.baselines},
        group=codes(columns.group),
        repeat=codes(columns.repeat),
        fold=codes(columns.fold),
        time=np.array(followed.time)[kept],
        event=np.array(followed.event)[kept],
    )
    return rows, followed.notes


def _classes(
    table: Table,
    columns: Columns,
    labels: Sequence[str],
    predictions: Sequence[str] | None,
    positive: str | None,
) -> tuple[str, ...]:
    """The classes, numbers by size, words by the alphabet; the positive one of two last."""
    values = set(labels) | set(predictions or ())
    by_size = all(number_in(value) is not None for value in values)
    classes = sorted(values, key=float) if by_size else sorted(values)
    column = f"the column '{one_line(columns.label, most=100)}' of '{table.source}'"
    listed = ", ".join(f"'{one_line(value, most=40)}'" for value in classes[:6])
    if not set(labels) & set(predictions or labels):
        raise InputError(f"The predicted classes are never among the values of {column}: {listed}.")
    small = Counter(value.casefold() for value in classes)
    alike = [one_line(value, most=40) for value in classes if small[value.casefold()] > 1]
    if alike:
        raise InputError(
            f"'{alike[0]}' and '{alike[1]}' in {column} differ in capitals alone: write them alike."
        )
    if len(classes) > _MOST_CLASSES:
        raise InputError(f"There are {len(classes)} values in {column}: that is no label.")
    if len(classes) < 2:
        raise InputError(f"There is one class only, {listed}, in {column}; two are needed.")
    if len(classes) > 2 and (columns.score is not None or positive is not None):
        raise InputError(
            f"There are {len(classes)} classes in {column} ({listed}); a score and a positive "
            "class are for two. Name the column of the predicted classes (--predicted) alone."
        )
    if positive is not None:
        wanted = plain(positive.strip())
        if wanted not in classes:
            raise InputError(
                f"There is no '{one_line(positive, most=40)}' in {column}; it has {listed}."
            )
        classes.sort(key=lambda value: value == wanted)
    return tuple(classes)


def plain(cell: str) -> str:
    """Return a value's text, the same for 1, 1.0 and 1e0."""
    value = number_in(cell)
    if value is None:
        return cell
    return str(int(value)) if value.is_integer() else repr(value)


def _some(values: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[kept]
