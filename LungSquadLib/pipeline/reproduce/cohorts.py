"""Histology and survival learnt on one cohort and tested on another, and the other way round.

In LUNG1 and NSCLC Radiogenomics histology and hospital are nearly the same thing. A network that
is trained on both together learns the hospital, so each is trained on alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...cohorts.series_list import read_list
from ...data.store import Preprocessing, Store, open_store
from ...errors import InputError, one_line
from ...evaluation.classifier.results import Evaluation, plain
from ...models.file import read_model_file
from ...progress import Part, Progress
from ...report.reproduction import Section
from ...statistics.discrimination import auc
from ...statistics.text import format_estimate
from ...training.card import CardText
from ...training.classifier.experiment import train_classifier
from ...training.classifier.options import ClassifierOptions
from ...training.experiment import MODEL
from ..evaluate_run import FOLDER, evaluate_predictions, evaluate_run, predict_store
from .recipe import (
    GFLOP_AT_50,
    PlanStep,
    RecipeOptions,
    Report,
    built,
    cohorts_of,
    fetched,
    hosny_model,
    plan_of_cohort,
    plan_of_weights,
    seconds_of,
)

COHORTS = ("nsclc-radiomics", "nsclc-radiogenomics")
PREPROCESSING = Preprocessing(size=50, margin=12)
LABELS = {"histology": ("LUAD", "LUSC"), "survival2y": ("0", "1")}
IGNORED = ("outputs", "clinical")
_HEAD_S = 60  # of training a head on features, a fit


@dataclass(frozen=True)
class Direction:
    """A label, and the cohorts of training and test."""

    label: str
    training: str
    test: str

    def __str__(self) -> str:
        return f"{self.label}: {self.training} to {self.test}"


def plan(folder: Path, options: RecipeOptions) -> list[PlanStep]:
    """Return the steps of the recipe."""
    steps = plan_of_weights(folder, options)
    cases = 0
    for name in cohorts_of(COHORTS, options):
        cohort = read_list(name).first(options.patients)
        cases += len(cohort.outlines)
        steps += plan_of_cohort(name, folder / cohort.name / "cohort", options, PREPROCESSING.side)
    views = ClassifierOptions(label="histology").views
    gflop = cases * len(LABELS) * (views + 1) * GFLOP_AT_50
    fits = 2 * len(LABELS) * (options.folds + 1)
    return [
        *steps,
        PlanStep(
            "train classifier",
            1e8,
            seconds_of(gflop, options.jobs) + fits * _HEAD_S / options.jobs,
            f"{fits} heads on the frozen trunk, at 50 voxels",
        ),
        PlanStep("validate", 1e7, 240, f"{2 * len(LABELS)} models"),
    ]


def run(folder: Path, options: RecipeOptions, progress: Progress) -> Report:
    """Do the steps, and return the report."""
    model = hosny_model(folder, options, Part(progress, 0.0, 0.02))
    stores: dict[str, Store] = {}
    names = cohorts_of(COHORTS, options)
    for number, name in enumerate(names):
        begin = 0.02 + 0.24 * number
        short = read_list(name).name
        cohort = fetched(
            name, folder / short / "cohort", options, Part(progress, begin, begin + 0.2)
        )
        built(
            cohort.manifest,
            folder / short / "store",
            PREPROCESSING,
            options,
            keep_identity=True,
            progress=Part(progress, begin + 0.2, begin + 0.24),
        )
        stores[short] = open_store(folder / short / "store")
    rows, numbers, problems = [], {}, []
    directions = list(_directions(tuple(stores)))
    links = []
    for number, direction in enumerate(directions):
        share = Part(
            progress,
            0.5 + 0.5 * number / len(directions),
            0.5 + 0.5 * (number + 1) / len(directions),
        )
        where = f"{direction.label}/{direction.training}-to-{direction.test}"
        try:
            inside, outside = _trained(
                folder / where, direction, stores, model, options=options, progress=share
            )
        except InputError as error:
            problems.append(f"{direction}: {error}")
            continue
        rows.append((str(direction), _auc(inside), _auc(outside), _volume(outside)))
        numbers[str(direction)] = {
            "cross_validation": _number(inside),
            "other_cohort": _number(outside),
        }
        links += [
            (f"{direction}: {words}", f"{where}/{part}/{FOLDER}/index.html")
            for words, part in (("cross-validation", "training"), ("the other cohort", "test"))
        ]
    confounding, counts = _confounding(stores)
    header = ("", "AUC within the cohort", "AUC in the other cohort", "AUC of the volume there")
    sentences = [
        f"{row[0]}: AUC {row[2]} in the other cohort, {row[1]} in the cross-validation within the "
        "cohort."
        for row in rows
    ]
    return Report(
        f"Histology and survival between {' and '.join(stores)}",
        sentences,
        [
            confounding,
            "The pretrained weights do not say which patients they were trained on; LUNG1 may be "
            "among them.",
            *problems,
        ],
        [
            Section(
                "Patients by cohort and histology", ("Cohort", *counts[0][1]), counts_of(counts)
            ),
            Section("From one cohort to the other", header, rows, links),
        ],
        {"directions": numbers, "patients": {name: dict(row) for name, row in counts}},
        bool(problems),
    )


def _directions(names: tuple[str, ...]) -> Iterator[Direction]:
    for label in LABELS:
        for training, test in (names, names[::-1]):
            yield Direction(label, training, test)


def _trained(
    folder: Path,
    direction: Direction,
    stores: Mapping[str, Store],
    model: str,
    *,
    options: RecipeOptions,
    progress: Progress,
) -> tuple[Evaluation, Evaluation]:
    """Train on one cohort and test on the other; return both evaluations."""
    given = ClassifierOptions(
        label=direction.label,
        classes=LABELS[direction.label],
        init=model,
        size=PREPROCESSING.size,
        folds=options.folds,
    )
    finished = train_classifier(
        stores[direction.training].folder,
        folder / "training",
        given,
        card_text=CardText(title=f"{direction.label}, trained on {direction.training}"),
        jobs=options.jobs,
        progress=Part(progress, 0.0, 0.8),
    )
    predictions = predict_store(
        read_model_file(folder / "training" / MODEL),
        stores[direction.test].folder,
        folder / "test",
        label=direction.label,
        classes=LABELS[direction.label],
        progress=Part(progress, 0.8, 1.0),
    )
    return evaluate_run(finished), evaluate_predictions(predictions, folder / "test")


def _auc(evaluation: Evaluation) -> str:
    result = evaluation.discrimination
    return "" if result is None else format_estimate(result.auc)


def _volume(evaluation: Evaluation) -> str:
    return "".join(format_estimate(each.auc) for each in evaluation.baselines[:1])


def _number(evaluation: Evaluation) -> Any:
    result = evaluation.discrimination
    return None if result is None else plain(result.auc)


Counts = list[tuple[str, dict[str, int]]]


def _confounding(stores: Mapping[str, Store]) -> tuple[str, Counts]:
    """Return a sentence on how far the cohort tells the histology, and patients by both."""
    classes = LABELS["histology"]
    patients = {
        (name, case.patient): case.columns.get("histology", "")
        for name, store in stores.items()
        for case in store.cases
    }
    counts = [
        (
            name,
            {
                value: sum(of == name and cell == value for (of, _), cell in patients.items())
                for value in classes
            },
        )
        for name in stores
    ]
    known = [(of, cell) for (of, _), cell in patients.items() if cell in classes]
    label = np.array([cell == classes[1] for _, cell in known], int)
    cohort = np.array([of == next(iter(stores)) for of, _ in known], float)
    text = "; ".join(
        f"{name}: " + ", ".join(f"{count} {value}" for value, count in row.items())
        for name, row in counts
    )
    worth = "."
    if 0 < label.sum() < len(label):
        value = auc(label, cohort)
        worth = (
            f": the name of the cohort alone has an AUC of {max(value, 1 - value):.3f} for the "
            "histology of all patients together."
        )
    return (
        f"Histology and hospital go together ({one_line(text, most=300)}){worth} A network trained "
        "on both cohorts would learn the hospital; each is trained on alone here, and what counts "
        "is the other cohort.",
        counts,
    )


def counts_of(counts: Counts) -> list[tuple[str, ...]]:
    """Return the rows of the table of patients."""
    return [(name, *map(str, row.values())) for name, row in counts]
