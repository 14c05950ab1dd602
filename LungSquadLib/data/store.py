"""The store of a cohort: one file a case with its cropped CT and mask, and an index of them.

`store.json` says what was done to every case, `index.json` lists the cases in the manifest's order,
`cases/NAME.npz` holds one each. The index is JSON and not CSV so that a label comes back to the
letter, whatever a spreadsheet would make of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..errors import InputError
from ..fields import Fields, parsed_json
from ..files import write_json
from ..imaging import AXES
from ..imaging.crop import LARGEST_CROP
from ..imaging.ct import CT, as_ct
from ..imaging.flags import Flag
from ..imaging.masks import Mask, as_mask
from ..models.inputs import InputSpec
from ..options import check, option
from .case_file import LARGEST_ABOUT, Content, read_content
from .tables.text import is_no_label

STORE, INDEX, CASES = "store.json", "index.json", "cases"
FORMAT_VERSION = 2  # 2: cubes have their axes in LPS order
_MOST_CASES, _LARGEST_JSON = 1_000_000, 1 << 30


@dataclass(frozen=True)
class Preprocessing:
    """How the cases of a store were cropped and resampled; `hash` names it."""

    size: int = option(
        64, low=8, unit="voxels", help="largest crop that a network can take, along each axis"
    )
    margin: int = option(
        12, low=0, unit="voxels", help="margin on each side, for shifts and rotations"
    )
    spacing: float = option(1.0, low=0.05, high=20.0, unit="mm", help="distance between voxels")

    def __post_init__(self) -> None:
        check(self)
        if self.side > LARGEST_CROP:
            raise InputError(
                f"--size and two --margin are {self.side} voxels, which must be at most "
                f"{LARGEST_CROP}."
            )

    @property
    def side(self) -> int:
        """Voxels a side of what is stored."""
        return self.size + 2 * self.margin

    @property
    def hash(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.size} voxels of {self.spacing:g} mm with a margin of {self.margin}"


@dataclass(frozen=True)
class StoredCase:
    """A row of the index.

    Attributes:
        case: its name, unique and fit for a file.
        patient: a pseudonym, never the ID (unless identity is kept).
        series: a hash of the CT's Series Instance UID; "" where there is none.
        site: as the manifest has it, or "".
        columns: the further columns of the manifest (labels, covariates), as text.
        file: its file, relative to the store.
        sha256: of that file.
        pixels: hash of the middle slice of the CT, whatever its mask.
        crop: hash of the cropped HU.
        volume_ml: of the tumour.
        flags: what was noticed.
    """

    case: str
    patient: str
    series: str
    site: str
    columns: Mapping[str, str]
    file: str
    sha256: str
    pixels: str
    crop: str
    volume_ml: float
    flags: tuple[Flag, ...]

    def value(self, column: str) -> str:
        """Return the case's value in a column; "" where it is missing."""
        text = self.columns[column]
        return "" if is_no_label(text) else text

    def to_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "columns": dict(self.columns),
            "flags": [flag.to_dict() for flag in self.flags],
        }

    @classmethod
    def of(cls, fields: Fields) -> StoredCase:
        """The case that `to_dict` described; `ValueError` for anything else."""
        columns, flags = fields.take("columns"), fields.take("flags")
        if not isinstance(columns, dict) or not all(isinstance(c, str) for c in columns.values()):
            raise ValueError("the columns of a case are not texts")
        if not isinstance(flags, list):
            raise ValueError("the flags of a case are no list")
        case = cls(
            case=fields.text("case", most=100),
            patient=_text(fields, "patient"),
            series=_text(fields, "series"),
            site=_text(fields, "site"),
            columns=columns,
            file=fields.text("file"),
            sha256=fields.text("sha256", most=64),
            pixels=fields.text("pixels", most=64),
            crop=fields.text("crop", most=64),
            volume_ml=fields.number("volume_ml", 0),
            flags=tuple(Flag.of(flag) for flag in flags),
        )
        if case.file != case_name(case.case) or Path(case.case).name != case.case:
            raise ValueError("a case's file lies elsewhere")
        fields.end()
        return case


@dataclass(frozen=True)
class Store:
    """A store, to read from; `rows` is how many cases its manifest had."""

    folder: Path
    preprocessing: Preprocessing
    cases: tuple[StoredCase, ...]
    rows: int

    def content(self, case: StoredCase) -> Content:
        """HU and mask of a case, read at once.

        Raises:
            InputError: the file is damaged, or is not the one that the index knows.
            OSError: it cannot be read.
        """
        return read_content(self.folder / case.file, case.sha256, self.preprocessing.side)

    def hu(self, case: StoredCase) -> np.ndarray:
        """HU, int16 (side, side, side); see `content`."""
        return self.content(case).hu

    def visible(self, case: StoredCase, spec: InputSpec) -> np.ndarray:
        """HU as a network sees them; see `content` and `InputSpec.visible`."""
        content = self.content(case)
        return spec.visible(content.hu, content.mask)

    def mask(self, case: StoredCase) -> np.ndarray:
        """1 in the tumour, uint8 (side, side, side); see `content`."""
        return self.content(case).mask

    def volume(self, case: StoredCase) -> tuple[CT, Mask]:
        """HU and mask of a case as a CT of the cube's size and its mask; see `content`."""
        content, images = self.content(case), []
        for array in (content.hu, content.mask):
            images.append(sitk.GetImageFromArray(array))
            images[-1].SetSpacing((self.preprocessing.spacing,) * 3)
        ct = as_ct(images[0])
        return ct, as_mask(images[1], ct)


