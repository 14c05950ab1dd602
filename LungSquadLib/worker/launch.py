"""How the worker is started, and what is said when it ends unasked; for every kind of client."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from ..errors import WorkerError, one_line
from .protocol import VERSION, Message


def command(python: str | os.PathLike[str]) -> list[str]:
    """The program and arguments that start a worker in a Python."""
    return [os.fspath(python), "-m", "LungSquadLib.worker"]


def environment() -> dict[str, str]:
    """This process's environment, in which the worker finds this very library."""
    library = str(Path(__file__).parents[2])
    others = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([library, others] if others else [library])
    # Safe: a file `torch.py` in the folder where somebody works is not torch.
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def check_ready(message: Message) -> None:
    """Look at a worker's first message.

    Raises:
        WorkerError: it speaks another version of the protocol.
    """
    if message.get("type") != "ready" or message.get("protocol") != VERSION:
        raise WorkerError(
            f"The worker speaks another language ({one_line(message, most=100)}): its Python has "
            "another version of LungSquad. Update it, or choose another Python."
        )


def not_started(python: str | os.PathLike[str], why: str) -> WorkerError:
    """The error for a worker that never said it was ready."""
    return WorkerError(
        f"The worker could not be started with '{os.fspath(python)}' "
        f"({one_line(why) or 'it said nothing'}). Check that this is a Python of version 3.10 or "
        "newer that has numpy, SimpleITK, pydicom and torch."
    )


def died(code: int | None, last_words: str) -> WorkerError:
    """The error for a worker that ended in the middle of its work.

    Args:
        code: as `Popen.returncode`, None where nobody knows.
        last_words: the last line of its standard error.
    """
    words = f" It last said: {one_line(last_words)}" if last_words else ""
    return WorkerError(
        f"The worker died in the middle of the work ({_how(code)}), often because the memory ran "
        f"out. It starts again with the next request; close other programs first.{words}"
    )


def _how(code: int | None) -> str:
    if code is None:
        return "its output ended"
    if code >= 0:
        return f"exit code {code}" if code < 256 else f"exit code {code:#x}"  # Windows counts so
    return f"killed by {_SIGNALS.get(-code, f'signal {-code}')}"


_SIGNALS: Mapping[int, str] = {one.value: one.name for one in signal.Signals}
