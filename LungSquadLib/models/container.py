"""The safetensors container: its header is read without trusting the file.

Layout (github.com/huggingface/safetensors): 8 bytes little-endian header length, that many bytes
of JSON, then the tensors' bytes, one after another without gaps.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from ..fields import parsed_json, printable

CARD = "lungsquad-card"  # the metadata entry that makes a safetensors file a LungSquad model
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
    """A tensor: "F32" or "F64", its shape, and its byte range, counted from the first tensor."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """A file's header, checked against the file's size."""

    card: str
    tensors: dict[str, TensorEntry]
    size: int


def open_regular(path: Path) -> BufferedReader:
    """Open a model file for reading; `ValueError` if it does not exist or is no regular file."""
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


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], card: str) -> None:
    """Write contiguous float32 and float64 arrays by name; the same arrays make the same bytes.

    Raises:
        MissingPackageError: safetensors is not installed.
        OSError: the file cannot be written.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import save_file
    except ImportError as error:
        raise MissingPackageError("safetensors", "Writing a model", "networks") from error
    try:
        save_file(dict(arrays), path, metadata={CARD: card})  # of several entries the order varies
    except SafetensorError as error:
        raise OSError(errno.EIO, f"could not be written ({error})", str(path)) from error


def read_header(file: BufferedReader) -> Header:
    """Read and check the header; the file is then at the first tensor's first byte.

    Raises:
        ValueError: a clause that says what is wrong.
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
    card = _card(table.pop("__metadata__", {}))
    tensors = _entries(table)
    _without_gaps(tensors, size - 8 - length)
    return Header(card, tensors, size)


def _card(metadata: Any) -> str:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its '__metadata__' is not an object of texts")
    if CARD not in metadata:
        raise ValueError(
            f"it is a safetensors file, but not a LungSquad model: its header has no '{CARD}'"
        )
    card: str = metadata[CARD]
    return card


def _entries(table: dict[str, Any]) -> dict[str, TensorEntry]:
    if len(table) > MAX_TENSORS:
        raise ValueError(f"it has more than {MAX_TENSORS} tensors")
    return {name: _entry(name, value) for name, value in table.items()}


def _entry(name: str, value: Any) -> TensorEntry:
    what = f"its tensor {printable(name, most=80)}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise ValueError(f"{what} has the type {printable(dtype)}; known are F32 and F64")
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
            raise ValueError(f"its tensor {printable(name, most=80)} {what}")
        end = entry.stop
    if end > available:
        raise ValueError(
            f"it is cut short: its tensors need {end} bytes and there are {available}; "
            "copy or download it again"
        )
    if end < available:
        raise ValueError(f"it has {available - end} bytes after its last tensor")
