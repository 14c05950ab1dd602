"""A set of slices: the axial slices with tumour of many patients, for networks that make images.

`slices.json` says what was done and lists the cases, `cases/NAME.npz` holds the slices of one each.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import __version__
from ..errors import InputError
from ..fields import Fields, parsed_json
from ..files import write_json
from ..imaging.pictures import WINDOWS
from ..imaging.slices import Context
from ..options import check, option
from .case_file import read_content
from .store import StoredCase, check_cases, refuse_newer

SLICES = "slices.json"
FORMAT_VERSION = 2
MOST_SLICES = 2048  # of a case: more than a CT has

_SMALLEST, _LARGEST = 4, 512  # pixels along each side
_FIELDS_MM = {"tumour": 64.0, "slice": 400.0}
_MOST_CASES, _LARGEST_JSON = 1_000_000, 1 << 30


@dataclass(frozen=True)
class Slicing:
    """How the slices of a set were cut; `hash` names it."""

    resolution: int = option(
        64,
        low=_SMALLEST,
        high=_LARGEST,
        unit="pixels",
        help="length of each side, a power of two",
    )
    context: Context = option(
        "tumour",
        help="tumour: 64 mm around the tumour, with slices 1 mm apart; slice: 400 mm, the whole "
        "chest, with the slices of the CT; --field changes the size",
    )
    window: str = option(
        "lung", choices=tuple(WINDOWS), help="HU window of the networks; the slices keep all HU"
    )
    field: float | None = option(
        None, low=8, high=1000, unit="mm", help="length of each side, by default the context's"
    )
    largest_padding: float = option(
        1.0,
        low=0,
        high=1,
        metavar="FRACTION",
        help="leave out slices of which a greater fraction lies beyond the CT or is -1024 HU as "
        "there; 0 keeps slices without any, 1 all",
    )

    native: bool = option(
        False,
        help="keep the CT's own pixels and slices, of whatever size, and the outline as it was "
        "drawn; for segmentation: generators need pixels of one size",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.native and self.field is not None:
            raise InputError("--native keeps the CT's own pixels, so --field cannot be given.")
        if self.resolution & (self.resolution - 1):
            raise InputError(f"--resolution must be a power of two, not {self.resolution}.")

    @property
    def field_mm(self) -> float:
        """Millimetres a side."""
        return _FIELDS_MM[self.context] if self.field is None else self.field

    @property
    def pixel_mm(self) -> float:
        """Millimetres between pixels; `InputError` where each CT keeps its own."""
        if self.native:
            raise InputError(
                "These slices have their CTs' own pixels, and this needs slices with pixels of one "
                "size: make them without --native (`lungsquad gan data`)."
            )
        return self.field_mm / self.resolution

    @property
    def hu_low(self) -> float:
        """The lowest HU that networks tell from others."""
        centre, width = WINDOWS[self.window]
        return centre - width / 2

    @property
    def hu_high(self) -> float:
        """The highest."""
        centre, width = WINDOWS[self.window]
        return centre + width / 2

    @property
    def hash(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.described()).encode()).hexdigest()[:16]

    def described(self) -> dict[str, Any]:
        """Return the options; those that came later only where they are set.

        So sets of before have the hash that they had.
        """
        options = asdict(self)
        for name in ("field", "largest_padding", "native"):
            if options[name] == type(self).__dataclass_fields__[name].default:
                del options[name]
        return options

    def __str__(self) -> str:
        padding = (
            "" if self.largest_padding == 1 else f", padding at most {self.largest_padding:.0%}"
        )
        size = "the CT's own size" if self.native else f"{self.pixel_mm:g} mm"
        return (
            f"{self.resolution} x {self.resolution} pixels of {size} "
            f"(context {self.context}, window {self.window}{padding})"
        )


@dataclass(frozen=True)
class SliceCase(StoredCase):
    """A case of a set: that of a store, with its slices.

    Attributes:
        count: slices.
        left_out: slices with too little tumour, which it does not have.
        padded: slices with too much padding, likewise.
        pixel_mm: between pixels, where the set keeps those of the CT.
    """

    count: int
    left_out: int
    padded: int = 0
    pixel_mm: float | None = None

    @classmethod
    def of(cls, fields: Fields) -> SliceCase:
        """The case that `to_dict` described; `ValueError` for anything else."""
        count = fields.integer("count", 1, MOST_SLICES)
        left_out = fields.integer("left_out", 0, MOST_SLICES)
        padded = fields.integer("padded", 0, MOST_SLICES) if fields.has("padded") else 0
        pixel_mm = fields.number("pixel_mm", 0.01, 100) if fields.has("pixel_mm") else None
        case = StoredCase.of(fields)
        values = {name: getattr(case, name) for name in StoredCase.__dataclass_fields__}
        return cls(**values, count=count, left_out=left_out, padded=padded, pixel_mm=pixel_mm)


@dataclass(frozen=True)
class SliceSet:
    """A set of slices, to read from; `rows` is how many cases it was made of."""

    folder: Path
    slicing: Slicing
    cases: tuple[SliceCase, ...]
    rows: int

    def pixel_mm(self, case: SliceCase) -> float:
        """Millimetres between a case's pixels."""
        return self.slicing.pixel_mm if case.pixel_mm is None else case.pixel_mm

    def content(self, case: SliceCase) -> tuple[np.ndarray, np.ndarray]:
        """The slices of a case, feet to head, as a reader sees them (patient's left on the right).

        Returns:
            HU, int16, and mask, uint8; both (n, resolution, resolution).

        Raises:
            InputError: the file is damaged, or is not the one that the index knows.
            OSError: it cannot be read.
        """
        side, path = self.slicing.resolution, self.folder / case.file
        content = read_content(path, case.sha256, side, slices=case.count)
        return content.hu, content.mask


