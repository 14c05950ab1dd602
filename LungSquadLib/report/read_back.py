"""Read the predictions and descriptions of another process from its folder of results.

Needs no torch: Slicer's process reads here what a worker has written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..errors import InputError, ModelError, parsing
from ..files import sha256_of_file
from ..imaging.crop import crop
from ..imaging.ct import CT
from ..imaging.flags import Flag
from ..imaging.masks import Mask
from ..inference.prediction import Interval, ModelUsed, OODScore, Prediction, Robustness
from ..models.catalogue import find
from ..models.file import read_card
from .render import RESULT, read_result, saliency_of


def read_predictions(
    folder: str | os.PathLike[str],
    ct: CT,
    mask: Mask,
    models: Sequence[str | os.PathLike[str]],
) -> list[Prediction]:
    """Return all predictions of a case; see `each_prediction`."""
    return list(each_prediction(folder, ct, mask, models))


def each_prediction(
    folder: str | os.PathLike[str],
    ct: CT,
    mask: Mask,
    models: Sequence[str | os.PathLike[str]],
) -> Iterator[Prediction]:
    """Yield the predictions of a case one by one, so that a window can respond between them.

    They are as `predict` gave them, but for the rounding of `to_dict`. The crops are cut again, and
    everything is compared with what the folder says.

    Args:
        folder: as `run_case` wrote it.
        ct: the CT that it was made from.
        mask: the mask.
        models: those that were asked, in that order, by name or file.

    Raises:
        InputError: the folder is not one, was made from something else, or a file of it is damaged.
        ModelError: a model is not there, or is another than the one that was asked.
    """
    here = Path(folder)
    with parsing(here / RESULT, "a result of this LungSquad"):
        described = read_result(here)
        entries = described["predictions"]
        if len(entries) != len(models):
            raise InputError(f"'{here}' holds {len(entries)} predictions, not {len(models)}.")
    for entry, model in zip(entries, models, strict=True):
        with parsing(here / RESULT, "a result of this LungSquad"):
            saliency = saliency_of(here, described, entry)
            prediction = _prediction(entry, ct, mask, find(model), saliency)
        yield prediction


def read_descriptions(
    folder: str | os.PathLike[str],
    ct: CT,
    mask: Mask,
    models: Sequence[str | os.PathLike[str]],
) -> list[dict[str, Any]]:
    """The descriptions of a case, as `Description.to_dict` gave them.

    Args:
        folder: as `run_case` wrote it.
        ct: the CT that it was made from.
        mask: the mask.
        models: those that were asked to describe, in that order, by name or file.

    Raises:
        InputError, ModelError: as `read_predictions`.
    """
    here = Path(folder)
    with parsing(here / RESULT, "a result of this LungSquad"):
        described: list[dict[str, Any]] = read_result(here)["descriptions"]
        if len(described) != len(models):
            raise InputError(f"'{here}' holds {len(described)} descriptions, not {len(models)}.")
        for entry, model in zip(described, models, strict=True):
            spec = _model_used(entry, find(model)).card.image
            if crop(ct, mask, size=spec.size, spacing=spec.spacing).to_dict() != entry["crop"]:
                raise InputError("This was described from another CT or mask; predict again.")
        return described


def _model_used(entry: dict[str, Any], model: Path) -> ModelUsed:
    used = ModelUsed(read_card(model), sha256_of_file(model))
    if used.sha256 != entry["model"]["sha256"]:
        raise ModelError(f"'{model}' is not the model that predicted this; predict again.")
    return used


def _prediction(
    entry: dict[str, Any], ct: CT, mask: Mask, model: Path, saliency: sitk.Image
) -> Prediction:
    used = _model_used(entry, model)
    size, spacing = used.card.image.size, used.card.image.spacing
    centre, ood = entry["crop"].get("chosen_centre_lps"), entry["out_of_distribution"]
    prediction = Prediction(
        used,
        crop(ct, mask, size=size, spacing=spacing, centre_lps=centre),
        tuple(entry["probabilities"].values()),
        None if ood is None else OODScore(**ood),
        entry["volume_only_baseline"],
        saliency,
        tuple(Flag.of(flag) for flag in entry["flags"]),
        Interval(**entry["interval"]),
        _robustness(entry["robustness"]),
        entry["parameters"],
    )
    if prediction.to_dict() != entry:
        raise InputError("This was predicted from another CT or mask; predict again.")
    return prediction


def _robustness(entry: dict[str, Any]) -> Robustness:
    return Robustness(**{name: value for name, value in entry.items() if name != "positions"})
