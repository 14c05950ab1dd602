"""Standard output and error: nothing on them but what the commands say."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence the chatter of libraries: what matters is said in our own sentences.

    ITK, GDCM and its decoders write past Python, to the file descriptor itself: it leads nowhere
    while they work, here and in processes that begin here; `sys.stderr` goes on as it was.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    python_own, nowhere = sys.stderr, os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        if _descriptor(python_own) == 2:
            sys.stderr = os.fdopen(
                os.dup(kept), "w", buffering=1, encoding=python_own.encoding, errors="replace"
            )
        yield
    finally:
        if sys.stderr is not python_own:
            sys.stderr.close()
            sys.stderr = python_own
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def accept_any_text() -> None:
    """Let a name that the terminal's encoding lacks be printed with question marks.

    And where there is no standard error at all, let what goes there go nowhere.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def flush_output() -> None:
    """Have what was printed written now, while there is somebody to say that it failed."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Let what cannot be written to standard output go, so that Python does not try again."""
    try:
        flush_output()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
