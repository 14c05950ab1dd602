"""The nodules in arrays cut out of LIDC-IDRI: HU, masks, spacing and ratings of each.

What lies beyond a cut-out is not known: a crop has -1024 HU there, and no voxel of a cut-out is
that low.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line, parsing
from ..imaging.resample import AIR
from .ratings import CHARACTERISTICS, MOST_READERS, rating_columns
from .reader_agreement import consensus

KEY = "key"  # of a row: names the same nodule in several sets
CUBE, STACK, SLICE = 51, 72, 71  # voxels along a side
_NEIGHBOUR_PX = 8.0  # from the outlines' centre: further off, the ratings may be another nodule's
_LARGEST_TABLE, _LARGEST_ARRAYS = 64 << 20, 8 << 30
_READERS = range(1, MOST_READERS + 1)
_EACH_READER = tuple(f"{name.capitalize()}_{k}" for name in CHARACTERISTICS for k in _READERS)


@dataclass(frozen=True)
class Nodule:
    """One nodule of one set.

    Attributes:
        case: its name.
        patient: the collection's patient ID, which is public.
        hu: int16 (z, y, x), all of it known; axes point up, back and left (LPS).
        mask: uint8, of the same shape.
        spacing: mm along x, y and z.
        columns: of the manifest, beside those that every nodule has.
        drawn: (readers, z, y, x), 0 or 1, what each reader drew; None where that is not known.
    """

    case: str
    patient: str
    hu: np.ndarray
    mask: np.ndarray
    spacing: tuple[float, float, float]
    columns: Mapping[str, Any]
    drawn: np.ndarray | None = None

    @property
    def volume_ml(self) -> float:
        return float(np.count_nonzero(self.mask) * np.prod(self.spacing) / 1000)


Row = Mapping[str, str]
Arrays = Mapping[str, np.ndarray]
ArrayLayout = Mapping[str, tuple[str, tuple[int | None, ...]]]  # type and shape, None: any length
Ratings = Mapping[str, Mapping[str, Sequence[int]]]  # by nodule, then by characteristic


@dataclass(frozen=True)
class Layout:
    """A set's arrays, table, and reader."""

    arrays: ArrayLayout
    columns: tuple[str, ...]
    nodule: Callable[[Row, Arrays, Ratings], Nodule | None]


def nodules_of_set(folder: Path, ratings: Ratings) -> Iterator[tuple[float, Nodule]]:
    """Yield the nodules of a set, each with the part of the set that is done.

    Args:
        folder: of the set, named after it, with `labels.csv` and `data.npz`.
        ratings: of `ratings_of_readers`.

    Raises:
        InputError: a file is missing or damaged, or does not have the set's layout.
    """
    layout, path = SETS[folder.name], folder / "labels.csv"
    labels = read_table(path, layout.columns)
    data = read_arrays(folder / "data.npz", layout.arrays)
    for number, row in enumerate(labels):
        try:
            nodule = layout.nodule(row, data, ratings)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            reason = one_line(f"{type(error).__name__}: {error}", most=200)
            raise InputError(
                f"'{path}', row {number + 1}, does not fit the arrays beside it ({reason}). Copy "
                "the folder again."
            ) from error
        if nodule is not None:
            yield number / len(labels), nodule


def ratings_of_readers(source: Path) -> Ratings:
    """Return every reader's ratings, by the keys that `voi3d` and `slices71` give a nodule."""
    path = source / "slices71" / "labels.csv"
    ratings: dict[str, dict[str, list[int]]] = {}
    columns = ("noduleID", "voi3d_key", *_EACH_READER)
    for row in read_table(path, columns) if path.is_file() else []:
        with parsing(path, "a table of ratings"):
            values = {name: _ratings_of(row, name) for name in CHARACTERISTICS}
        for key in (row["voi3d_key"], f"slice {row['noduleID']}"):
            if key:
                ratings[key] = values
    return ratings


