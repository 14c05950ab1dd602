"""The safetensors container: where in a file which tensor lies, found without trusting the file.

Layout (github.com/huggingface/safetensors): 8 bytes little-endian header length, that many bytes
of JSON, then the tensors' bytes, one after another without gaps.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ..fields import parsed_json, shown

FORMAT = "lungsquad-model"
MAX_HEADER = 1 << 20
MAX_TENSORS = 1000
ITEM_SIZES = {"F64": 8, "F32": 4}

_PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy"}
_SIGNATURES = {
    b"PK\x03\x04": "it is a zip archive, as torch.save writes them; such a file can carry code and "
    "is never loaded",
    b"\x80": "it is a Python pickle; such a file can carry code and is never loaded",
    b"\x89HDF": "it is an HDF5 file; import Keras weights with  lungsquad models import-keras",
}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: "F32" or "F64", its shape, and its bytes counted from the first tensor's."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """What a file's header says, checked against the file's size."""

    metadata: dict[str, str]
    tensors: dict[str, TensorEntry]
    size: int


def open_regular(path: Path) -> BufferedReader:
    """Open a model file for reading; `ValueError` where there is none or it is something else."""
    if path.suffix.lower() in _PICKLES:
        raise ValueError(
            f"files ending in '{path.suffix}' can carry code and are never loaded; a LungSquad "
            "model ends in '.safetensors'"
        )
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    if stat.S_ISDIR(mode):
        raise ValueError("it is a folder; name the '.safetensors' file itself")
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a regular file")
    return path.open("rb")


def write_container(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write float32 and float64 arrays by name; the same arrays make the same bytes.

    The library of the format's authors does not: it orders the metadata at random.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    ready = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    start = 0
    for name, array in ready.items():
        header[name] = {
            "dtype": f"F{8 * array.itemsize}",
            "shape": list(array.shape),
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ready.values():
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def read_header(file: BufferedReader) -> Header:
    """Read and check the header; the file is then at its first tensor's first byte.

    Raises:
        ValueError: half a sentence that says what is wrong.
    """
    size = os.fstat(file.fileno()).st_size
    first = file.read(8)
    if not first:
        raise ValueError("it is empty")
    for signature, what in _SIGNATURES.items():
        length = int.from_bytes(first, "little")
        if first.startswith(signature) and not 2 <= length <= MAX_HEADER:
            raise ValueError(what)
    if len(first) < 8:
        raise ValueError("it is too short to be a safetensors file")
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER:
        raise ValueError(
            f"it is not a safetensors file, or its header is longer than {MAX_HEADER} bytes"
        )
    if 8 + length > size:
        raise ValueError("it is not a safetensors file, or it is cut short in its header")
    try:
        text = file.read(length).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("its header is not UTF-8 text, so it is not a safetensors file") from None
    table = parsed_json(text)
    if not isinstance(table, dict):
        raise ValueError("its header is not a JSON object, so it is not a safetensors file")
    metadata = _metadata(table.pop("__metadata__", {}))
    tensors = _entries(table)
    _without_gaps(tensors, size - 8 - length)
    return Header(metadata, tensors, size)


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("its '__metadata__' is not an object of texts")
    if value.get("format") != FORMAT:
        raise ValueError(
            "it is a safetensors file, but not a LungSquad model (its header says the format "
            f"{shown(value.get('format'))}, not '{FORMAT}')"
        )
    return value


def _entries(table: dict[str, Any]) -> dict[str, TensorEntry]:
    if len(table) > MAX_TENSORS:
        raise ValueError(f"it has more than {MAX_TENSORS} tensors")
    return {name: _entry(name, value) for name, value in table.items()}


def _entry(name: str, value: Any) -> TensorEntry:
    what = f"its tensor {shown(name, most=80)}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise ValueError(f"{what} has the type {shown(dtype)}; known are F32 and F64")
    if not _counts(shape) or len(shape) > 8:
        raise ValueError(f"{what} has no proper shape")
    if not _counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{what} has no proper data_offsets")
    start, stop = offsets
    if stop - start != math.prod(shape) * ITEM_SIZES[dtype]:
        raise ValueError(f"{what} has offsets that do not fit its shape")
    return TensorEntry(dtype, tuple(shape), start, stop)


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**40 for n in value
    )


def _without_gaps(tensors: dict[str, TensorEntry], available: int) -> None:
    """Refuse tensors that overlap, leave gaps, or reach beyond the file."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != end:
            what = "overlaps another" if entry.start < end else "leaves a gap before it"
            raise ValueError(f"its tensor {shown(name, most=80)} {what}")
        end = entry.stop
    if end > available:
        raise ValueError(
            f"it is cut short: its tensors need {end} bytes and there are {available}; "
            "copy or download it again"
        )
    if end < available:
        raise ValueError(f"it has {available - end} bytes after its last tensor")
