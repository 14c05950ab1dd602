"""The evaluation of a training run, and of a finished model on a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .. import __version__
from ..evaluation.classifier.evaluate import evaluate
from ..evaluation.classifier.results import Evaluation, StudyDescription
from ..evaluation.classifier.rows import Columns
from ..evaluation.classifier.table import read_table
from ..models.file import read_card
from ..report.classifier.training_runs import write_training_curves
from ..report.classifier.write import write_evaluation
from ..training.classifier.data import Setup
from ..training.classifier.experiment import CONTROLS, PREDICTIONS, ClassifierRun
from ..training.classifier.fit import LEARNING_CURVE, PERMUTED
from ..training.experiment import MODEL, read_rows
from .validate import StorePredictions

FOLDER = "evaluation"


def evaluate_run(finished: ClassifierRun) -> Evaluation:
    """Evaluate the out-of-fold predictions of a run into its folder `evaluation`.

    Thresholds and temperature are chosen on validation predictions. With more than two classes the
    predicted classes are evaluated.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    setup, folder = finished.setup, finished.folder
    options = setup.options
    binary = len(setup.classes) == 2
    fitted = {"clinical": options.clinical, "radiomics": options.radiomics}
    more = tuple(name for name, named in fitted.items() if named)
    columns = Columns(
        label=options.label,
        score="score" if binary else None,
        predicted=None if binary else "predicted",
        baselines=("volume", *more) if binary else (),
        group="patient",
        repeat="seed" if options.seeds > 1 else None,
        fold="fold" if binary and len({fold for _, fold in setup.splits}) > 1 else None,
        part="part",
        time="time" if binary and options.survival else None,
        event="event" if binary and options.survival else None,
    )
    table = read_table(folder / PREDICTIONS, columns)
    positive = setup.classes[setup.positive] if binary else None
    evaluation = evaluate(table, columns, positive=positive)
    write_training_curves(folder)
    write_evaluation(evaluation, folder / FOLDER, study=_study_of_run(setup, folder))
    return evaluation


def evaluate_predictions(
    predictions: StorePredictions, folder: str | os.PathLike[str]
) -> Evaluation:
    """Evaluate a model's predictions for a store into `folder`'s folder `evaluation`.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    card, folder = predictions.model.card, Path(folder)
    binary = len(card.classes) == 2
    columns = Columns(
        label=predictions.label,
        score="score" if binary else None,
        predicted=None if binary else "predicted",
        baselines=("volume",) if binary else (),
        group="patient",
    )
    table = read_table(folder / PREDICTIONS, columns)
    positive = card.classes[card.positive].code if binary else None
    evaluation = evaluate(table, columns, positive=positive)
    study = StudyDescription(
        title=f"{card.title}: test",
        question=card.question,
        patients={"test": len({row["patient"] for row in predictions.rows})},
        excluded=tuple(predictions.excluded.items()),
        network=f"the model '{card.name}', SHA-256 {predictions.model.sha256}",
        software=_software(),
        card=card,
    )
    write_evaluation(evaluation, folder / FOLDER, study=study)
    return evaluation


def _study_of_run(setup: Setup, folder: Path) -> StudyDescription:
    card = read_card(folder / MODEL)
    controls = read_rows(folder / CONTROLS)
    start = setup.start.card
    begin = "from scratch" if start is None else f"on {setup.origin}"
    frozen = {"trunk": ", the trunk frozen", "gradual": ", unfrozen step by step", "none": ""}
    by_kind = {kind: [row for row in controls if row["kind"] == kind] for kind in _KINDS}
    return StudyDescription(
        title=card.title,
        question=card.question,
        data=card.training.data,
        patients=_patients(setup),
        excluded=tuple(setup.excluded.items()),
        network=f"{setup.network.name}, {begin}{frozen[setup.options.freeze]}",
        preprocessing=str(setup.store.preprocessing),
        split_hash=setup.split_hash,
        seeds=tuple(range(setup.options.seeds)),
        learning_curve=tuple(
            (int(row["patients"]), int(row["seed"]), float(row["AUC"]))
            for row in (*by_kind[LEARNING_CURVE], *by_kind["main"])
        )
        if by_kind[LEARNING_CURVE]
        else (),
        permuted_aucs=_means_by_seed(by_kind[PERMUTED]),
        software=_software(),
        card=card,
    )


_KINDS = ("main", LEARNING_CURVE, PERMUTED)


def _means_by_seed(rows: list[dict[str, str]]) -> tuple[float, ...]:
    seeds = sorted({row["seed"] for row in rows})
    return tuple(
        float(np.mean([float(row["AUC"]) for row in rows if row["seed"] == seed])) for seed in seeds
    )


def _patients(setup: Setup) -> Mapping[str, int]:
    """Return the number of patients in each part of the first fold."""
    fold = setup.splits[0, 0]
    return {
        part: len({setup.by_name[name].patient for name in names})
        for part, names in fold.parts.items()
    }


def _software() -> Mapping[str, str]:
    return {"LungSquad": __version__, "PyTorch": version("torch"), "NumPy": np.__version__}
