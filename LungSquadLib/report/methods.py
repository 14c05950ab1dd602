"""The methods section of a paper that uses predictions, as a text to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__

_URL = "https://github.com/LungSquad/LungSquad"


def methods_text(predictions: Sequence[Mapping[str, Any]], dois: Mapping[str, str | None]) -> str:
    """Return how predictions were made, with what must be cited.

    Args:
        predictions: as `Prediction.to_dict` gives them, one or more of each model.
        dois: of the papers of the models, by the models' names.
    """
    by_model = {each["model"]["sha256"]: each for each in predictions}
    paragraphs = [
        "Tumours were outlined on CT in 3D Slicer. LungSquad "
        f"{__version__} ({_URL}) cut a cube of CT and outline round the centre of mass of each "
        f"tumour and predicted with {_count(len(by_model))}.",
        *(_model(each, dois.get(each["model"]["name"])) for each in by_model.values()),
        f"Cite: The LungSquad team. LungSquad {__version__}. {_URL}",
    ]
    names = [each["model"]["name"] for each in by_model.values()]
    papers = dict.fromkeys(filter(None, map(dois.get, names)))
    return "\n".join([*paragraphs, *(f"Cite: https://doi.org/{doi}" for doi in papers)])


def _count(models: int) -> str:
    return "one model" if models == 1 else f"{models} models"


def _model(prediction: Mapping[str, Any], doi: str | None) -> str:
    model, crop, interval = prediction["model"], prediction["crop"], prediction["interval"]
    sides = " x ".join(map(str, crop["size"]))
    spacing = f"{crop['spacing_mm'][0]:g}"
    return (
        f"{model['title']} (model {model['name']}, SHA-256 {model['sha256']}"
        f'{f", doi:{doi}" if doi else ""}): "{prediction["question"]}" It was trained on '
        f"{model['training_data'].rstrip('.')}, and took crops of {sides} voxels of {spacing} mm. "
        f"{interval['level']:.0%} intervals: {interval['explanation'].rstrip('.')}."
    )
