"""Predictions as rows of a CSV file, the same for a batch and for one patient in Slicer."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..files import whole_file

COLUMNS = (
    "model",
    "answer",
    "positive_class",
    "probability",
    "interval_low",
    "interval_high",
    "robustness_low",
    "robustness_high",
    "icc",
    "out_of_distribution",
    "baseline_volume_alone",
    "mask_volume_ml",
    "flags",
)


def prediction_row(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """A row with `COLUMNS` of what `Prediction.to_dict` gives."""
    positive, novelty = prediction["positive_class"], prediction["out_of_distribution"]
    return {
        "model": prediction["model"]["name"],
        "answer": prediction["answer"],
        "positive_class": positive,
        "probability": prediction["probabilities"][positive],
        "interval_low": prediction["interval"]["low"],
        "interval_high": prediction["interval"]["high"],
        "robustness_low": prediction["robustness"]["low"],
        "robustness_high": prediction["robustness"]["high"],
        "icc": prediction["robustness"]["icc"],
        "out_of_distribution": None if novelty is None else novelty["out_of_distribution"],
        "baseline_volume_alone": prediction["baseline_volume_alone"],
        "mask_volume_ml": prediction["crop"]["mask_volume_ml"],
        "flags": " ".join(flag["code"] for flag in prediction["flags"]),
    }


def write_csv(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write a table, whole or not at all; no spreadsheet takes a cell of it for a formula."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if formula else value
