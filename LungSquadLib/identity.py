"""Pseudonyms of patients, and error messages without names of patients and files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

KEY_VARIABLE = "LUNGSQUAD_IDENTITY_KEY"
_ROUNDS = 200_000  # so that trying all numbers of a hospital takes long


def pseudonym(identity: str) -> str:
    """Return the pseudonym of a patient: the same every time, and not the identity.

    PBKDF2-HMAC-SHA256 of the identity. With a secret in `LUNGSQUAD_IDENTITY_KEY` nobody without it
    can test a guess; without one, a guess can be tested, slowly.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    digest = hashlib.pbkdf2_hmac("sha256", identity.encode(), b"LungSquad" + key, _ROUNDS)
    return "LS-" + digest.hex()[:16]


def pseudonyms(identities: Iterable[str]) -> dict[str, str]:
    """The pseudonym of each identity; a tenth of a second for each that a processor makes."""
    wanted = sorted(set(identities))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip(wanted, threads.map(pseudonym, wanted), strict=True))


def without_names(sentence: str, paths: dict[str, Path]) -> str:
    """Return an error's first line without paths and file names, which may name the patient.

    Args:
        sentence: the message; it quotes paths as they were given, or resolved.
        paths: the name of each file or folder that was read ("CT"), and its path.
    """
    first, *more = sentence.split("\n")
    if more:
        first = first.rstrip(": ") + " (`lungsquad inspect` lists them)."
    hidden = {form: word for word, path in paths.items() for form in _forms(path)}
    for word, path in paths.items():
        folder = path if path.is_dir() else path.parent
        for name in _names(folder) if path.exists() else ():
            if name in first:
                hidden |= dict.fromkeys((name, *_forms(folder / name)), f"a file of {word}")
    for name in sorted(hidden, key=len, reverse=True):
        # A short name is hidden only where it is quoted, for it may be a word of the sentence.
        before = "" if Path(name).is_absolute() else "(?<=['(])"
        first = re.sub(f"{before}{re.escape(name)}(?![\\w./\\\\-]*[\\w-])", hidden[name], first)
    for word, path in paths.items():  # and what is not there any more
        for form in _forms(path if path.is_dir() else path.parent):
            if Path(form).is_absolute():
                first = re.sub(f"{re.escape(form + os.sep)}[^']*", f"a file of {word}", first)
    return first


def _forms(path: Path) -> list[str]:
    return list(dict.fromkeys((str(path.absolute()), os.path.realpath(path), str(path))))


def _names(folder: Path) -> Iterator[str]:
    """Names of the files and folders in a folder, with and without the way to them."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield name
            yield os.path.relpath(os.path.join(path, name), folder)  # noqa: PTH118
