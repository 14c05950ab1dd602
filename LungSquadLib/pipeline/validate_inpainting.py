"""External validation of an inpainter: the errors of a store's tumours, inpainted anew."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.overlap import model_overlap
from ..data.store import StoredCase, open_store
from ..errors import InputError
from ..files import write_json
from ..models.card import Metric
from ..models.file import Model
from ..progress import Progress, Silent, step
from ..training.inpainting.data import check_side
from ..training.inpainting.quality import HeldOutCase, inpainting_errors

METRICS = "metrics.json"


@dataclass(frozen=True)
class InpaintingValidation:
    """The metrics of an inpainter on a store, and warnings for the user."""

    metrics: Mapping[str, Metric]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        metrics = {name: asdict(metric) for name, metric in self.metrics.items()}
        return {"metrics": metrics, "warnings": list(self.warnings)}


def validate_inpainting(
    model: Model,
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    sets: Sequence[str] = (),
    fold: str | None = None,
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> InpaintingValidation:
    """Inpaint the tumours of a store anew, each in its place, and write `metrics.json`.

    Args:
        model: an inpainter.
        store: of `build_cohort`.
        folder: where to write.
        sets: values of the column `set` whose cases are taken; empty: all cases.
        fold: value of the column `fold` whose cases are taken; None: all cases.
        allow_overlap: whether to continue if the model was trained on patients of the store.
        device: "cpu", "cuda" or "mps".
        progress: gets the number of cases done; may cancel.

    Raises:
        InputError: the store does not fit the model, has no such cases, or the model was trained on
            patients, series or images of it.
    """
    progress, card, opened = progress or Silent(), model.card, open_store(store)
    if (Path(folder) / "run.json").exists():  # its files would be mixed with these
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    spec = card.image
    check_side(opened, spec.size)
    if opened.preprocessing.spacing != spec.spacing:
        raise InputError(
            f"The store has voxels of {opened.preprocessing.spacing:g} mm, the model "
            f"'{card.name}' takes {spec.spacing:g} mm: build another store."
        )
    cases = [case for case in opened.cases if _is_chosen(case, sets, fold)]
    if not cases:
        raise InputError(f"No case of the store '{store}' has this set and fold.")
    warnings = model_overlap(card, cases, allowed=allow_overlap)
    network, tumours = model.network.to(device), []
    for number, case in enumerate(cases):
        step(progress, 0.1 * number / len(cases), f"Reading {number} of {len(cases)} tumours")
        tumours.append(HeldOutCase.of(opened.content(case), spec.size, patient=case.patient))
    step(progress, 0.1, f"Inpainting {len(cases)} tumours")
    patients = len({case.patient for case in cases})
    where = f"{len(cases)} tumours of {patients} patients, inpainted anew"
    result = InpaintingValidation(inpainting_errors(network, spec, tumours, where=where), warnings)
    write_json(Path(folder) / METRICS, result.to_dict())
    return result


def _is_chosen(case: StoredCase, sets: Sequence[str], fold: str | None) -> bool:
    in_sets = not sets or case.columns.get("set") in sets
    return in_sets and (fold is None or case.columns.get("fold") == fold)
