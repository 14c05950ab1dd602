"""Parts of a cohort, built one by one on several machines and merged into its store.

Part 3 of 8 has the rows 3, 11, 19 and so on of the manifest. It is a store of its own, whose
`store.json` says which part it is; merged, the parts have the bytes of a store that was built at
once.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from .. import __version__
from ..errors import InputError, one_line, parsing
from ..fields import Fields, parsed_json
from ..files import sha256_of_file, whole_file
from ..progress import Progress, Silent, step
from .case_loop import ERRORS
from .store import STORE, Preprocessing, StoredCase, open_store

T = TypeVar("T")

MOST_PARTS = 10_000
_FORM = re.compile(r"(\d{1,5})/(\d{1,5})")


@dataclass(frozen=True)
class Part:
    """Part `number` of `parts`, numbered from 1."""

    number: int
    parts: int

    def of(self, rows: Sequence[T]) -> Sequence[T]:
        """Return every `parts`-th row."""
        return rows[self.number - 1 :: self.parts]

    def __str__(self) -> str:
        return f"part {self.number} of {self.parts}"


def parse_part(text: str) -> Part:
    """Return the part that a text names: "3/8".

    Raises:
        InputError: it is not of this form, or there is no such part.
    """
    match = _FORM.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST_PARTS:
        raise InputError(
            f"--part must be I/N, such as 3/8, with I from 1 to N and N at most {MOST_PARTS}; not "
            f"'{one_line(text, most=40)}'."
        )
    return Part(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class BuiltPart:
    """What `store.json` says of a part.

    Attributes:
        part: which it is.
        manifest: slow hash of all rows of the manifest, which must be the same for all parts.
        version: of LungSquad, that wrote it.
    """

    part: Part
    manifest: str
    version: str = __version__

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self.part), "manifest": self.manifest}


def read_part(folder: Path) -> BuiltPart | None:
    """Return which part a store is, or None if it is whole.

    Raises:
        InputError: the store's description is damaged.
    """
    path = folder / STORE
    with parsing(path, "a store of a cohort"):
        about = Fields(parsed_json(path.read_text(encoding="utf-8")), "it")
        if not about.has("part"):
            return None
        version = about.text("lungsquad")
        fields = about.child("part")
        number, parts = (fields.integer(name, 1, MOST_PARTS) for name in ("number", "parts"))
        built = BuiltPart(Part(number, parts), fields.text("manifest", most=100), version)
        fields.end()
    return built


@dataclass(frozen=True)
class PartStore:
    """The store of a part.

    Attributes:
        cases: number of each case's row in the manifest, with the case.
        failed: rows of `errors.csv`.
    """

    folder: Path
    preprocessing: Preprocessing
    about: BuiltPart
    cases: Mapping[int, StoredCase]
    failed: Sequence[Mapping[str, str]]


def read_parts(folders: Sequence[str | os.PathLike[str]]) -> list[PartStore]:
    """Return the parts of one cohort, in the order of their numbers.

    Raises:
        InputError: one is no part, is not finished, or is of another manifest, preprocessing or
            version; or one is missing or there twice.
    """
    stores = sorted((_read(Path(folder)) for folder in folders), key=lambda s: s.about.part.number)
    first = stores[0]
    for store in stores[1:]:
        for what, same in (
            ("preprocessing", store.preprocessing == first.preprocessing),
            ("manifest", store.about.manifest == first.about.manifest),
            ("number of parts", store.about.part.parts == first.about.part.parts),
        ):
            if not same:
                raise InputError(
                    f"'{store.folder}' and '{first.folder}' are parts with another {what}, so they "
                    "do not belong together."
                )
    numbers = [store.about.part.number for store in stores]
    for number in range(1, first.about.part.parts + 1):
        if numbers.count(number) != 1:
            many = "missing" if number not in numbers else "given more than once"
            raise InputError(f"Part {number} of {first.about.part.parts} is {many}.")
    return stores


def _read(folder: Path) -> PartStore:
    store = open_store(folder)
    about = read_part(folder)
    if about is None:
        raise InputError(
            f"'{folder}' is a whole store and no part: parts are built by `lungsquad cohort build "
            "--part I/N`."
        )
    if about.version != __version__:
        raise InputError(
            f"'{folder}' was built by LungSquad {about.version}, and this one is {__version__}: "
            "build and merge all parts with one version."
        )
    with parsing(folder / ERRORS, "a table of errors"):
        with (folder / ERRORS).open(encoding="utf-8", newline="") as file:
            failed = list(csv.DictReader(file))
        of_failed = {int(row["row"]) for row in failed}
    numbers = [
        number
        for number in range(about.part.number, store.rows * about.part.parts + 1, about.part.parts)
        if number not in of_failed
    ]
    if len(numbers) != len(store.cases):
        raise InputError(
            f"'{folder}' is not finished: it has {len(store.cases)} of {len(numbers)} cases. Run "
            "its `lungsquad cohort build` again."
        )
    cases = dict(zip(numbers, store.cases, strict=True))
    return PartStore(folder, store.preprocessing, about, cases, failed)


def copy_cases(
    stores: Sequence[PartStore], target: Path, *, progress: Progress | None = None
) -> None:
    """Copy the files of the cases into a store; those that are there already are kept.

    Raises:
        InputError: a file is damaged or missing.
        CancelledError: `progress` said so.
    """
    pairs = list(_pairs(stores))
    for number, (folder, case) in enumerate(pairs):
        step(progress or Silent(), number / len(pairs), f"{number} of {len(pairs)} cases")
        path = target / case.file
        if path.is_file() and sha256_of_file(path) == case.sha256:
            continue
        with whole_file(path) as temporary:
            shutil.copyfile(folder / case.file, temporary)
            if sha256_of_file(temporary) != case.sha256:
                raise InputError(
                    f"'{folder / case.file}' is damaged: run its `lungsquad cohort build` again."
                )


def _pairs(stores: Sequence[PartStore]) -> Iterator[tuple[Path, StoredCase]]:
    for store in stores:
        for case in store.cases.values():
            yield store.folder, case
