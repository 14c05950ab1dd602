"""What the tests of hostile files share."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tracemalloc
from pathlib import Path

import pytest

from LungSquadLib.errors import ModelError

MEMORY = 32 << 20  # no small file may make a reader take more than this


class Bomb:
    """Unpickling one leaves a folder behind."""

    def __reduce__(self):
        return (os.mkdir, ("was-executed",))


def outcome(read, path) -> str | None:
    """The sentence with which a file is refused; None if it is read. Nothing else may happen."""
    tracemalloc.start()
    try:
        read(path)
        text = None
    except ModelError as error:
        text = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY
    assert text is None or (text.isprintable() and text.endswith(".") and len(text) < 1000)
    return text


def refusal(read, path) -> str:
    """The sentence with which a file that must not be read is refused."""
    text = outcome(read, path)
    if text is None:
        pytest.fail(f"'{path}' was read")
    return text


def contents(folder: Path) -> dict[str, object]:
    """Everything in a folder with its content, so that any change to it is seen."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        kind = stat.S_IFMT(path.lstat().st_mode)
        found[str(path.relative_to(folder))] = (
            hashlib.sha256(path.read_bytes()).hexdigest()
            if kind == stat.S_IFREG and os.access(path, os.R_OK)
            else kind
        )
    return found


def sentences(said: str) -> str:
    """What was said on standard error but for how far the work is, which a slow machine says."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r" *[0-9]+% ", line))


def table(rows: dict):
    """A row each, under its name."""
    names = [name.replace(" ", "-") for name in rows]
    return pytest.mark.parametrize("row", rows.values(), ids=names)