def open_slices(folder: str | os.PathLike[str]) -> SliceSet:
    """Open a set of slices.

    Raises:
        InputError: there is none, it is not finished, a newer version wrote it, it is damaged.
        OSError: it cannot be read.
    """
    path = Path(folder)
    slices = read_index(path)
    if slices is None:
        raise InputError(f"'{path}' is no set of slices: make one with `lungsquad gan data`.")
    if not slices.cases:
        raise InputError(
            f"'{path}' is not finished or holds no slices: run the same `lungsquad gan data` again."
        )
    return slices


def read_index(folder: Path) -> SliceSet | None:
    """The set in a folder, without cases where it is not finished; None where there is none.

    Raises:
        InputError: a newer version wrote it, or its description is damaged.
    """
    path = folder / SLICES
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError("it is too large")
        return _parsed(folder, Fields(parsed_json(path.read_text(encoding="utf-8")), "it"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"'{path}' is damaged ({error}): run the `lungsquad gan data` that made it again, in "
            "another folder."
        ) from error


def _parsed(folder: Path, fields: Fields) -> SliceSet:
    version, wrote = fields.integer("format_version", 1, 1 << 30), fields.text("lungsquad")
    refuse_newer(folder, version, FORMAT_VERSION, wrote=wrote)
    given = fields.child("slicing")
    slicing = Slicing(
        given.integer("resolution", _SMALLEST, _LARGEST),
        cast(Context, given.text("context")),  # which is checked
        given.text("window"),
        given.number("field") if given.has("field") else None,
        given.number("largest_padding") if given.has("largest_padding") else 1.0,
        given.flag("native") if given.has("native") else False,
    )
    if fields.take("slicing_hash") != slicing.hash:
        raise ValueError("its slicing is not what its hash says")
    rows = fields.integer("rows", 0, _MOST_CASES)
    cases = fields.items("cases", SliceCase.of, most=_MOST_CASES)
    check_cases(cases)
    return SliceSet(folder, slicing, cases, rows)


def write_index(
    folder: Path, slicing: Slicing, cases: Sequence[SliceCase] = (), *, rows: int = 0
) -> None:
    """Write `slices.json`; without cases it describes a set that is not finished."""
    described: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "notice": "Research software, not a medical device.",
        "slicing": {
            **slicing.described(),
            **({} if slicing.native else _sizes(slicing)),
            "hu_low": slicing.hu_low,
            "hu_high": slicing.hu_high,
        },
        "slicing_hash": slicing.hash,
        "counts": counts(cases),
        "rows": rows,
        "cases": [case.to_dict() for case in cases],
    }
    write_json(folder / SLICES, described)


def _sizes(slicing: Slicing) -> dict[str, float]:
    return {"field_mm": slicing.field_mm, "pixel_mm": slicing.pixel_mm}


def counts(cases: Sequence[SliceCase]) -> dict[str, int]:
    """How much a set holds."""
    return {
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "slices": sum(case.count for case in cases),
        "left_out": sum(case.left_out for case in cases),
        "padded": sum(case.padded for case in cases),
    }
