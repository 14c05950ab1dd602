"""Patient identity stays in the input: outputs carry a hash of it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

KEY_VARIABLE = "LUNGSQUAD_IDENTITY_KEY"
_MOST_FILES = 20_000
_ROUNDS = 200_000  # so that trying all numbers of a hospital takes long


def pseudonym(identity: str) -> str:
    """A name for a patient that is the same every time and does not tell who it is.

    PBKDF2-HMAC-SHA256 of the identity. With a secret in `LUNGSQUAD_IDENTITY_KEY` nobody without it
    can test a guess; without one, a guess can be tested, slowly.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    digest = hashlib.pbkdf2_hmac("sha256", identity.encode(), b"LungSquad" + key, _ROUNDS)
    return "LS-" + digest.hex()[:16]


def without_names(sentence: str, places: dict[str, Path]) -> str:
    """An error's first line with words for paths and file names, which may name the patient.

    Args:
        sentence: as an error says it; it quotes paths as they were given, or resolved.
        places: what to call each file or folder that was read, "CT" say.
    """
    first, *more = sentence.split("\n")
    if more:
        first = first.rstrip(": ") + " (`lungsquad inspect` lists them)."
    for word, path in places.items():
        folder = path if path.is_dir() else path.parent
        for form in _forms(path):
            first = first.replace(
                f"'{form}'", f"'{word}'"
            )  # quoted, for a path may be a single letter
        for form in _forms(folder):
            first = first.replace(f"'{form}{os.sep}", f"'{word}{os.sep}")
        for name in _names(folder) if path.exists() else ():
            place = f"(?<=['(])({re.escape(word + os.sep)})?{re.escape(name)}(?=[',:])"
            first = re.sub(place, f"a file of {word}", first)
    return first


def _forms(path: Path) -> list[str]:
    return list(dict.fromkeys((str(path.absolute()), os.path.realpath(path), str(path))))


def _names(folder: Path) -> list[str]:
    """Names of the files and folders in a folder, with and without the way to them."""
    names: set[str] = set()
    for number, inside in enumerate(folder.rglob("*")):
        if number == _MOST_FILES:
            break
        names |= {str(inside.relative_to(folder)), inside.name}
    return sorted(names, key=len, reverse=True)
