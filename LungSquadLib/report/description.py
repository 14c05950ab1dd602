"""The report's section on the description of a nodule, and on the model that gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..statistics.text import format_interval
from .page import Child, Markup, element, section, small_print, table

RATING_TITLES = (
    "Characteristic",
    "Rating",
    "8 of 10 readers",
    "Spread",
    "Kappa: model",
    "Kappa: readers",
)
_DISAGREEMENT = (
    "Spread: the standard deviation of radiologists' ratings of training nodules with "
    "this rating. Kappa (quadratic-weighted) on held-out patients: of the model with the readers' "
    "mean, and of each reader with the mean of the others. A characteristic is not rated where "
    "readers would disagree too much, or where the nodule is out of distribution."
)


def description_sections(descriptions: Sequence[dict[str, Any]]) -> list[list[Markup]]:
    """Return a section for each description of a case, as `Description.to_dict` gives it."""
    return [_section(description) for description in descriptions]


def model_sections(descriptions: Sequence[dict[str, Any]]) -> list[list[Markup]]:
    """Return a section for the model of each description."""
    return [_model(description["model"]) for description in descriptions]


def rating_rows(description: Mapping[str, Any]) -> list[list[str]]:
    """Return the ratings of a description as rows of texts, in the columns of `RATING_TITLES`."""
    metrics = description["model"]["metrics"]
    return [
        [
            name,
            _rated(rating),
            f"{rating['interval']['low']} to {rating['interval']['high']}",
            f"{rating['readers_sd']:.1f}",
            *(
                f"{metrics[key]['value']:.2f}" if key in metrics else ""
                for key in (f"{name}.kappa", f"{name}.readers_kappa")
            ),
        ]
        for name, rating in description["ratings"].items()
    ]


def volume_sentence(description: Mapping[str, Any]) -> str:
    """Return the suspicion by the volume alone, with the AUC of both on held-out patients.

    It is empty where malignancy is not rated.
    """
    malignancy = description["ratings"].get("malignancy")
    if malignancy is None:
        return ""
    metrics = description["model"]["metrics"]
    names = ("malignancy.AUC", "malignancy.volume_AUC")
    text = f"By its volume alone, the suspicion would be {malignancy['by_volume']:.1f}."
    if all(name in metrics for name in names):
        model, volume = (
            format_interval(*(metrics[name][part] for part in ("value", "low", "high")))
            for name in names
        )
        text += f" AUC between low and high suspicion: model {model}, volume alone {volume}."
    return text


def _section(description: dict[str, Any]) -> list[Markup]:
    return section(
        "Description",
        element("p", description["sentence"], class_="verdict"),
        element("p", description["impression"]),
        table(rating_rows(description), header=RATING_TITLES),
        element("p", volume_sentence(description)),
        small_print([_DISAGREEMENT]),
    )


def _rated(rating: Mapping[str, Any]) -> str:
    if rating["abstains"]:
        return "not rated"
    return f"{rating['rounded']} of {max(map(int, rating['scale']))}: {rating['word']}"


def _model(model: dict[str, Any]) -> list[Markup]:
    rows: list[tuple[str, Child]] = [
        ("Name", f"{model['name']}: {model['title']}"),
        ("Trained on", model["training_data"]),
        ("Intended use", model["intended_use"]),
        ("Must not be used", [element("p", sentence) for sentence in model["must_not"]]),
        ("Licence", model["licence"]),
        ("SHA-256", element("code", model["sha256"])),
    ]
    return section(f"Model: {model['title']}", table(rows))
