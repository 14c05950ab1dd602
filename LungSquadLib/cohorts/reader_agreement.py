"""How well the readers of a cohort agree: in their ratings, and in the masks that they drew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..statistics.agreement import dice, weighted_kappa
from ..statistics.intervals import Estimate, bootstrap
from .ratings import CHARACTERISTICS

TABLE = "reader_masks.csv"
PAIR, CONSENSUS = "pair", "consensus"  # what a reader's mask is compared with
SIZES = {6.0: "< 6 mm", 10.0: "6 to 10 mm", 20.0: "10 to 20 mm", math.inf: "20 mm and more"}
TEXTURES = ("solid", "part-solid", "ground-glass")
_HIGHEST = 6  # of all ratings; most end at 5
_FEWEST_PATIENTS = 3


@dataclass(frozen=True)
class RatingAgreement:
    """The agreement of two readers on one characteristic.

    Attributes:
        name: of the characteristic.
        counts: (6,) nodules' ratings from 1 to 6, over all readers.
        kappa: quadratic-weighted, over all pairs of readers of a nodule; None without pairs.
        same, within_one: the share of pairs with the same rating, and with neighbouring ones.
        pairs, nodules, patients: their numbers, of nodules with two readers at least.
    """

    name: str
    counts: tuple[int, ...]
    kappa: Estimate | None
    same: float
    within_one: float
    pairs: int
    nodules: int
    patients: int


@dataclass(frozen=True)
class MaskAgreement:
    """The Dice coefficients of the readers' masks in a part of the nodules.

    Attributes:
        kind: "pair": of two readers; "consensus": of one reader and of what at least half of the
            others drew.
        part: "all", or a class of size or texture.
        median: with its interval over patients.
        quartiles, worst_tenth: of the coefficients.
        pairs, nodules, patients: their numbers.
    """

    kind: str
    part: str
    median: Estimate
    quartiles: tuple[float, float]
    worst_tenth: float
    pairs: int
    nodules: int
    patients: int


def diameter_mm(volume_ml: float) -> float:
    """Return the diameter in mm of a ball of a volume."""
    return float((6000 * volume_ml / math.pi) ** (1 / 3))


def size_class(volume_ml: float) -> str:
    """Return the class of a nodule by the diameter of a ball of its volume."""
    return next(name for limit, name in SIZES.items() if diameter_mm(volume_ml) < limit)


def consensus(masks: np.ndarray) -> np.ndarray:
    """Return the voxels that at least half of the readers drew.

    Args:
        masks: (readers, ...), 0 or 1; readers who drew nothing do not count.

    Returns:
        uint8 (...).
    """
    readers = int(masks.reshape(len(masks), -1).any(axis=1).sum())
    return np.asarray(2 * masks.sum(axis=0, dtype=int) >= max(readers, 1), np.uint8)


def dice_of_readers(masks: np.ndarray) -> Iterator[tuple[str, float]]:
    """Yield a kind and a Dice coefficient for each comparison of the readers of a nodule.

    Args:
        masks: (readers, ...), 0 or 1; readers who drew nothing do not count.
    """
    drawn = [mask.astype(bool) for mask in masks if mask.any()]
    for a, b in combinations(drawn, 2):
        yield PAIR, dice(a, b)
    for number, mask in enumerate(drawn if len(drawn) > 2 else ()):
        remaining = np.stack([*drawn[:number], *drawn[number + 1 :]])
        yield CONSENSUS, dice(mask, consensus(remaining).astype(bool))


def compared_masks(row: Mapping[str, Any], masks: np.ndarray) -> list[dict[str, Any]]:
    """Return the rows of `reader_masks.csv` of a nodule.

    Args:
        row: of the manifest.
        masks: as for `dice_of_readers`.
    """
    columns = ("case", "patient_id", "set", "nodule_ml", "texture_class")
    of_nodule = {name: row[name] for name in columns}
    return [
        {**of_nodule, "kind": kind, "dice": round(value, 4)}
        for kind, value in dice_of_readers(masks)
    ]


def format_spacing(spacing: Sequence[float]) -> str:
    """Return a spacing in mm along x, y and z for a table: "0.703 0.703 2.5"."""
    return " ".join(f"{step:.4g}" for step in spacing)


def rating_agreement(rows: Sequence[Mapping[str, Any]]) -> list[RatingAgreement]:
    """Return the agreement of the readers on each characteristic that was rated.

    Readers of LIDC-IDRI have no names: a pair counts both ways round, and two nodules' first
    readers may be two people.

    Args:
        rows: of a manifest, with `patient_id` and the columns of `rating_columns`.
    """
    agreements = []
    for name in CHARACTERISTICS:
        rated = [
            (row["patient_id"], [round(float(value)) for value in row[f"{name}_readers"].split()])
            for row in rows
        ]
        counts = np.bincount(
            [value for _, values in rated for value in values], minlength=_HIGHEST + 1
        )
        if counts.sum():
            several = [(patient, values) for patient, values in rated if len(values) > 1]
            agreements.append(_agreement(name, tuple(counts[1:].tolist()), several))
    return agreements


def _agreement(
    name: str, counts: tuple[int, ...], rated: Sequence[tuple[str, Sequence[int]]]
) -> RatingAgreement:
    """Return the agreement on one characteristic, from nodules with two ratings at least."""
    patients = sorted({patient for patient, _ in rated})
    row_of = {patient: number for number, patient in enumerate(patients)}
    tables = np.zeros((len(patients), _HIGHEST, _HIGHEST), int)
    for patient, values in rated:
        for a, b in combinations(values, 2):
            tables[row_of[patient], a - 1, b - 1] += 1
            tables[row_of[patient], b - 1, a - 1] += 1
    whole = tables.sum(axis=0)
    pairs = int(whole.sum()) // 2
    apart = np.abs(np.subtract.outer(np.arange(_HIGHEST), np.arange(_HIGHEST)))
    kappa = None
    if len(patients) >= _FEWEST_PATIENTS and not math.isnan(weighted_kappa(whole)):
        kappa = bootstrap(
            lambda _, drawn: weighted_kappa(drawn.sum(axis=0)),
            np.zeros(len(patients)),
            tables,
            groups=np.arange(len(patients)),
            stratify=False,
        )
    return RatingAgreement(
        name,
        counts,
        kappa,
        same=float(whole[apart == 0].sum() / max(2 * pairs, 1)),
        within_one=float(whole[apart <= 1].sum() / max(2 * pairs, 1)),
        pairs=pairs,
        nodules=len(rated),
        patients=len(patients),
    )


def mask_agreement(rows: Sequence[Mapping[str, Any]]) -> list[MaskAgreement]:
    """Return the agreement of the readers' masks: in all nodules, by size, and by texture.

    Args:
        rows: of `reader_masks.csv`.
    """
    parts: dict[str, list[Mapping[str, Any]]] = {"all": list(rows)}
    for row in rows:
        parts.setdefault(size_class(float(row["nodule_ml"])), []).append(row)
        parts.setdefault(row["texture_class"], []).append(row)
    agreements = []
    for kind in (PAIR, CONSENSUS):
        for part in ("all", *SIZES.values(), *TEXTURES):
            chosen = [row for row in parts.get(part, ()) if row["kind"] == kind]
            if len({row["patient_id"] for row in chosen}) >= _FEWEST_PATIENTS:
                agreements.append(_masks(kind, part, chosen))
    return agreements


def _masks(kind: str, part: str, rows: Sequence[Mapping[str, Any]]) -> MaskAgreement:
    values = np.array([float(row["dice"]) for row in rows])
    groups = np.array([row["patient_id"] for row in rows])
    tenth, first, third = np.quantile(values, (0.1, 0.25, 0.75)).tolist()
    return MaskAgreement(
        kind,
        part,
        bootstrap(
            lambda _, values: float(np.median(values)),
            values,
            values,
            groups=groups,
            stratify=False,
        ),
        (first, third),
        tenth,
        pairs=len(values),
        nodules=len({row["case"] for row in rows}),
        patients=len(set(groups.tolist())),
    )
