"""The evaluation of a training run, and of a finished model on a store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..data.overlap import model_overlap
from ..data.store import Store, open_store
from ..errors import InputError
from ..evaluation.classifier.evaluate import evaluate
from ..evaluation.classifier.results import Evaluation, StudyDescription
from ..evaluation.classifier.rows import Columns
from ..evaluation.classifier.table import read_table
from ..inference.classifier import logits_and_features
from ..models.file import Model, read_card
from ..progress import Progress, Silent
from ..report.classifier.page import write_evaluation
from ..report.classifier.training_runs import write_training_curves
from ..training.classifier.data import Setup, check_label, check_store
from ..training.classifier.experiment import CONTROLS, PREDICTIONS, ClassifierRun
from ..training.classifier.fit import LEARNING_CURVE, PERMUTED
from ..training.classifier.predictions import prediction_row
from ..training.experiment import MODEL, read_rows, write_rows

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


@dataclass(frozen=True)
class StorePredictions:
    """Predictions of a model for a store.

    Attributes:
        rows: as in `predictions.csv`.
        excluded: how many cases were left out, by reason.
        warnings: sentences for the user.
    """

    model: Model
    label: str
    classes: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    excluded: dict[str, int]
    warnings: tuple[str, ...]


def predict_store(
    model: Model,
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    label: str,
    classes: Sequence[str] = (),
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> StorePredictions:
    """Predict every case of a store that has the label, and write `predictions.csv`.

    Args:
        model: a classifier.
        store: of `build_cohort`.
        folder: where to write.
        label: the store's column with the true class.
        classes: its values in the order of the model's classes; empty: the codes or names of
            these.
        allow_overlap: whether to continue if the model was trained on patients of the store.
        device: "cpu", "cuda" or "mps".
        progress: gets the number of cases done; may cancel.

    Raises:
        InputError: the store does not fit the model, or lacks the label or its values; or the model
            was trained on patients, series or images of the store.
    """
    opened, card = open_store(store), model.card
    if (Path(folder) / "run.json").exists():  # its predictions would be replaced
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    check_store(opened, card.image)
    names = _class_codes(opened, model, label, tuple(classes))
    cases = [case for case in opened.cases if case.columns[label] in names]
    excluded = Counter(
        f"another {label}" if case.value(label) else f"no {label}"
        for case in opened.cases
        if case.columns[label] not in names
    )
    warnings = model_overlap(card, cases, allowed=allow_overlap)
    network = model.network.to(device)
    logits, _ = logits_and_features(
        network,
        card.image,
        (opened.visible(case, card.image) for case in cases),
        progress=progress or Silent(),
        count=len(cases),
    )
    codes = [known.code for known in card.classes]
    rows = []
    for case, row in zip(cases, logits / card.temperature, strict=True):
        volume = card.baseline.probability(case.volume_ml) if card.baseline else case.volume_ml
        rows.append(
            {
                **prediction_row(case, row, codes, card.positive),
                label: names[case.columns[label]],
                "volume": volume,
            }
        )
    write_rows(Path(folder) / PREDICTIONS, rows)
    return StorePredictions(model, label, tuple(codes), tuple(rows), dict(excluded), warnings)


def _class_codes(
    store: Store, model: Model, label: str, classes: tuple[str, ...]
) -> dict[str, str]:
    """Return the model's class code for each value of the label that is one of its classes."""
    known = model.card.classes
    check_label(store, label)
    values = {case.value(label) for case in store.cases} - {""}
    if classes and len(classes) != len(known):
        codes = ", ".join(name.code for name in known)
        raise InputError(f"--classes must name {len(known)} values of '{label}', for {codes}.")
    names = {value: name.code for value, name in zip(classes, known, strict=False)}
    if not classes:
        names = {
            value: name.code
            for value in values
            for name in known
            if value in (name.code, name.name)
        }
    if len({names[value] for value in values & set(names)}) < 2:
        codes = ", ".join(f"'{name.code}'" for name in known)
        raise InputError(
            f"The column '{label}' holds fewer than two of the classes that the model "
            f"'{model.card.name}' has ({codes}). If the store has other names for them, pass "
            "--classes A,B in this order."
        )
    return names
