"""What of a case comes from the patient's expression profile."""

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
from ..inference.prediction import Prediction
from ..inference.profile import ProfilePrediction, predict_multimodal
from ..models.catalogue import OF_IMAGES, OF_TABLES
from ..models.file import Model


def profile_for(models: Sequence[Model], path: str | os.PathLike[str] | None) -> Profile | None:
    """The profile that models of tables are asked about, where there is one.

    Raises:
        InputError: as `read_profile`; or there is a profile and no model for it, or the other way.
    """
    taking = [model.card.name for model in models if model.card.kind in OF_TABLES]
    if path is None and taking:
        raise InputError(f"The model '{taking[0]}' takes an expression profile: give one.")
    if path is not None and not taking:
        raise InputError("None of the models takes an expression profile: name one that does.")
    return None if path is None else read_profile(path)


def ask_molecular(
    models: Sequence[Model],
    profile: Profile | None,
    image: tuple[CT, Mask] | None,
    *,
    device: str,
    seed: int,
    centre_lps: Point | None = None,
) -> list[ProfilePrediction]:
    """What those of the models that take tables say; see `predict_molecular`."""
    if profile is None:
        return []
    return [
        answer
        for model in models
        if model.card.kind in OF_TABLES
        for answer in predict_multimodal(
            model,
            profile,
            image,
            among=[one for one in models if one.card.kind in OF_IMAGES],
            device=device,
            seed=seed,
            centre_lps=centre_lps,
        )
    ]


def molecular_part(profile: Profile | None, answers: Sequence[ProfilePrediction]) -> dict[str, Any]:
    """What `prediction.json` says of a profile; nothing where there is none."""
    if profile is None:
        return {}
    return {"profile": profile.to_dict(), "molecular": [one.to_dict() for one in answers]}


def molecular_flags(
    answers: Sequence[ProfilePrediction],
) -> Iterator[tuple[str, tuple[Flag, ...]]]:
    """Flags of the answers, by whose they are; see `imaging.flags.merged`."""
    for answer in answers:
        yield f"{answer.model.card.title} ({answer.modality})", answer.flags


def notices_of(predictions: Sequence[Prediction | ProfilePrediction]) -> list[str]:
    """What the models' cards want to be shown, each once."""
    found = (one.model.card.notice for one in predictions)
    return list(dict.fromkeys(notice for notice in found if notice))
