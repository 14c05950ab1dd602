"""Files that are written whole or not at all, and hashes of files."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import InputError

LOCK = ".lock"
_PREFIX = ".lungsquad-"  # of names that are not whole yet


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path` with the same suffix; rename it to `path` on success.

    After an error or a cancellation nothing is left behind, and an older `path` is untouched.
    """
    target = Path(path)
    make_folder(target.parent)
    if target.exists() and not target.is_file():  # a folder, or a device such as /dev/null
        raise InputError(f"'{target}' exists and is no file, so it cannot be replaced.")
    with _naming(target):
        handle, name = tempfile.mkstemp(
            prefix=_PREFIX, suffix="".join(target.suffixes[-2:]), dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str], *, last: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`.

    If `path` exists, the entries move into it and its other files stay; the entry named `last`
    moves last, so that a folder with it is complete.
    """
    target = Path(path)
    make_folder(target.parent)
    with _naming(target):
        temporary = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if target.exists():
                _move_into(target, temporary, last)
            else:
                temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _move_into(target: Path, temporary: Path, last: str) -> None:
    make_folder(target)
    for entry in temporary.iterdir():
        existing = target / entry.name
        if existing.exists() and existing.is_dir() != entry.is_dir():
            raise InputError(f"'{existing}' cannot be replaced: move it away.")
    (target / last).unlink(missing_ok=True)
    for entry in sorted(temporary.iterdir(), key=lambda entry: entry.name == last):
        if entry.is_dir() and (target / entry.name).exists():
            shutil.rmtree(target / entry.name)
        entry.replace(target / entry.name)


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove the unfinished files that a killed run has left in a folder."""
    for leftover in Path(folder).glob(f"{_PREFIX}*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    exact: bool = False,
) -> None:
    """Write a table, whole or not at all; no spreadsheet reads a cell of it as a formula.

    With `exact`, cells stay as they are, for a table that is read back.
    """
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for row in rows:
            table.writerow({name: value if exact else _cell(value) for name, value in row.items()})


@contextmanager
def sole_use(folder: Path, doing: str) -> Iterator[None]:
    """Refuse a second process that does the same in a folder at the same time.

    The system takes the lock away from a process that ends, however it ends.

    Args:
        folder: is made if it is not there.
        doing: what is done there, for the sentence: "fetches into".

    Raises:
        InputError: another process holds the lock.
    """
    make_folder(folder)
    path = folder / LOCK
    with path.open("ab") as file:
        if not _lock(file.fileno()) or not _is_same(file.fileno(), path):
            raise InputError(
                f"Another LungSquad {doing} '{folder}' now: wait until it is done, or choose "
                "another folder."
            )
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove open files
                path.unlink()


def _lock(handle: int) -> bool:
    """Lock an open file for this process; return whether no other process has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
    return True


def _is_same(handle: int, path: Path) -> bool:
    """Return whether a path still is the open file, which its last user may have removed."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def unused_name(path: Path) -> Path:
    """Return the path, with a number after its name if it exists."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name} {number}")
    return candidate


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; `InputError` if one of them is a file."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.exists() and not existing.is_dir():
        raise InputError(f"'{existing}' is a file, so nothing can be written into it.")
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Let errors of the system name the target, not a temporary name or nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None or _PREFIX in str(error.filename):
            error.filename = str(target)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cell(value: Any) -> Any:
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if formula else value
