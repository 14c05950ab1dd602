"""Predictions as rows of a CSV file, the same for a batch and for one patient in Slicer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .molecular import IMAGE, modality

COLUMNS = (
    "model",
    "modality",
    "predicted_class",
    "positive_class",
    "probability",
    "interval_low",
    "interval_high",
    "robustness_low",
    "robustness_high",
    "icc",
    "out_of_distribution",
    "volume_only_baseline",
    "mask_volume_ml",
    "flags",
    "flag_sentences",
)


def prediction_row(
    prediction: Mapping[str, Any], flags: Sequence[Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """A row with `COLUMNS` of what `Prediction.to_dict` gives, or `ProfilePrediction.to_dict`.

    `flags` are the whole case's; without them the prediction's own are shown.
    """
    flags = prediction["flags"] if flags is None else flags
    positive, ood = prediction["positive_class"], prediction["out_of_distribution"]
    return {
        "model": prediction["model"]["name"],
        "modality": modality(prediction),
        "predicted_class": prediction["predicted_class"],
        "positive_class": positive,
        "probability": prediction["probabilities"][positive],
        "interval_low": prediction["interval"]["low"],
        "interval_high": prediction["interval"]["high"],
        "out_of_distribution": None if ood is None else ood["out_of_distribution"],
        "flags": " ".join(dict.fromkeys(flag["code"] for flag in flags)),
        "flag_sentences": " | ".join(f"{flag['severity']}: {flag['sentence']}" for flag in flags),
        **(_of_the_image(prediction) if modality(prediction) == IMAGE else {}),
    }


def _of_the_image(prediction: Mapping[str, Any]) -> dict[str, Any]:
    robustness = prediction["robustness"]
    return {
        "robustness_low": robustness["low"],
        "robustness_high": robustness["high"],
        "icc": robustness["icc"],
        "volume_only_baseline": prediction["volume_only_baseline"],
        "mask_volume_ml": prediction["crop"]["mask_volume_ml"],
    }
