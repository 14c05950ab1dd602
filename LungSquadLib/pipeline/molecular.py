"""Predictions from the expression profile of a case, and their part of `prediction.json`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..data.tables.profile import Profile, read_profile
from ..errors import InputError
from ..imaging.ct import CT
from ..imaging.flags import Flag
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..inference.description import Description
from ..inference.prediction import Prediction
from ..inference.profile import ProfilePrediction, predict_multimodal
from ..models.catalogue import OF_IMAGES, OF_TABLES
from ..models.file import Model


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