def open_store(folder: str | os.PathLike[str]) -> Store:
    """Open a store, whole or with what there was when its making was interrupted.

    Raises:
        InputError: there is none, it has no index yet, a newer version wrote it, it is damaged.
        OSError: it cannot be read.
    """
    path = Path(folder)
    preprocessing = read_preprocessing(path)
    if preprocessing is None:
        raise InputError(
            f"'{path}' is no store of a cohort: make one with `lungsquad cohort build`."
        )
    if not (path / INDEX).is_file():
        raise InputError(f"'{path}' is not finished: run the same `lungsquad cohort build` again.")
    try:
        fields = _fields(path / INDEX)
        rows = fields.integer("rows", 0, _MOST_CASES)
        cases = fields.items("cases", StoredCase.of, most=_MOST_CASES)
        fields.end()
        check_cases(cases)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(_damaged(path / INDEX, error)) from error
    return Store(path, preprocessing, cases, rows)


def read_preprocessing(folder: Path) -> Preprocessing | None:
    """What is done to the cases of a store, finished or not; None where there is no store.

    Raises:
        InputError: a newer version wrote it, or its description is damaged.
    """
    path = folder / STORE
    if not path.is_file():
        return None
    try:
        fields = _fields(path)
        version, wrote = fields.integer("format_version", 1, 1 << 30), fields.text("lungsquad")
        refuse_newer(folder, version, FORMAT_VERSION, wrote=wrote)
        if version < FORMAT_VERSION:
            raise InputError(
                f"'{folder}' was built by an older LungSquad ({wrote}), which left cubes along the "
                "axes of their files: networks would see patients in different orientations. "
                "Build it again in another folder with `lungsquad cohort build`."
            )
        if fields.text("axes", most=20) != AXES:
            raise ValueError(f"its cubes do not run along {AXES}")
        given = fields.child("preprocessing")
        preprocessing = Preprocessing(
            given.integer("size", 1, LARGEST_CROP),
            given.integer("margin", 0, LARGEST_CROP),
            given.number("spacing", 0, 100),
        )
        if fields.take("preprocessing_hash") != preprocessing.hash:
            raise ValueError("its preprocessing is not what its hash says")
    except ValueError as error:
        raise InputError(_damaged(path, error)) from error
    return preprocessing


def write_store(
    folder: Path,
    preprocessing: Preprocessing,
    counts: Mapping[str, int] | None = None,
    *,
    part: Mapping[str, Any] | None = None,
) -> None:
    """Write `store.json`; without `counts` it describes a store that is not finished.

    Args:
        folder: of the store.
        preprocessing: of its cases.
        counts: of rows, cases and patients.
        part: which part of a cohort it is, see `parts`; None for all.
    """
    described = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "axes": AXES,
        "notice": "Research software, not a medical device.",
        "preprocessing": asdict(preprocessing),
        "preprocessing_hash": preprocessing.hash,
        "counts": counts,
        **({"part": part} if part else {}),
    }
    write_json(folder / STORE, described)


def write_index(folder: Path, cases: Sequence[StoredCase], *, rows: int) -> None:
    """Write `index.json`, the cases that are there of so many rows."""
    write_json(folder / INDEX, {"rows": rows, "cases": [case.to_dict() for case in cases]})


def refuse_newer(folder: Path, version: int, known: int, *, wrote: str) -> None:
    """Raise `InputError` where a folder has a later format than the one that is known here."""
    if version > known:
        raise InputError(
            f"'{folder}' was written by LungSquad {wrote}, which is newer than this one "
            f"({__version__}): update LungSquad."
        )


def check_cases(cases: Sequence[StoredCase]) -> None:
    """Raise `ValueError` where the cases of an index cannot stand together."""
    if len({case.case for case in cases}) != len(cases):
        raise ValueError("it has a case twice")
    if len({tuple(case.columns) for case in cases}) > 1:
        raise ValueError("its cases differ in their columns")


def case_name(case: str) -> str:
    """The file of a case, relative to its store."""
    return f"{CASES}/{case}.npz"


def _fields(path: Path) -> Fields:
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError("it is too large")
    return Fields(parsed_json(path.read_text(encoding="utf-8")), "it")


def _text(fields: Fields, name: str) -> str:
    value = fields.take(name)
    if not isinstance(value, str) or len(value) > LARGEST_ABOUT:
        raise ValueError(f"a case's '{name}' is no text")
    return value


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"'{path}' is damaged ({error}): run the `lungsquad cohort build` that made it again, "
        "which keeps the cases that are whole."
    )
