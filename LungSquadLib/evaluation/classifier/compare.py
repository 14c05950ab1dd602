"""Compare the AUC of training runs on the same held-out patients.

Runs with the same cases and folds have predictions for the same patients, so that their AUCs, of
pairs of patients in the same fold, are compared by a paired test.
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
    """The AUCs of the runs with one number of training patients.

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
    """The comparison of runs by name."""

    names: tuple[str, ...]
    label: str
    tested: int
    seeds: int
    points: tuple[Point, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Return a header, and a row for each number of training patients."""
        against = [f"{name} - {self.names[0]}" for name in self.names[1:]]
        table = [("Patients", *(f"AUC of {name}" for name in self.names), *against)]
        for point in self.points:
            cells = [format_estimate(estimate) for estimate in (*point.aucs, *point.differences)]
            table.append((str(point.patients or "all"), *cells))
        return table

    def sentences(self) -> Iterator[str]:
        """Yield how each run but the first compares with it, with all training patients."""
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
        """Return everything for JSON."""
        return {
            "runs": list(self.names),
            "label": self.label,
            "patients_tested": self.tested,
            "seeds": self.seeds,
            "points": [
                {
                    "training_patients": point.patients or "all",
                    "AUC": [vars(estimate) for estimate in point.aucs],
                    "difference_to_first": [vars(estimate) for estimate in point.differences],
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
        progress: receives the progress; may cancel.

    Raises:
        InputError: fewer than two runs, one is not finished, or they cannot be compared.
    """
    progress, paths = progress or Silent(), [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise InputError("A comparison needs two runs at least.")
    runs = [_read(path) for path in paths]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        for name, words in (("split_hash", "folds"), ("classes", "classes"), ("label", "label")):
            if getattr(run, name) != getattr(runs[0], name):
                raise InputError(
                    f"'{paths[0]}' and '{path}' cannot be compared: they differ in their {words}."
                )
    first = runs[0]
    if len(first.classes) != 2:
        raise InputError(
            f"Runs of two classes can be compared, and these have {len(first.classes)}."
        )
    curve = first.curve.intersection(*(run.curve for run in runs))
    held_out = _HeldOut.of(paths, first, WHOLE)
    points = []
    for number, patients in enumerate(sorted(curve)):
        step(progress, number / (len(curve) + 1), "Drawing patients")
        subset = _HeldOut.of(paths, first, patients)
        points.append(_point(subset, patients))
    points.append(_point(held_out, WHOLE))
    names = tuple(path.absolute().name for path in paths)
    tested = len(np.unique(held_out.patients))
    return Comparison(names, first.label, tested, len(np.unique(held_out.seeds)), tuple(points))


@dataclass(frozen=True)
class _HeldOut:
    """The held-out predictions of R runs: labels, `scores` (N, R), and the patient of each row."""

    y: np.ndarray
    scores: np.ndarray
    seeds: np.ndarray
    folds: np.ndarray
    patients: np.ndarray

    @classmethod
    def of(cls, paths: Sequence[Path], run: _Run, patients: int) -> _HeldOut:
        """Read the predictions of all runs, in one order."""
        tables = [_by_key(_rows(path, run, patients)) for path in paths]
        keys = sorted(tables[0])
        if any(set(table) != set(keys) for table in tables):
            raise InputError(
                "The runs have predictions for different patients. Check that all are finished."
            )
        first = [tables[0][key] for key in keys]
        return cls(
            np.array([row[run.label] == run.positive for row in first], np.int64),
            np.array([[float(table[key]["score"]) for table in tables] for key in keys]),
            np.array([row["seed"] for row in first]),
            np.array([row["fold"] for row in first]),
            np.array([row["patient"] for row in first]),
        )


def _point(held_out: _HeldOut, patients: int) -> Point:
    rows = LabelledRows(held_out.y, held_out.patients, held_out.seeds, held_out.folds)
    first, *comparators = held_out.scores.T
    return Point(
        patients,
        tuple(rows.auc(score) for score in held_out.scores.T),
        tuple(rows.auc_difference(score, first)[0] for score in comparators),
    )


def _rows(folder: Path, run: _Run, patients: int) -> Iterator[dict[str, str]]:
    """The held-out predictions of a run, or of its trainings with fewer patients."""
    paths = [folder / "predictions.csv"]
    if patients != WHOLE:
        paths = sorted((folder / "fits").glob(f"seed*-n{patients}/predictions.csv"))
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
    """A finished run: label, classes, folds."""

    label: str
    positive: str
    curve: frozenset[int]
    classes: tuple[str, ...]
    split_hash: str


def _read(folder: Path) -> _Run:
    """Read a finished run from its `run.json`."""
    if not (folder / "predictions.csv").is_file():
        raise InputError(f"'{folder}' is no finished training run.")
    try:
        text = (folder / "run.json").read_text(encoding="utf-8")
        run = Fields(parsed_json(text), "it").child("run")
        if (training := run.text("training")) != "classifier":
            raise InputError(
                f"'{folder}' is a run of `lungsquad train {training}`; runs of `lungsquad train "
                "classifier` are compared."
            )
        options, classes = run.child("options"), run.texts("classes", most=32)
        return _Run(
            label=options.text("label"),
            positive=options.text("positive") if options.has("positive") else classes[-1],
            curve=frozenset(options.take("learning_curve")),
            classes=classes,
            split_hash=run.text("split_hash"),
        )
    except (OSError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"'{folder / 'run.json'}' is missing or damaged.") from error
