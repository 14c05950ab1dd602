"""The figures in a folder of results, by name, and how those of two folders compare.

A figure is a number, an array of them, or a word: a text without blanks, such as a class, a stage
or a hash. Sentences, paths, pages and plots are no figures. Its name is the file's, then the keys
that lead to it.
"""

from __future__ import annotations

import csv
import json
import math
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk

from .renames import NAMES, common_name, is_result

Figure = np.ndarray | str  # numbers of any shape; or a word
NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}
NUMBERS |= {"I16": "<i2", "I8": "<i1", "U8": "<u1", "BOOL": "?"}
PRINTED = "printed.json"
NUMERIC_VR = ("DS", "IS", "FD", "FL", "US", "UL", "SS", "SL")


def json_figures(value: Any, name: str) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of parsed JSON; a list of numbers is one array, null is not a number."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from json_figures(part, f"{name}/{str(key).replace('/', ':')}")
    elif isinstance(value, list) and any(isinstance(part, (list, dict, str)) for part in value):
        for index, part in enumerate(value):
            yield from json_figures(part, f"{name}/{index}")
    elif isinstance(value, str):
        yield from word_figures(value, name)
    else:
        yield name, np.array(value, float)


def word_figures(text: str, name: str) -> Iterator[tuple[str, Figure]]:
    """Yield a text if it is a word."""
    if text and not any(letter.isspace() or letter == "/" for letter in text):
        yield name, NAMES.get(text, text)


def read_json(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of a JSON file; none of what a command printed without --json."""
    text = path.read_text(encoding="utf-8")
    if path.name != PRINTED or text[:1] in ("{", "["):
        yield from json_figures(json.loads(text), "")


def read_csv(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the columns of a table: numbers where all cells are numbers or empty, else words."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    for index, column in enumerate(rows[0] if rows else ()):
        cells = [row[index] if index < len(row) else "" for row in rows[1:]]
        name = "/" + (column.replace("/", ":") or str(index))
        try:
            yield name, np.array([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            for row, cell in enumerate(cells):
                yield from word_figures(cell, f"{name}/{row}")


def read_arrays(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the arrays of .npz or .npy; bytes that hold JSON as its figures."""
    loaded = np.load(path, allow_pickle=False)
    for name, array in {"": loaded}.items() if path.suffix == ".npy" else loaded.items():
        text = array.tobytes() if array.dtype == np.uint8 and array.ndim == 1 else b""
        if text[:1] == b"{":
            yield from json_figures(json.loads(text), f"/{name}")
        elif array.dtype.kind in "US":
            yield from json_figures(array.tolist(), f"/{name}")
        else:
            yield f"/{name}", array


def read_volume(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the voxels of a volume file and where they lie."""
    image = sitk.ReadImage(str(path))
    yield "/voxels", sitk.GetArrayFromImage(image)
    yield "/spacing", np.array(image.GetSpacing())
    yield "/origin", np.array(image.GetOrigin())
    yield "/direction", np.array(image.GetDirection())


def read_tensors(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the tensors of a safetensors file, and what its metadata says in JSON."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    for key, text in header.pop("__metadata__", {}).items():
        value = json.loads(text) if text[:1] in ("{", "[") else text
        yield from json_figures(value, f"/metadata/{key}")
    for name, tensor in header.items():
        start, end = (8 + length + offset for offset in tensor["data_offsets"])
        numbers = np.frombuffer(content[start:end], NUMBERS[tensor["dtype"]])
        yield f"/{name}", numbers.reshape(tensor["shape"])


def read_dicom(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the numbers of a DICOM object in the order of its elements, and its pixels' bytes."""
    seen: Counter[str] = Counter()
    for element in pydicom.dcmread(path).iterall():
        if element.VR in NUMERIC_VR and element.value not in (None, ""):
            seen[element.keyword] += 1
            number = f"/{element.keyword}/{seen[element.keyword]}"
            yield number, np.array(element.value, float)
        elif element.keyword == "PixelData":
            yield "/PixelData", np.frombuffer(element.value, np.uint8)


def read_film(path: Path) -> Iterator[tuple[str, Figure]]:
    """Yield the pixels of each frame of an animated PNG, filtered as they are stored."""
    content, at, frames = path.read_bytes(), 8, []
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        data = content[at + 8 : at + 8 + length]
        if kind == b"fcTL":
            frames.append(b"")
        elif kind in (b"IDAT", b"fdAT") and frames:
            frames[-1] += data[4:] if kind == b"fdAT" else data
        at += length + 12
    for index, frame in enumerate(frames):
        yield f"/frame/{index}", np.frombuffer(zlib.decompress(frame), np.uint8)


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Figure]]]] = {
    ".json": read_json,
    ".csv": read_csv,
    ".npz": read_arrays,
    ".npy": read_arrays,
    ".nrrd": read_volume,
    ".mha": read_volume,
    ".gz": read_volume,
    ".safetensors": read_tensors,
    ".dcm": read_dicom,
    ".png": read_film,
}


