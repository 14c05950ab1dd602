"""External validation on the nodules of a store: of descriptors, segmenters and inpainters."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ..data.overlap import model_overlap
from ..data.store import StoredCase, open_store
from ..errors import InputError
from ..files import write_json
from ..inference.description import by_characteristic, log_probabilities
from ..inference.segmentation_cubes import check_dimensions
from ..models.card import Metric
from ..models.catalogue import check_kind
from ..models.file import Model
from ..progress import Progress, Silent, step
from ..statistics.agreement import mean_and_sd, tempered
from ..training.classifier.data import check_store
from ..training.description.data import Nodules
from ..training.description.quality import description_metrics
from ..training.experiment import write_rows
from ..training.inpainting.data import check_side
from ..training.inpainting.quality import HeldOutCase, inpainting_errors
from ..training.segmentation.data import open_source
from ..training.segmentation.quality import CASES, RESULT, segmentation_quality

RATINGS, METRICS = "ratings.csv", "metrics.json"
NATIVE_RATIO = 2.0  # most between the spacing of slices with their own pixels and the card's
Case = TypeVar("Case", bound=StoredCase)


@dataclass(frozen=True)
class Validation:
    """The metrics of a model on a store.

    Attributes:
        metrics: by name.
        details: what else the file of metrics says.
        files: names of the files, the table of cases first if there is one, and the metrics last.
        rows: of that table.
        warnings: sentences for the user.
    """

    metrics: Mapping[str, Metric]
    files: tuple[str, ...] = (METRICS,)
    rows: Sequence[dict[str, Any]] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows, for JSON."""
        metrics = {name: asdict(metric) for name, metric in self.metrics.items()}
        return {**self.details, "metrics": metrics, "warnings": list(self.warnings)}


