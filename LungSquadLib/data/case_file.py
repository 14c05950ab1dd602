"""The file of one case, an uncompressed .npz with a description, and hashes that identify a case.

`hu` (int16) and `mask` (uint8) are (z, y, x), `about` is JSON, the bytes of its UTF-8 text. The
file's bytes depend on nothing but the content: no time, no machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import InputError, parsing
from ..files import whole_file
from ..identity import pseudonym
from ..imaging.ct import CT
from ..imaging.geometry import Box

LARGEST_ABOUT = 1 << 22  # characters; flags and columns take a few thousand


@dataclass(frozen=True)
class Content:
    """HU, mask and description of a case."""

    hu: np.ndarray
    mask: np.ndarray
    about: dict[str, Any]


def write_content(path: Path, content: Content) -> str:
    """Write the file, whole or not at all; return its SHA-256."""
    file = io.BytesIO()
    text = json.dumps(content.about, ensure_ascii=False, allow_nan=False)
    about = np.frombuffer(text.encode(), np.uint8)
    np.savez(file, hu=content.hu, mask=content.mask, about=about)
    with whole_file(path) as temporary:
        temporary.write_bytes(file.getbuffer())
    return hashlib.sha256(file.getbuffer()).hexdigest()


def read_content(path: Path, sha256: str, side: int, *, slices: int | None = None) -> Content:
    """Read a case's file.

    Args:
        path: as `write_content` wrote it.
        sha256: what it must be; nothing is read from another file.
        side: voxels a side.
        slices: how many; `side` by default.

    Raises:
        InputError: the file is not the one that is wanted, or is malformed.
        OSError: it cannot be read.
    """
    count = side if slices is None else slices
    data = _bytes(path, side, count)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(
            f"'{path}' is damaged or was changed: its SHA-256 is not what the index says. Run the "
            "command that made it again."
        )
    return _parsed(path, data, side, range(count, count + 1))


def read_unknown(path: Path, side: int, *, most: int | None = None) -> tuple[Content, str]:
    """Read a file whose SHA-256 is not known yet; return content and SHA-256; see `read_content`.

    It has `side` slices or, where there is a `most`, 1 to so many.
    """
    counts = range(side, side + 1) if most is None else range(1, most + 1)
    data = _bytes(path, side, counts[-1])
    return _parsed(path, data, side, counts), hashlib.sha256(data).hexdigest()


def _bytes(path: Path, side: int, count: int) -> bytes:
    if path.stat().st_size > 3 * count * side**2 + 4 * LARGEST_ABOUT:
        raise InputError(f"'{path}' is larger than a case of {side} voxels a side can be.")
    return path.read_bytes()


def _parsed(path: Path, data: bytes, side: int, counts: range) -> Content:
    with parsing(path, "a case of a cohort"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("it is compressed")  # a small file could hold any amount
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            hu, mask, about = arrays["hu"], arrays["mask"], json.loads(arrays["about"].tobytes())
        if (hu.dtype, mask.dtype) != (np.int16, np.uint8) or hu.shape != mask.shape:
            raise ValueError("it does not hold HU and a mask")
        if hu.ndim != 3 or hu.shape[1:] != (side, side) or len(hu) not in counts:
            raise ValueError(f"it does not hold {side} voxels a side")
        if not isinstance(about, dict):
            raise ValueError("it is not described")
    return Content(hu, mask, about)


_HASH = 16  # hexadecimal digits: among 10,000 CT two share them by chance once in 10^11 cohorts


@cache
def pseudonym_of(identity: str) -> str:
    """As `identity.pseudonym`, which takes a tenth of a second: once for each patient."""
    return pseudonym(identity)


def maker() -> str:
    """Return version and pseudonym of the identity key, on which hashes depend; not the key."""
    return f"{__version__} {pseudonym_of('')}"


def series_of(ct: CT) -> str:
    """Return a hash of the CT's Series Instance UID; "" where there is none."""
    series = ct.dicom.series_uid.encode() if ct.dicom else b""
    return hashlib.sha256(series).hexdigest()[:_HASH] if series else ""


def pixels_of(ct: CT) -> str:
    """Return a hash that identifies a CT whatever its mask: of its middle slice and its size.

    One slice, so that a large CT need not be read; noise makes no two alike.
    """
    x, y, z = ct.grid.size
    hu = as_int16(ct.hu(Box((0, 0, z // 2), (x, y, z // 2 + 1))))
    return hashlib.sha256(repr(ct.grid.size).encode() + hu.tobytes()).hexdigest()[:_HASH]


def hash_of(hu: np.ndarray) -> str:
    """Return a hash of stored HU."""
    return hashlib.sha256(hu.tobytes()).hexdigest()[:_HASH]


def as_int16(hu: np.ndarray) -> np.ndarray:
    """Return HU in the type in which they are stored."""
    if hu.dtype.kind == "f":
        limits = np.iinfo(np.int16)
        hu = np.clip(np.rint(hu), limits.min, limits.max)
    return np.ascontiguousarray(hu, "<i2")