def figures_in(folder: Path) -> dict[str, Figure]:
    """Return every figure under a folder by its name, in the newer checkout's words."""
    figures = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in READERS):
        file = path.relative_to(folder).as_posix()
        for name, figure in file_figures(path):
            common = common_name(f"{file}{name}")
            if is_result(common):
                figures[common] = figure
    return figures


def file_figures(path: Path) -> list[tuple[str, Figure]]:
    """Return the figures of a file; of a broken file, that it is one."""
    try:
        return list(READERS[path.suffix](path))
    except (ValueError, KeyError, OSError, RuntimeError, struct.error, zlib.error) as error:
        return [("/unreadable", type(error).__name__)]


@dataclass
class Comparison:
    """How the figures of one job compare.

    Attributes:
        compared: single numbers and words that both sides have.
        differing: how far apart each differing figure is; infinite for words, shapes and NaN.
        only_old: names that the new side lacks.
        only_new: names that the old side lacks.
        renames: pairs of words that name the same value in figures of one side only, with how many.
    """

    compared: int = 0
    differing: dict[str, float] = field(default_factory=dict)
    only_old: list[str] = field(default_factory=list)
    only_new: list[str] = field(default_factory=list)
    renames: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def largest(self) -> float:
        """The largest absolute difference of numbers; infinite where only others differ."""
        finite = [apart for apart in self.differing.values() if not math.isinf(apart)]
        return max(finite, default=math.inf if self.differing else 0.0)


def difference(old: Figure, new: Figure) -> float:
    """Return the largest absolute difference; infinite where figures cannot be subtracted."""
    if isinstance(old, str) or isinstance(new, str):
        return 0.0 if isinstance(old, str) and isinstance(new, str) and old == new else math.inf
    if old.shape != new.shape:
        return math.inf
    equal = (old == new) | ((old != old) & (new != new))
    if equal.all():
        return 0.0
    apart = np.abs(old[~equal].astype(float) - new[~equal].astype(float))
    return math.inf if np.isnan(apart).any() else float(apart.max())


def compare(old: dict[str, Figure], new: dict[str, Figure]) -> Comparison:
    """Compare the figures that two sides have under the same names."""
    result = Comparison()
    for name in old.keys() & new.keys():
        result.compared += 1 if isinstance(old[name], str) else old[name].size
        if apart := difference(old[name], new[name]):
            result.differing[name] = apart
    result.only_old = sorted(old.keys() - new.keys())
    result.only_new = sorted(new.keys() - old.keys())
    result.renames = likely_renames(old, new, result)
    return result


def likely_renames(
    old: dict[str, Figure], new: dict[str, Figure], result: Comparison
) -> Counter[tuple[str, str]]:
    """Count pairs of words by which alone the names of two equal figures differ."""

    def places(names: list[str], figures: dict[str, Figure]) -> Iterator[tuple[tuple, str]]:
        for name in names:
            value, parts = figures[name], name.split("/")
            content = value if isinstance(value, str) else value.tobytes()
            for index, part in enumerate(parts):
                yield (*parts[:index], None, *parts[index + 1 :], content), part

    there = dict(places(result.only_new, new))
    return Counter(
        (part, there[place]) for place, part in places(result.only_old, old) if place in there
    )
