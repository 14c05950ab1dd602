"""Readers' ratings of nodules as columns of a manifest: means, each reader's, and classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CHARACTERISTICS = (
    "malignancy",
    "spiculation",
    "lobulation",
    "margin",
    "sphericity",
    "texture",
    "calcification",
    "subtlety",
)
MOST_READERS = 4
TEXTURES = {2.5: "ground-glass", 4.5: "part-solid", math.inf: "solid"}  # of mean ratings below
LOW, HIGH = 2, 4  # of 1 to 5: the mean rating of malignancy at most, and at least


def rating_columns(values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the columns of a nodule's ratings.

    Args:
        values: the readers' ratings by characteristic; missing or empty where there are none.

    Returns:
        `readers` (their number); for each characteristic the mean and, as `<name>_readers`, each
        rating ("5 4 4 5"), both empty without ratings; `texture_class` and `malignancy_class`.
    """
    columns: dict[str, Any] = {"readers": max((len(v) for v in values.values()), default=0)}
    for name in CHARACTERISTICS:
        given = values.get(name, ())
        columns[name] = round(float(np.mean(given)), 3) if len(given) else ""
        columns[f"{name}_readers"] = " ".join(f"{value:g}" for value in given)
    columns["texture_class"] = texture_class(values.get("texture", ()))
    columns["malignancy_class"] = malignancy_class(columns["malignancy"])
    return columns


def malignancy_class(mean: float | str) -> str:
    """Return "low" for a mean rating of at most 2, "high" from 4 on, "" between or without one."""
    if isinstance(mean, str):
        return ""
    return "low" if mean <= LOW else "high" if mean >= HIGH else ""


def texture_class(ratings: Sequence[float]) -> str:
    """Return the class of the mean rating of texture; "" where there is none.

    The scale has names for three of its values only: 1 ground-glass (non-solid), 3 part-solid, 5
    solid. A mean that rounds to 1 or 2 is ground-glass, to 3 or 4 part-solid, to 5 solid.
    """
    if not len(ratings):
        return ""
    mean = float(np.mean(ratings))
    return next(name for limit, name in TEXTURES.items() if mean < limit)
