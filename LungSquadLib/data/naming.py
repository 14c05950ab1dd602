"""What stands in a store for patients, CT series and images: hashes, by which they are compared."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from .. import __version__
from ..identity import pseudonym, without_names
from ..imaging.ct import CT
from ..imaging.geometry import Box
from .manifest import Row

_HASH = 16  # hexadecimal digits: among 10,000 CT two share them by chance once in 10^11 cohorts


@cache
def pseudonym_of(identity: str) -> str:
    """As `identity.pseudonym`, which takes a tenth of a second: once for each patient."""
    return pseudonym(identity)


def maker() -> str:
    """Version and identity key, of which hashes depend; the key itself is not told."""
    return f"{__version__} {pseudonym_of('')}"


def series_of(ct: CT) -> str:
    """A hash of the CT's Series Instance UID; "" where there is none."""
    series = ct.dicom.series_uid.encode() if ct.dicom else b""
    return hashlib.sha256(series).hexdigest()[:_HASH] if series else ""


def pixels_of(ct: CT) -> str:
    """What tells a CT from others whatever its outline: a hash of its middle slice, and its size.

    One slice, so that a large CT need not be read; noise makes no two alike.
    """
    x, y, z = ct.grid.size
    hu = as_int16(ct.hu(Box((0, 0, z // 2), (x, y, z // 2 + 1))))
    return hashlib.sha256(repr(ct.grid.size).encode() + hu.tobytes()).hexdigest()[:_HASH]


def hash_of(hu: np.ndarray) -> str:
    """Of HU as they are stored."""
    return hashlib.sha256(hu.tobytes()).hexdigest()[:_HASH]


def as_int16(hu: np.ndarray) -> np.ndarray:
    """HU as they are stored."""
    if hu.dtype.kind == "f":
        limits = np.iinfo(np.int16)
        hu = np.clip(np.rint(hu), limits.min, limits.max)
    return np.ascontiguousarray(hu, "<i2")


def nameless(sentence: str, row: Row) -> str:
    """Why a case of a manifest failed, without names."""
    places = {"MASK": row.mask, "CT": row.ct}
    if row.profile is not None:
        places["PROFILE"] = row.profile
    for word in places:
        if sentence == row.absent(word.lower()):
            return f"There is no file or folder '{word}'."
    return without_names(sentence, places)
