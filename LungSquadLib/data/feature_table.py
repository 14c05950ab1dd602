"""Tables of radiomic features of cases, by LungSquad or by another program, for baselines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import sha256_of_file
from ..radiomics.perturbed import AS_DRAWN, PERTURBED
from ..radiomics.tool_names import feature_name, offset_of
from ..statistics.agreement import icc_2_1
from .store import StoredCase
from .tables.layouts import patient_column
from .tables.number_columns import read_number_column
from .tables.text import read_rows

_LARGEST = 1 << 30  # bytes
_PERTURBATION = "perturbation"


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Radiomic features of cases.

    Attributes:
        columns: D names, the standard's where a feature has one.
        values: (N, D), NaN where nothing is known.
        keys: N names of cases; of patients where the table has no column of cases.
        of_patients: whether `keys` are patients.
        perturbed: (K, N, D), features of K perturbed masks and of those as drawn; or None.
        sha256: of the file.
    """

    columns: tuple[str, ...]
    values: np.ndarray
    keys: tuple[str, ...]
    of_patients: bool
    perturbed: np.ndarray | None
    sha256: str

    def keys_of(self, cases: Sequence[StoredCase]) -> list[str]:
        """Return the keys of the cases of a store."""
        return [case.patient if self.of_patients else case.case for case in cases]

    def of(self, keys: Sequence[str]) -> np.ndarray:
        """Return the features (M, D) of cases; NaN for those that the table lacks."""
        return _rows(self.values, self._numbers(keys))

    def robust(self, keys: Sequence[str], least: float) -> np.ndarray:
        """Return which features (D,) have at least this ICC(2,1) over the perturbed masks of cases.

        Raises:
            InputError: the table has no perturbed masks, or those of less than two of the cases.
        """
        if self.perturbed is None:
            raise InputError(
                "The table of radiomics has no perturbed masks beside it. Make it with "
                "`lungsquad radiomics --robustness`."
            )
        numbers = self._numbers(keys)
        values = self.perturbed[:, numbers[numbers >= 0]]
        kept = np.zeros(len(self.columns), bool)
        for column in range(len(self.columns)):
            ratings = values[:, :, column].T
            ratings = ratings[np.isfinite(ratings).all(1)]
            if len(ratings) > 1:
                kept[column] = icc_2_1(ratings) >= least
        if not kept.any():
            raise InputError(
                f"No feature of the table of radiomics has an ICC of {least:g} over the perturbed "
                "masks of the training cases. Choose a lower --least-icc."
            )
        return kept

    def _numbers(self, keys: Sequence[str]) -> np.ndarray:
        index = {key: number for number, key in enumerate(self.keys)}
        return np.array([index.get(key, -1) for key in keys], np.int64)


def _rows(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    rows = values[numbers]
    rows[numbers < 0] = np.nan
    return rows


def read_feature_table(path: str | os.PathLike[str]) -> FeatureTable:
    """Read a table of `lungsquad radiomics`, pyradiomics or mirp, a row a case or patient.

    Only columns that are radiomic features by their names are used, so that no label of the table
    becomes one. Beside `NAME.csv`, `NAME.perturbed.csv` is read where there is one.

    Raises:
        InputError: it is no such table, has a case twice, or no radiomic feature.
        OSError: it cannot be read.
    """
    header, rows = read_rows(path, most=_LARGEST)
    key = "case" if "case" in header else patient_column(header)
    if key is None:
        raise InputError(f"'{path}' has no column 'case', and none of patients.")
    keys = tuple(row[header.index(key)] for row in rows)
    if len(set(keys)) < len(keys):
        raise InputError(f"'{path}' has a case twice (column '{key}'). Keep one row for each.")
    columns, values = _features(path, header, rows)
    sibling = Path(path).with_suffix(f".{PERTURBED}.csv")
    perturbed = _perturbed(sibling, columns, keys) if sibling.is_file() else None
    return FeatureTable(columns, values, keys, key != "case", perturbed, sha256_of_file(path))


def _features(
    path: str | os.PathLike[str], header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the features, each once, and their values (N, D)."""
    columns: dict[str, np.ndarray] = {}
    for number, column in enumerate(header):
        name = feature_name(column)
        if name is None or name in columns:
            continue
        cells = read_number_column([row[number] for row in rows])
        if cells.invalid_rows:
            raise InputError(
                f"'{path}', row {cells.invalid_rows[0] + 1}: the feature '{name}' is no number."
            )
        numbers = np.array([np.nan if value is None else value for value in cells.values])
        columns[name] = numbers + offset_of(column)
    if not columns:
        raise InputError(
            f"'{path}' has no column with the name of a radiomic feature: names are those of "
            "`lungsquad radiomics`, pyradiomics or mirp."
        )
    return tuple(columns), np.stack([*columns.values()], 1)


def _perturbed(path: Path, columns: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Return the features (K, N, D) of masks as drawn and perturbed."""
    header, rows = read_rows(path, most=_LARGEST)
    if "case" not in header or _PERTURBATION not in header:
        raise InputError(f"'{path}' lacks the column 'case' or '{_PERTURBATION}'.")
    names, values = _features(path, header, rows)
    if names != tuple(columns):
        raise InputError(f"'{path}' has other features than its table. Make both again.")
    kinds = [row[header.index(_PERTURBATION)] for row in rows]
    kind = {name: number for number, name in enumerate(dict.fromkeys((AS_DRAWN, *kinds)))}
    case = {key: number for number, key in enumerate(keys)}
    result = np.full((len(kind), len(keys), len(columns)), np.nan)
    for row, of, numbers in zip(rows, kinds, values, strict=True):
        number = case.get(row[header.index("case")])
        if number is not None:
            result[kind[of], number] = numbers
    return result
