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
    """A model file or the output of a model cannot be used."""


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
    """The process that runs the networks cannot be started, died, or got a wrong request."""


class FaultError(LungSquadError):
    """An error in LungSquad itself."""

    exit_code = 70


class CancelledError(LungSquadError):
    """The user cancelled the work."""

    exit_code = 130


def understood(error: Exception) -> LungSquadError:
    """Return any error as a `LungSquadError` with a sentence for the user."""
    if isinstance(error, LungSquadError):
        return error
    if isinstance(error, MemoryError) or any(phrase in str(error) for phrase in _NO_MEMORY):
        return NoMemoryError(
            "There is not enough memory for this work: close other programs, choose the device "
            "'cpu', or use a CT with fewer slices."
        )
    if isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES:
        return MissingPackageError(*_PACKAGES[error.name])
    if isinstance(error, OSError):
        path = f"'{error.filename}': " if error.filename else ""
        return InputError(f"{path}{error.strerror or error}.")
    return FaultError(
        f"A fault in LungSquad ({type(error).__name__}: {one_line(error)}); please report it."
    )


def need(*modules: str) -> None:
    """Import modules that long work needs at its end, so that a missing one is reported first.

    Raises:
        MissingPackageError: one is not installed.
    """
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise understood(error) from error


# The module; its package, what needs it, the extra that installs it.
_PACKAGES = {
    "torch": ("torch", "Running a network", "networks"),
    "sklearn": ("scikit-learn", "Training on tables", "molecules"),
    "h5py": ("h5py", "Importing Keras weights", "keras"),
    "safetensors": ("safetensors", "Writing a model file", "networks"),
    "matplotlib": ("matplotlib", "Drawing figures", "plots"),
}

# The messages of torch, on its devices, and of ITK, each in an error of another type.
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "Failed to allocate memory",
    "bad_alloc",
    "bad allocation",
)


def one_line(text: object, *, most: int = 300) -> str:
    """Return text from a file for a sentence: on one line, printable, at most `most` characters."""
    line = str(text)
    line = line if len(line) <= most else line[:most] + "..."
    return line if line.isprintable() else "".join(map(_printable, line))


def _printable(char: str) -> str:
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


@contextmanager
def parsing(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turn any error of a parser on a damaged file into an `InputError`.

    Errors of the operating system (no such file, no permission) pass, with the file's name.
    """
    try:
        yield
    except Exception as error:
        # Parsers raise OSError themselves; what comes from the system has a number.
        if isinstance(error, OSError) and error.errno is not None:
            error.filename = error.filename or os.fspath(path)  # reading gives none, opening does
            raise
        if isinstance(error, LungSquadError):
            raise
        reason = one_line(" ".join(str(error).split()), most=200) or type(error).__name__
        raise InputError(f"'{os.fspath(path)}' is damaged or is not {kind} ({reason}).") from error
