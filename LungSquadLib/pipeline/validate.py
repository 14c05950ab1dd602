"""A finished model on a store: what it says of patients that it has not seen."""

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
from ..training.classifier.fitting import answer_row, write_rows
from ..training.classifier.setup import check_label, check_store

PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Answered:
    """Answers of a model on a store: rows as in `predictions.csv`, and sentences for the user."""

    model: Model
    label: str
    classes: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    excluded: dict[str, int]
    sentences: tuple[str, ...]


def answer_store(
    model: Model,
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    label: str,
    classes: Sequence[str] = (),
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Answered:
    """Answer for every case of a store whose label is known, and write `predictions.csv`.

    Args:
        model: as it is.
        store: of `cohort.build`.
        folder: where to write.
        label: the store's column with the truth.
        classes: its values in the order of the model's classes; left out, they are the codes or
            names of these.
        allow_overlap: go on where the model was trained on patients of the store.
        device: "cpu", "cuda" or "mps".
        progress: told how it goes; may cancel.

    Raises:
        InputError: the store does not fit the model, or lacks the label or its values; or the model
            was trained on patients, series or images of the store.
    """
    opened, card = open_store(store), model.card
    if (Path(folder) / "run.json").exists():  # whose predictions would be replaced
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    check_store(opened, card.image)
    names = _named(opened, model, label, tuple(classes))
    cases = [case for case in opened.cases if case.columns[label] in names]
    excluded = Counter(
        f"another {label}" if case.said(label) else f"no {label}"
        for case in opened.cases
        if case.columns[label] not in names
    )
    sentences = model_overlap(card, cases, allowed=allow_overlap)
    network = model.network.to(device)
    logits, _ = logits_and_features(
        network,
        card.image,
        (opened.hu(case) for case in cases),
        progress=progress or Silent(),
        count=len(cases),
    )
    codes = [one.code for one in card.classes]
    rows = []
    for case, row in zip(cases, logits / card.temperature, strict=True):
        alone = card.baseline.probability(case.volume_ml) if card.baseline else case.volume_ml
        rows.append(
            {
                **answer_row(case, row, codes, card.positive),
                label: names[case.columns[label]],
                "volume": alone,
            }
        )
    write_rows(Path(folder) / PREDICTIONS, rows)
    return Answered(model, label, tuple(codes), tuple(rows), dict(excluded), sentences)


def _named(store: Store, model: Model, label: str, classes: tuple[str, ...]) -> dict[str, str]:
    """The model's class code for each value of the label that means one."""
    own = model.card.classes
    check_label(store, label)
    found = {case.said(label) for case in store.cases} - {""}
    if classes and len(classes) != len(own):
        codes = ", ".join(one.code for one in own)
        raise InputError(f"--classes must name {len(own)} values of '{label}', for {codes}.")
    names = {value: one.code for value, one in zip(classes, own, strict=False)}
    if not classes:
        names = {value: one.code for value in found for one in own if value in (one.code, one.name)}
    if len({names[value] for value in found & set(names)}) < 2:
        codes = ", ".join(f"'{one.code}'" for one in own)
        raise InputError(
            f"The column '{label}' holds fewer than two of the classes that the model "
            f"'{model.card.name}' tells ({codes}). If they have other names there, say "
            "--classes A,B in this order."
        )
    return names