@dataclass(frozen=True)
class _Selection:
    """Which cases of a store are taken: of these sets, and of this fold; empty and None: all."""

    store: str | os.PathLike[str]
    sets: Sequence[str]
    fold: str | None

    def of(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """Return the chosen cases; `InputError` if there is none."""
        chosen = tuple(
            case
            for case in cases
            if (not self.sets or case.columns.get("set") in self.sets)
            and (self.fold is None or case.columns.get("fold") == self.fold)
        )
        if not chosen:
            raise InputError(f"No case of '{self.store}' is of these sets and of this fold.")
        return chosen


class _Subject(Protocol):
    """A model with the cases that it is measured on."""

    @property
    def cases(self) -> Sequence[StoredCase]: ...

    def measured(self, progress: Progress) -> Validation:
        """Return what is measured, without warnings."""


def validate_nodules(
    model: Model,
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    sets: Sequence[str] = (),
    fold: str | None = None,
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Validation:
    """Measure a model on the nodules of a store, and write its files.

    A descriptor rates them, a segmenter outlines them, an inpainter inpaints them anew.

    Args:
        model: a descriptor, a segmenter or an inpainter.
        store: of `build_cohort`; for a segmenter of slices, a set of slices.
        folder: where to write.
        sets: values of the column `set` whose cases are taken; empty: all cases.
        fold: value of the column `fold` whose cases are taken; None: all cases.
        allow_overlap: whether to continue if the model was trained on patients of the store.
        device: "cpu", "cuda" or "mps".
        progress: gets the number of cases done; may cancel.

    Raises:
        InputError: the store does not fit the model or has no such cases; or the model was trained
            on patients, series or images of the store.
        ModelError: the model is of another kind, or no segmenter of such data.
    """
    if model.card.kind not in SUBJECTS:
        check_kind(model.card, "descriptor")
    if (Path(folder) / "run.json").exists():  # its files would be mixed with these
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    subject = SUBJECTS[model.card.kind](model, _Selection(store, sets, fold))
    warnings = model_overlap(model.card, subject.cases, allowed=allow_overlap)
    model.network.to(device)
    result = replace(subject.measured(progress or Silent()), warnings=warnings)
    if result.rows:
        write_rows(Path(folder) / result.files[0], result.rows)
    write_json(Path(folder) / result.files[-1], result.to_dict())
    return result


class _Descriptor:
    def __init__(self, model: Model, selection: _Selection) -> None:
        self._model, card, store = model, model.card, open_store(selection.store)
        check_store(store, card.image)
        store = replace(store, cases=selection.of(store.cases))
        names = [scale.name for scale in card.characteristics]
        self._nodules = Nodules.of(store, names, card.image)
        self.cases = self._nodules.cases

    def measured(self, progress: Progress) -> Validation:
        nodules, count, outputs = self._nodules, len(self.cases), []
        crops = nodules.crops(0)
        for number in range(count):
            step(progress, number / count, f"{number} of {count} nodules")
            part = np.array([number])
            batch = (crops.plain(part), nodules.sizes(part))
            outputs.append(log_probabilities(self._model.network, [batch])[0])
        output = np.concatenate(outputs)
        metrics = description_metrics(
            nodules,
            np.arange(count),
            output,
            self._model.card.characteristics,
            where=f"nodules of {_patients(self.cases)} patients",
        )
        return Validation(metrics, (RATINGS, METRICS), list(self._rows(output)))

    def _rows(self, output: np.ndarray) -> Iterator[dict[str, Any]]:
        """Yield the rows of `ratings.csv`: each nodule's ratings by the model and the readers."""
        rows: list[dict[str, Any]] = [
            {"case": case.case, "patient": case.patient} for case in self.cases
        ]
        for scale, columns in by_characteristic(self._model.card.characteristics, output):
            expected, sd = mean_and_sd(tempered(columns, scale.temperature), scale.lowest)
            ratings, truth = scale.rating(expected), self._nodules.means(scale.name)
            for row, value, deviation, readers in zip(rows, ratings, sd, truth, strict=True):
                row[scale.name] = round(float(value), 4)
                row[f"{scale.name}_readers"] = "" if np.isnan(readers) else round(float(readers), 4)
                row[f"{scale.name}_abstains"] = int(deviation > scale.most_sd)
        yield from rows


class _Segmenter:
    def __init__(self, model: Model, selection: _Selection) -> None:
        self._model, self._source = model, open_source(selection.store)
        source, spec = self._source, model.card.image
        check_dimensions(model, source.dimensions)
        most = NATIVE_RATIO if source.is_native else 1 + 1e-6
        ratio = source.spacing / spec.spacing
        if not 1 / most <= ratio <= most or source.side < spec.size:
            raise InputError(
                f"The data have {source.side} voxels of {source.spacing:g} mm a side, and the "
                f"model '{model.card.name}' takes {spec}: cut them again for it."
            )
        self.cases = selection.of(source.cases)

    def measured(self, progress: Progress) -> Validation:
        quality = segmentation_quality(
            self._model, self._source, self.cases, where="external validation", progress=progress
        )
        return Validation(quality.metrics, (CASES, RESULT), quality.rows, quality.to_dict())


class _Inpainter:
    def __init__(self, model: Model, selection: _Selection) -> None:
        self._model, self._store = model, open_store(selection.store)
        spec, preprocessing = model.card.image, self._store.preprocessing
        check_side(self._store, spec.size)
        if preprocessing.spacing != spec.spacing:
            raise InputError(
                f"The store has voxels of {preprocessing.spacing:g} mm, the model "
                f"'{model.card.name}' takes {spec.spacing:g} mm: build another store."
            )
        self.cases = selection.of(self._store.cases)

    def measured(self, progress: Progress) -> Validation:
        spec, count, tumours = self._model.card.image, len(self.cases), []
        for number, case in enumerate(self.cases):
            step(progress, 0.1 * number / count, f"Reading {number} of {count} tumours")
            content = self._store.content(case)
            tumours.append(HeldOutCase.of(content, spec.size, patient=case.patient))
        step(progress, 0.1, f"Inpainting {count} tumours")
        where = f"{count} tumours of {_patients(self.cases)} patients, inpainted anew"
        return Validation(inpainting_errors(self._model.network, spec, tumours, where=where))


SUBJECTS: Mapping[str, Callable[[Model, _Selection], _Subject]] = {
    "descriptor": _Descriptor,
    "segmenter": _Segmenter,
    "inpainter": _Inpainter,
}


def _patients(cases: Sequence[StoredCase]) -> int:
    return len({case.patient for case in cases})
