"""Start of the worker, and the errors of one that does not start or dies; for all clients."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from ..errors import WorkerError, one_line
from .protocol import VERSION, Message


def command(python: str | os.PathLike[str]) -> list[str]:
    """Return the program and arguments that start a worker with a Python interpreter."""
    return [os.fspath(python), "-m", "LungSquadLib.worker"]


def environment() -> dict[str, str]:
    """Return this process's environment, in which the worker imports this same library."""
    library = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([library, inherited] if inherited else [library])
    # Safe: a file `torch.py` in the current folder is not imported.
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def check_ready(message: Message) -> None:
    """Check a worker's first message.

    Raises:
        WorkerError: it is of another version of the protocol.
    """
    if message.get("type") != "ready" or message.get("protocol") != VERSION:
        raise WorkerError(
            f"The worker's Python has another version of LungSquad: its first message was "
            f"{one_line(message, most=100)}. Update LungSquad there, or choose another Python."
        )


def not_started(python: str | os.PathLike[str], why: str) -> WorkerError:
    """Return the error of a worker that was never ready."""
    return WorkerError(
        f"The worker could not be started with '{os.fspath(python)}' "
        f"({one_line(why) or 'without a message'}). Check that this is a Python of version 3.10 or "
        "newer that has numpy, SimpleITK, pydicom and torch."
    )


def ended(
    code: int | None, last_line: str, python: str | os.PathLike[str], *, ready: bool
) -> WorkerError:
    """Return the error of a worker that ended by itself; see `not_started` and `died`."""
    if ready:
        return died(code, last_line)
    return not_started(python, last_line or _cause(code))


def died(code: int | None, last_line: str) -> WorkerError:
    """Return the error of a worker that ended during its work.

    Args:
        code: as `Popen.returncode`, None where it is unknown; 128 + n of a launcher, as Slicer's
            Python is one, stands for the signal n of the worker behind it.
        last_line: of its standard error.
    """
    last = f" Its last message: {one_line(last_line)}" if last_line else ""
    return WorkerError(
        f"The worker ended during the work ({_cause(code)}), often because the memory ran out. "
        f"Close other programs and try again: the worker starts again.{last}"
    )


def _cause(code: int | None) -> str:
    if code is None:
        return "its output ended"
    if os.name != "nt" and code - 128 in _SIGNALS:
        code = 128 - code
    if code >= 0:
        return f"exit code {code}" if code < 256 else f"exit code {code:#x}"  # as Windows writes it
    return f"killed by {_SIGNALS.get(-code, f'signal {-code}')}"


_SIGNALS: Mapping[int, str] = {each.value: each.name for each in signal.Signals}
