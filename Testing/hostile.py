"""What the tests of hostile files share."""

from __future__ import annotations

import os
import tracemalloc

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
