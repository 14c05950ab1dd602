"""Training runs side by side: does one do better than another on the same patients?

Runs with the same cases and folds answer for the same held-out patients, so that their AUCs, of
pairs of patients in the same fold, can be compared patient by patient.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...fields import Fields, parsed_json
from ...progress import Progress, Silent, step
from ...statistics.intervals import Estimate
from ...statistics.labelled_rows import LabelledRows
from ...statistics.text import format_estimate
from .table import Table, read_table

WHOLE = 0  # stands for all training patients
_KEY = ("seed", "fold", "case")


@dataclass(frozen=True)
class Point:
    """What the runs reach with one number of training patients.

    Attributes:
        patients: in training; `WHOLE` for all of them.
        aucs: of each run, the mean over seeds, with the interval over patients.
        differences: of each run but the first, its AUC less that of the first.
    """

    patients: int
    aucs: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs by name, and what they reach."""

    names: tuple[str, ...]
    label: str
    tested: int
    seeds: int
    points: tuple[Point, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """A header, and a row for each number of training patients."""
        against = [f"{name} - {self.names[0]}" for name in self.names[1:]]
        table = [("Patients", *(f"AUC of {name}" for name in self.names), *against)]
        for point in self.points:
            cells = [format_estimate(one) for one in (*point.aucs, *point.differences)]
            table.append((str(point.patients or "all"), *cells))
        return table

    def sentences(self) -> Iterator[str]:
        """What each run but the first does with all training patients, against the first."""
        for name, difference in zip(self.names[1:], self.points[-1].differences, strict=True):
            verdict = "is not shown to differ from"
            if difference.low > 0:
                verdict = "is better than"
            elif difference.high < 0:
                verdict = "is worse than"
            yield (
                f"'{name}' {verdict} '{self.names[0]}' on {self.tested} patients: difference of "
                f"the AUC {format_estimate(difference)}, mean of {self.seeds} seeds."
            )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "runs": list(self.names),
            "label": self.label,
            "patients_tested": self.tested,
            "seeds": self.seeds,
            "points": [
                {
                    "training_patients": point.patients or "all",
                    "AUC": [vars(one) for one in point.aucs],
                    "difference_to_first": [vars(one) for one in point.differences],
                }
                for point in self.points
            ],
        }


def compare_runs(
    folders: Sequence[str | os.PathLike[str]],
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Compare finished runs of two classes that have the same cases, classes and folds.

    Args:
        folders: of the runs; the first is what the others are compared with.
        progress: told how it goes; may cancel.

    Raises:
        InputError: fewer than two runs, one is not finished, or they cannot be compared.
    """
    progress, places = progress or Silent(), [Path(folder) for folder in folders]
    if len(places) < 2:
        raise InputError("A comparison needs two runs at least.")
    runs = [_read(place) for place in places]
    for place, run in zip(places[1:], runs[1:], strict=True):
        for name, said in (("split_hash", "folds"), ("classes", "classes"), ("label", "label")):
            if getattr(run, name) != getattr(runs[0], name):
                raise InputError(
                    f"'{places[0]}' and '{place}' cannot be compared: they differ in their {said}."
                )
    first = runs[0]
    if len(first.classes) != 2:
        raise InputError(
            f"Runs of two classes can be compared, and these have {len(first.classes)}."
        )
    curve = first.curve.intersection(*(run.curve for run in runs))
    answers = _Answers.of(places, first, WHOLE)
    points = []
    for number, patients in enumerate(sorted(curve)):
        step(progress, number / (len(curve) + 1), "Drawing patients")
        some = _Answers.of(places, first, patients)
        points.append(_point(some, patients))
    points.append(_point(answers, WHOLE))
    names = tuple(place.absolute().name for place in places)
    tested = len(np.unique(answers.patients))
    return Comparison(names, first.label, tested, len(np.unique(answers.seeds)), tuple(points))


@dataclass(frozen=True)
class _Answers:
    """Held-out answers of R runs: `scores` (N, R), and whose they are."""

    y: np.ndarray
    scores: np.ndarray
    seeds: np.ndarray
    folds: np.ndarray
    patients: np.ndarray

    @classmethod
    def of(cls, places: Sequence[Path], run: _Run, patients: int) -> _Answers:
        """Read the same answers of all runs, in one order."""
        tables = [_by_key(_rows(place, run, patients)) for place in places]
        keys = sorted(tables[0])
        if any(set(table) != set(keys) for table in tables):
            raise InputError("The runs do not answer for the same patients; is one not finished?")
        first = [tables[0][key] for key in keys]
        return cls(
            np.array([row[run.label] == run.positive for row in first], np.int64),
            np.array([[float(table[key]["score"]) for table in tables] for key in keys]),
            np.array([row["seed"] for row in first]),
            np.array([row["fold"] for row in first]),
            np.array([row["patient"] for row in first]),
        )


def _point(answers: _Answers, patients: int) -> Point:
    rows = LabelledRows(answers.y, answers.patients, answers.seeds, answers.folds)
    first, *others = answers.scores.T
    return Point(
        patients,
        tuple(rows.auc(score) for score in answers.scores.T),
        tuple(rows.auc_difference(score, first)[0] for score in others),
    )


def _rows(place: Path, run: _Run, patients: int) -> Iterator[dict[str, str]]:
    """The held-out answers of a run, or of its trainings with fewer patients."""
    paths = [place / "predictions.csv"]
    if patients != WHOLE:
        paths = sorted((place / "fits").glob(f"seed*-n{patients}/predictions.csv"))
    for path in paths:
        table = read_table(path, (*_KEY, "part", "patient", "score", run.label))
        if np.isnan(table.numbers("score")).any() or set(table.cells(run.label)) != {*run.classes}:
            raise InputError(f"'{path}' is damaged: run the `lungsquad train` that made it again.")
        yield from (row for row in _dictionaries(table) if row["part"] == "test")


def _dictionaries(table: Table) -> Iterator[dict[str, str]]:
    for cells in zip(*table.columns.values(), strict=True):
        yield dict(zip(table.columns, cells, strict=True))


def _by_key(rows: Iterator[dict[str, str]]) -> Mapping[tuple[str, ...], dict[str, str]]:
    return {tuple(row[name] for name in _KEY): row for row in rows}


@dataclass(frozen=True)
class _Run:
    """What a finished run was."""

    label: str
    positive: str
    curve: frozenset[int]
    classes: tuple[str, ...]
    split_hash: str


def _read(place: Path) -> _Run:
    """What a finished run was, out of its `run.json`."""
    if not (place / "predictions.csv").is_file():
        raise InputError(f"'{place}' is no finished training run.")
    try:
        text = (place / "run.json").read_text(encoding="utf-8")
        run = Fields(parsed_json(text), "it").child("run")
        options, classes = run.child("options"), run.texts("classes", most=32)
        return _Run(
            label=options.text("label"),
            positive=options.text("positive") if options.has("positive") else classes[-1],
            curve=frozenset(options.take("learning_curve")),
            classes=classes,
            split_hash=run.text("split_hash"),
        )
    except (OSError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"'{place / 'run.json'}' is missing or damaged.") from error
