"""Errors whose text is a sentence for the user: what is wrong, where, what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


class LungSquadError(Exception):
    """Base of every error that LungSquad raises on purpose.

    Only the outermost layer (command line, Slicer widget, worker) shows it; `exit_code` is what the
    command line then ends with.
    """

    exit_code = 2


class InputError(LungSquadError):
    """The input is missing, broken or contradicts itself."""


class ModelError(LungSquadError):
    """A model file or a model's answer cannot be used."""


class MissingPackageError(LungSquadError):
    """An optional package that this work needs is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed: "
            f"run  pip install 'lungsquad[{extra}]'."
        )


class NoMemoryError(LungSquadError):
    """The memory of the machine or of its graphics card does not suffice."""


class WorkerError(LungSquadError):
    """The process that runs the networks cannot be started, died, or was asked for nonsense."""


class FaultError(LungSquadError):
    """Something that LungSquad should have foreseen."""

    exit_code = 70


class CancelledError(LungSquadError):
    """The user cancelled the work."""

    exit_code = 130


def understood(error: Exception) -> LungSquadError:
    """Any error as one of ours, with a sentence that can be shown."""
    if isinstance(error, LungSquadError):
        return error
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
        return NoMemoryError(
            "There is not enough memory for this work: close other programs, choose the device "
            "'cpu', or use a CT with fewer slices."
        )
    if isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES:
        return MissingPackageError(*_PACKAGES[error.name])
    if isinstance(error, OSError):
        place = f"'{error.filename}': " if error.filename else ""
        return InputError(f"{place}{error.strerror or error}.")
    return FaultError(
        f"A fault in LungSquad ({type(error).__name__}: {one_line(error)}); please report it."
    )


def need(*modules: str) -> None:
    """Import what long work will need at its end, so that its lack is said before.

    Raises:
        MissingPackageError: one is not installed.
    """
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise understood(error) from error


# The module, and its package, what needs it, the extra that brings it.
_PACKAGES = {
    "torch": ("torch", "Running a network", "networks"),
    "sklearn": ("scikit-learn", "Training on tables", "molecules"),
    "matplotlib": ("matplotlib", "Drawing figures", "plots"),
}

# How torch, on its devices, and ITK say it, each in an error of another type.
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "Failed to allocate memory",
    "bad_alloc",
    "bad allocation",
)


def one_line(text: object, *, most: int = 300) -> str:
    """What a file says, fit for a sentence: it can neither move a cursor nor fill the screen."""
    shown = str(text)
    shown = shown if len(shown) <= most else shown[:most] + "..."
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(char: str) -> str:
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


@contextmanager
def parsing(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turn whatever a parser of foreign files raises on a broken one into an `InputError`.

    Errors of the operating system (no such file, no permission) pass, with the file's name.
    """
    try:
        yield
    except Exception as error:
        own = isinstance(error, LungSquadError)
        # Parsers raise OSError themselves; what comes from the system has a number.
        if isinstance(error, OSError) and error.errno is not None:
            error.filename = error.filename or os.fspath(path)  # reading gives none, opening does
            raise
        if own:
            raise
        reason = one_line(" ".join(str(error).split()), most=200) or type(error).__name__
        raise InputError(f"'{os.fspath(path)}' is damaged or is not {kind} ({reason}).") from error
