"""External validation of a descriptor: its ratings of a store's nodules beside the readers'."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.overlap import model_overlap
from ..data.store import open_store
from ..errors import InputError
from ..files import write_json
from ..inference.description import by_characteristic, log_probabilities
from ..models.card import Metric
from ..models.file import Model
from ..progress import Progress, Silent, step
from ..statistics.ratings import mean_and_sd, tempered
from ..training.classifier.data import check_store
from ..training.description.data import Nodules
from ..training.description.quality import description_metrics
from ..training.experiment import write_rows

RATINGS, METRICS = "ratings.csv", "metrics.json"


@dataclass(frozen=True)
class DescriptionValidation:
    """The metrics of a descriptor on a store, and warnings for the user."""

    metrics: Mapping[str, Metric]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        metrics = {name: asdict(metric) for name, metric in self.metrics.items()}
        return {"metrics": metrics, "warnings": list(self.warnings)}


def validate_description(
    model: Model,
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    sets: Sequence[str] = (),
    fold: str | None = None,
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> DescriptionValidation:
    """Rate the nodules of a store, and write `ratings.csv` and `metrics.json`.

    Args:
        model: a descriptor.
        store: of `build_cohort`, with the readers' ratings.
        folder: where to write.
        sets: values of the column `set` whose cases are taken; empty: all cases.
        fold: value of the column `fold` whose cases are taken; None: all cases.
        allow_overlap: whether to continue if the model was trained on patients of the store.
        device: "cpu", "cuda" or "mps".
        progress: gets the number of cases done; may cancel.

    Raises:
        InputError: the store does not fit the model or has no such ratings; or the model was
            trained on patients, series or images of the store.
    """
    progress, card, opened = progress or Silent(), model.card, open_store(store)
    if (Path(folder) / "run.json").exists():  # its files would be mixed with these
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    check_store(opened, card.image)
    if fold is not None:
        cases = tuple(case for case in opened.cases if case.columns.get("fold") == fold)
        if not cases:
            raise InputError(f"No case of the store '{store}' has the fold '{fold}'.")
        opened = replace(opened, cases=cases)
    names = [scale.name for scale in card.characteristics]
    nodules = Nodules.of(opened, names, card.image, sets=sets)
    warnings = model_overlap(card, nodules.cases, allowed=allow_overlap)
    network, outputs, count = model.network.to(device), [], len(nodules.cases)
    for number in range(count):
        step(progress, number / count, f"{number} of {count} nodules")
        part = np.array([number])
        outputs.append(log_probabilities(network, [(nodules.plain(part), nodules.sizes(part))])[0])
    output = np.concatenate(outputs)
    patients = len(set(nodules.patients.tolist()))
    metrics = description_metrics(
        nodules,
        np.arange(count),
        output,
        card.characteristics,
        where=f"nodules of {patients} patients",
    )
    result = DescriptionValidation(metrics, warnings)
    write_rows(Path(folder) / RATINGS, _rows(nodules, output, model))
    write_json(Path(folder) / METRICS, result.to_dict())
    return result


def _rows(nodules: Nodules, output: np.ndarray, model: Model) -> list[dict[str, Any]]:
    """Return the rows of `ratings.csv`: each nodule's ratings by the model and the readers."""
    rows: list[dict[str, Any]] = [
        {"case": case.case, "patient": case.patient} for case in nodules.cases
    ]
    for scale, columns in by_characteristic(model.card.characteristics, output):
        expected, sd = mean_and_sd(tempered(columns, scale.temperature), scale.lowest)
        ratings = scale.rating(expected)
        truth = nodules.means(scale.name)
        for row, value, deviation, readers in zip(rows, ratings, sd, truth, strict=True):
            row[scale.name] = round(float(value), 4)
            row[f"{scale.name}_readers"] = "" if np.isnan(readers) else round(float(readers), 4)
            row[f"{scale.name}_abstains"] = int(deviation > scale.most_sd)
    return rows