def _ratings_of(row: Row, name: str) -> list[int]:
    """Return the ratings of a characteristic; 0 and an empty cell stand for none."""
    cells = [row[f"{name.capitalize()}_{reader}"] for reader in _READERS]
    return [int(float(cell)) for cell in cells if cell and float(cell) > 0]


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a table of LIDC-IDRI that must have some columns, and rows.

    Raises:
        InputError: there is no such table, or it lacks a column.
    """
    if not path.is_file():
        raise InputError(f"There is no table '{path}': name the folder of the LIDC-IDRI arrays.")
    if path.stat().st_size > _LARGEST_TABLE:
        raise InputError(f"'{path}' is larger than a table of nodules can be.")
    with parsing(path, "a table"), path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, restval=""))
    missing = [name for name in columns if name not in (rows[0] if rows else ())]
    if missing:
        raise InputError(f"'{path}' lacks the column '{missing[0]}', or has no rows.")
    return rows


def read_arrays(path: Path, layout: ArrayLayout) -> dict[str, np.ndarray]:
    """Read the arrays of a set, each once: a member is decompressed at every access.

    Raises:
        InputError: the file is missing or damaged, or does not have the layout.
    """
    if not path.is_file():
        raise InputError(f"There is no file '{path}' beside 'labels.csv'. Copy the folder again.")
    with parsing(path, "an archive of arrays"):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _LARGEST_ARRAYS:
            raise InputError(f"'{path}' holds {size >> 30} GB of arrays; no set has as much.")
        with np.load(path, allow_pickle=False) as members:
            arrays = {name: members[name] for name in layout if name in members.files}
    for name, (kind, shape) in layout.items():
        if name not in arrays:
            raise InputError(f"'{path}' has no array '{name}'.")
        array = arrays[name]
        sides = zip(array.shape, shape, strict=False)
        if (
            array.dtype != np.dtype(kind)
            or array.ndim != len(shape)
            or any(side != need for side, need in sides if need is not None)
        ):
            need = " x ".join("N" if side is None else str(side) for side in shape)
            has = " x ".join(map(str, array.shape))
            raise InputError(
                f"'{path}': the array '{name}' is {array.dtype} {has}, and must be {kind} {need}."
            )
    return arrays


def _cube(row: Row, data: Arrays, _: Ratings) -> Nodule:
    at = _index(row["index"], data["u8"])
    return Nodule(
        case=f"cube-{at:04d}",
        patient=row["patient_id"],
        hu=_known(data["u8"][at] * (1600 / 255) - 1200),
        mask=_unpacked(data["mask"][at], (CUBE,) * 3),
        spacing=(1.0, 1.0, 1.0),
        columns={
            KEY: f"cube {at}",
            **rating_columns({n: [float(row[n])] for n in CHARACTERISTICS if row.get(n)}),
        },
    )


def _volume(row: Row, data: Arrays, ratings: Ratings) -> Nodule:
    at = _index(row["index"], data["shape_zyx"])
    shape = data["shape_zyx"][at]
    z, y, x = data["spacing_zyx"][at]
    hu = data["hu"][data["offset"][at] : data["offset"][at + 1]].reshape(shape)
    packed = data["mask_packed"][data["mask_offset"][at] : data["mask_offset"][at + 1]]
    mask = _unpacked(packed, shape)
    if row["axcodes_xyz"] == "RAS":
        hu, mask = hu[:, ::-1, ::-1], mask[:, ::-1, ::-1]
    key = f"{row['patient_id']}_R_{row['nodule_id']}"
    majority = {n: [float(v)] for n in CHARACTERISTICS if (v := row[f"{n.capitalize()}_value"])}
    return Nodule(
        case=f"voi-{at:04d}",
        patient=row["patient_id"],
        hu=_known(hu),
        mask=np.ascontiguousarray(mask),
        spacing=_spacing(x, y, z),
        columns={KEY: key, **rating_columns(ratings.get(key, majority))},
    )


def _stack(row: Row, data: Arrays, ratings: Ratings) -> Nodule | None:
    """Return a stack whose HU are known; the mask is what at least half of the readers drew."""
    if row["calibrated"] != "True" or not row["PixelSpacing"]:
        return None
    first, count = int(row["first"]), int(row["n_slices"])
    _index(row["first"], data["u8"])
    _index(str(first + count - 1), data["u8"])
    packed = np.unpackbits(data["mask"][first : first + count], axis=2)
    drawn = packed.reshape(count, MOST_READERS, STACK, STACK).swapaxes(0, 1)
    mask = consensus(drawn)
    if not mask.any():
        return None
    rated: Mapping[str, Sequence[float]] = {}
    if row["noduleID"] and float(row["centre_offset_px"] or 0) <= _NEIGHBOUR_PX:
        rated = ratings.get(f"slice {int(float(row['noduleID']))}", {})
    pixel, at = row["PixelSpacing"], int(row["index"])
    return Nodule(
        case=f"stack-{at:04d}",
        patient=row["patient_id"],
        hu=_known(data["u8"][first : first + count] * (1600 / 255) - 1100),
        mask=mask,
        spacing=_spacing(pixel, pixel, row["slice_spacing"]),
        columns={KEY: row["voi3d_key"] or f"stack {at}", **rating_columns(rated)},
        drawn=drawn,
    )


def _slice(row: Row, data: Arrays, ratings: Ratings) -> Nodule:
    at, pixel = _index(row["index"], data["hu"]), row["PixelSpacing"]
    return Nodule(
        case=f"slice-{at:04d}",
        patient=row["patient_id"],
        hu=_known(data["hu"][at : at + 1]),
        mask=_unpacked(data["mask"][at], (1, SLICE, SLICE)),
        spacing=_spacing(pixel, pixel, 1.0),
        columns={
            KEY: row["voi3d_key"] or f"slice {row['noduleID']}",
            **rating_columns(ratings[f"slice {row['noduleID']}"]),
        },
    )


_NUMBER_OF_BYTES = {side: math.ceil(side / 8) for side in (CUBE**3, SLICE**2, STACK**2)}
SETS: Mapping[str, Layout] = {
    "cubes51": Layout(
        {
            "u8": ("uint8", (None, CUBE, CUBE, CUBE)),
            "mask": ("uint8", (None, _NUMBER_OF_BYTES[CUBE**3])),
        },
        ("index", "patient_id"),
        _cube,
    ),
    "voi3d": Layout(
        {
            "hu": ("int16", (None,)),
            "offset": ("int64", (None,)),
            "shape_zyx": ("int16", (None, 3)),
            "spacing_zyx": ("float32", (None, 3)),
            "mask_packed": ("uint8", (None,)),
            "mask_offset": ("int64", (None,)),
        },
        (
            *("index", "patient_id", "nodule_id", "axcodes_xyz"),
            *(f"{name.capitalize()}_value" for name in CHARACTERISTICS),
        ),
        _volume,
    ),
    "stacks72": Layout(
        {
            "u8": ("uint8", (None, STACK, STACK)),
            "mask": ("uint8", (None, MOST_READERS, _NUMBER_OF_BYTES[STACK**2])),
        },
        (
            *("index", "patient_id", "first", "n_slices", "calibrated", "noduleID"),
            *("centre_offset_px", "PixelSpacing", "slice_spacing", "voi3d_key"),
        ),
        _stack,
    ),
    "slices71": Layout(
        {
            "hu": ("int16", (None, SLICE, SLICE)),
            "mask": ("uint8", (None, _NUMBER_OF_BYTES[SLICE**2])),
        },
        ("index", "patient_id", "noduleID", "PixelSpacing", "voi3d_key", *_EACH_READER),
        _slice,
    ),
}


def _index(cell: str, array: np.ndarray) -> int:
    at = int(cell)
    if not 0 <= at < len(array):
        raise IndexError(f"there are {len(array)} in the arrays, and none with the number {at}")
    return at


def _spacing(*steps: float | str) -> tuple[float, float, float]:
    x, y, z = map(float, steps)
    if not all(0 < side < math.inf for side in (x, y, z)):
        raise ValueError(f"a spacing of {x:g} x {y:g} x {z:g} mm")
    return x, y, z


def _known(hu: np.ndarray) -> np.ndarray:
    """Return HU as int16, above what a crop has beyond the CT."""
    return np.ascontiguousarray(np.maximum(np.rint(hu), AIR + 1).astype(np.int16))


def _unpacked(packed: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a mask of one bit a voxel as uint8."""
    count = int(np.prod(shape))
    return np.unpackbits(packed.ravel())[:count].reshape(tuple(shape))
