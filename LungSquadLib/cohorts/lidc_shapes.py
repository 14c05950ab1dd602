"""A library of nodule shapes from the contours of LIDC-IDRI, without any image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, parsing
from ..imaging.nodule_shapes import SIDE, SMOOTH, SPICULATED, write_library
from .lidc_arrays import read_arrays, read_table

TEST_FOLD = "3"  # its patients' shapes are left out
_LEAST_MM3, _THICKEST_MM = 250.0, 2.5  # smaller or thicker-sliced contours are blocks
_MOST = 150  # shapes of each kind
_LAYOUT = {"mask": ("uint8", (None, SIDE**3 // 8))}
_COLUMNS = (
    "patient_id",
    "nodule",
    "fold",
    "cut",
    "spiculation",
    "lobulation",
    "slice_spacing",
    "volume_1mm",
)

_Drawing = tuple[int, dict[str, str]]  # one reader's of a nodule: place in the arrays, and row


def write_shapes(source: str | os.PathLike[str], file: str | os.PathLike[str]) -> dict[str, int]:
    """Write shapes of spiculated and of smooth nodules, one of each nodule.

    A nodule is spiculated where its readers' mean of spiculation is at least 3 of 5, smooth where
    those of spiculation and lobulation are at most 1.25; the shape is the contour of the reader
    whose volume is the median. The patients of fold 3 are left out.

    Args:
        source: folder of the arrays of LIDC-IDRI, with `shapes48`.
        file: of the library, .npz.

    Returns:
        The number of shapes of each kind.

    Raises:
        InputError: there are no such arrays, or no such shapes among them.
    """
    folder = Path(source) / "shapes48"
    drawings: dict[tuple[str, str], list[_Drawing]] = defaultdict(list)
    for number, row in enumerate(read_table(folder / "labels.csv", _COLUMNS)):
        if row["fold"] != TEST_FOLD and row["cut"] == "False":
            drawings[row["patient_id"], row["nodule"]].append((number, row))
    chosen: dict[int, list[int]] = {SMOOTH: [], SPICULATED: []}
    with parsing(folder / "labels.csv", "a table of shapes"):
        for drawn in drawings.values():
            kind = _kind([row for _, row in drawn])
            by_volume = sorted(drawn, key=lambda drawing: float(drawing[1]["volume_1mm"]))
            index, row = by_volume[len(drawn) // 2]
            fine = float(row["slice_spacing"]) <= _THICKEST_MM
            if kind is not None and fine and float(row["volume_1mm"]) >= _LEAST_MM3:
                chosen[kind].append(index)
    if not all(chosen.values()):
        raise InputError(f"'{folder}' has no shapes of both kinds.")
    packed = read_arrays(folder / "data.npz", _LAYOUT)["mask"]
    numbers = {kind: _evenly_chosen(indices) for kind, indices in chosen.items()}
    kinds = [kind for kind, indices in numbers.items() for _ in indices]
    masks = [
        np.unpackbits(packed[index]).reshape((SIDE,) * 3)
        for indices in numbers.values()
        for index in indices
    ]
    write_library(Path(file), np.stack(masks), np.array(kinds, np.uint8))
    return {"smooth": kinds.count(SMOOTH), "spiculated": kinds.count(SPICULATED)}


def _kind(rows: Sequence[Mapping[str, str]]) -> int | None:
    spiculation, lobulation = (
        float(np.mean([float(row[name]) for row in rows])) for name in ("spiculation", "lobulation")
    )
    if spiculation >= 3:
        return SPICULATED
    return SMOOTH if max(spiculation, lobulation) <= 1.25 else None


def _evenly_chosen(indices: Sequence[int]) -> list[int]:
    """Return at most `_MOST` of the indices, evenly from first to last."""
    count = min(_MOST, len(indices))
    return [indices[number * len(indices) // count] for number in range(count)]
