"""Standard output and error: only the output of the commands appears there."""

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
    """Silence the messages of libraries: the commands print sentences for what matters.

    ITK, GDCM and its decoders write past Python, to the file descriptor itself. It leads nowhere
    while they work, here and in processes that begin here; `sys.stderr` stays as it was.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    python_stderr, nowhere = sys.stderr, os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        if _descriptor(python_stderr) == 2:
            sys.stderr = os.fdopen(
                os.dup(kept), "w", buffering=1, encoding=python_stderr.encoding, errors="replace"
            )
        yield
    finally:
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def accept_any_text() -> None:
    """Print characters that the terminal's encoding lacks as question marks.

    If there is no standard error at all, discard what goes there.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def flush_output() -> None:
    """Write what was printed now, while a failure can still be reported."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Discard what cannot be written to standard output, so that Python does not try again."""
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
