"""External validation: the predictions of a finished model on a store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.overlap import model_overlap
from ..data.store import Store, open_store
from ..errors import InputError
from ..inference.classifier import logits_and_features
from ..models.file import Model
from ..progress import Progress, Silent
from ..training.classifier.data import check_label, check_store
from ..training.classifier.predictions import prediction_row
from ..training.experiment import write_rows

PREDICTIONS = "predictions.csv"


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
