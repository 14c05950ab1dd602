"""Predictions from the expression profile of a case, with an image of the patient or without."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.tables.profile import Profile, read_profile
from ..errors import InputError
from ..files import whole_folder, write_json
from ..identity import pseudonym
from ..imaging.ct import CT
from ..imaging.files.write import check_distinct
from ..imaging.flags import Flag, merged
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..inference.description import Description
from ..inference.prediction import Prediction
from ..inference.profile import ProfilePrediction, predict_multimodal
from ..models.catalogue import OF_IMAGES, OF_TABLES
from ..models.file import Model
from ..report.page import RESEARCH
from ..report.render import FORMAT_VERSION, REPORT, RESULT, rendered
from .options import PredictionOptions


def profile_for(models: Sequence[Model], path: str | os.PathLike[str] | None) -> Profile | None:
    """Read the profile for the models of tables; None if there is no such model.

    Raises:
        InputError: as `read_profile`; or there is a profile and no model for it, or the other way.
    """
    of_tables = [model.card.name for model in models if model.card.kind in OF_TABLES]
    if path is None and of_tables:
        raise InputError(f"The model '{of_tables[0]}' needs an expression profile. Give one.")
    if path is not None and not of_tables:
        raise InputError("None of the models takes an expression profile. Choose one that does.")
    return None if path is None else read_profile(path)


def predict_molecular(
    models: Sequence[Model],
    profile: Profile | None,
    image: tuple[CT, Mask] | None,
    *,
    device: str,
    seed: int,
    centre_lps: Point | None = None,
) -> list[ProfilePrediction]:
    """Return the predictions of the models of tables; see `predict_multimodal`."""
    if profile is None:
        return []
    return [
        prediction
        for model in models
        if model.card.kind in OF_TABLES
        for prediction in predict_multimodal(
            model,
            profile,
            image,
            among=[other for other in models if other.card.kind in OF_IMAGES],
            device=device,
            seed=seed,
            centre_lps=centre_lps,
        )
    ]


def molecular_part(
    profile: Profile | None, predictions: Sequence[ProfilePrediction]
) -> dict[str, Any]:
    """Return the profile's part of `prediction.json`, empty without a profile."""
    if profile is None:
        return {}
    return {"profile": profile.to_dict(), "molecular": [each.to_dict() for each in predictions]}


def molecular_flags(
    predictions: Sequence[ProfilePrediction],
) -> Iterator[tuple[str, tuple[Flag, ...]]]:
    """Yield the flags of each prediction with its model's title; see `imaging.flags.merged`."""
    for prediction in predictions:
        yield f"{prediction.model.card.title} ({prediction.modality})", prediction.flags


def notices_of(predictions: Sequence[Prediction | ProfilePrediction | Description]) -> list[str]:
    """Return the notices of the models' cards, each once."""
    notices = (prediction.model.card.notice for prediction in predictions)
    return list(dict.fromkeys(notice for notice in notices if notice))


def run_profile(
    profile: str | os.PathLike[str],
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    options: PredictionOptions | None = None,
) -> dict[str, Any]:
    """Predict from a profile without an image; write `prediction.json` and a report.

    Raises:
        InputError: as `read_profile` and `predict_profile`; or a model takes images only.
    """
    options = options or PredictionOptions()
    check_distinct([folder], [profile])
    for model in models:
        if model.card.kind not in OF_TABLES:
            raise InputError(f"The model '{model.card.name}' takes images: give a CT and a mask.")
    read = read_profile(profile)
    predictions = predict_molecular(models, read, None, device=options.device, seed=options.seed)
    described = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "notice": RESEARCH,
        "notices": notices_of(predictions),
        "patient": pseudonym(read.sha256),
        "flags": [flag.to_dict() for flag in merged((), molecular_flags(predictions))],
        "predictions": [],
        **molecular_part(read, predictions),
        "files": {"report": REPORT},
    }
    with whole_folder(folder, last=RESULT) as temporary:
        write_json(temporary / RESULT, described)
        (temporary / REPORT).write_text(rendered(temporary), encoding="utf-8")
        check_distinct([Path(folder) / entry.name for entry in temporary.iterdir()], [profile])
    return described
