"""What a folder of `cohort lidc` holds: counts, sizes, spacing, ratings, readers' agreement."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, parsing
from .lidc_arrays import SETS, read_table
from .ratings import CHARACTERISTICS
from .reader_agreement import TABLE as READER_MASKS
from .reader_agreement import (
    MaskAgreement,
    RatingAgreement,
    diameter_mm,
    mask_agreement,
    rating_agreement,
)

_SLICES = "slices71"
_COLUMNS = ("case", "patient_id", "set", "fold", "nodule_ml", "spacing_mm", "diagnosis")
_RATED = ("malignancy_class", "texture_class", *(f"{name}_readers" for name in CHARACTERISTICS))


@dataclass(frozen=True)
class SetDescription:
    """The nodules of one set.

    Attributes:
        name: of the set.
        nodules, patients: their numbers.
        folds: nodules by fold; "" where there is none.
        diagnoses: patients by diagnosis, as far as there is one.
        malignancy, texture: nodules by class; "" for none.
        diameters: mm, one for each nodule: of a ball of its volume, or, in slices71,
            of a disc of its area.
        pixels, slices: the smallest, median and largest spacing, mm, in and between slices.
    """

    name: str
    nodules: int
    patients: int
    folds: Mapping[str, int]
    diagnoses: Mapping[str, int]
    malignancy: Mapping[str, int]
    texture: Mapping[str, int]
    diameters: tuple[float, ...]
    pixels: tuple[float, float, float]
    slices: tuple[float, float, float]


@dataclass(frozen=True)
class CohortDescription:
    """A cohort's sets, the readers' ratings and their masks."""

    sets: Sequence[SetDescription]
    patients: int
    ratings: Sequence[RatingAgreement]
    masks: Sequence[MaskAgreement]


def describe_cohort(folder: str | os.PathLike[str]) -> CohortDescription:
    """Describe a folder of `cohort lidc`.

    Raises:
        InputError: the folder holds no manifests of `cohort lidc`, or they are damaged.
    """
    folder = Path(folder)
    names = [name for name in SETS if (folder / f"{name}.csv").is_file()]
    names = names or ["nodules"]
    if not (folder / f"{names[0]}.csv").is_file():
        raise InputError(f"'{folder}' is no folder of `lungsquad cohort lidc`: name that one.")
    tables = {name: read_table(folder / f"{name}.csv", (*_COLUMNS, *_RATED)) for name in names}
    masks = folder / READER_MASKS
    compared = (
        read_table(masks, ("case", "patient_id", "nodule_ml", "texture_class", "kind", "dice"))
        if masks.is_file()
        else []
    )
    rated = _SLICES if _SLICES in tables else names[-1]  # it has every reader's ratings
    with parsing(folder, "a folder of `lungsquad cohort lidc`"):
        return CohortDescription(
            [_described(rows[0]["set"], rows) for rows in tables.values()],
            len({row["patient_id"] for rows in tables.values() for row in rows}),
            rating_agreement(tables[rated]),
            mask_agreement(compared),
        )


def _described(name: str, rows: Sequence[Mapping[str, str]]) -> SetDescription:
    spacing = np.array([[float(step) for step in row["spacing_mm"].split()] for row in rows])
    return SetDescription(
        name,
        nodules=len(rows),
        patients=len({row["patient_id"] for row in rows}),
        folds=_counts(rows, "fold"),
        diagnoses=_counts([row for row in rows if row["diagnosis"]], "diagnosis"),
        malignancy=_counts(rows, "malignancy_class"),
        texture=_counts(rows, "texture_class"),
        diameters=tuple(_diameter(row) for row in rows),
        pixels=_range(spacing[:, 0]),
        slices=_range(spacing[:, 2]),
    )


def _diameter(row: Mapping[str, str]) -> float:
    volume = float(row["nodule_ml"])
    if row["set"] != _SLICES:
        return diameter_mm(volume)
    thickness = float(row["spacing_mm"].split()[2])
    return 2 * math.sqrt(volume * 1000 / thickness / math.pi)


def _counts(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, int]:
    return dict(sorted(Counter(row[column] for row in rows).items()))


def _range(values: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (0, 0.5, 1)).tolist()
    return low, middle, high
