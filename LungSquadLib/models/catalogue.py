"""The models on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import ModelError
from ..fields import quoted_path
from .card import Card
from .file import SUFFIX, Model, read_card, read_model_file

VARIABLE = "LUNGSQUAD_MODELS"
OF_IMAGES, OF_TABLES = ("classifier",), ("integrator", "autoencoder")  # kinds that predict
DESCRIBES = ("descriptor",)  # kinds that describe a nodule
DEMO = "demo-"  # how the names of such models begin
BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class Entry:
    """One model file, or a folder that could not be listed.

    Attributes:
        name: the model's name; for a broken file, its name without the ending.
        path: the file.
        source: "LUNGSQUAD_MODELS", "user" or "bundled".
        card: the model's card; None if `problem` says why the file cannot be used.
        shadowed: an earlier entry has the same name, so `find` never returns this one.
    """

    name: str
    path: Path
    source: str
    card: Card | None = None
    problem: str | None = None
    shadowed: bool = False


def user_folder() -> Path:
    """Return the folder of this user's models; it need not exist."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "LungSquad" / "models"


def available() -> list[Entry]:
    """List all models: those of LUNGSQUAD_MODELS, then the user's, then the bundled ones.

    Demo models, which learnt from phantoms alone, come last. Cards are read, weights are not. A
    broken file is an entry with its problem.
    """
    entries: list[Entry] = []
    names: set[str] = set()
    for source, folder in _folders():
        for path in _files(folder):
            if isinstance(path, str):
                entries.append(Entry(folder.name, folder, source, problem=path))
                continue
            try:
                card = read_card(path)
            except ModelError as error:
                entries.append(Entry(path.stem, path, source, problem=str(error)))
                continue
            entries.append(Entry(card.name, path, source, card, shadowed=card.name in names))
            names.add(card.name)
    return sorted(entries, key=lambda entry: is_demo(entry.name))


def is_demo(name: str) -> bool:
    """Return whether a model is named as one that learnt from phantoms alone."""
    return name.startswith(DEMO)


def find(name_or_file: str | os.PathLike[str]) -> Path:
    """Return the file of a model.

    Args:
        name_or_file: a path if it ends in ".safetensors" or has a separator; otherwise the name of
            a model in `available`, or a file of that name.

    Raises:
        ModelError: there is no such model, or its file is broken.
    """
    text = os.fspath(name_or_file)
    separators = {os.sep, os.altsep or os.sep}
    if text.endswith(SUFFIX) or any(separator in text for separator in separators):
        return Path(text)
    entries = available()
    for entry in entries:
        if entry.card is not None and entry.name == text:
            return entry.path
    for entry in entries:
        if entry.problem is not None and entry.name == text:
            raise ModelError(entry.problem)
    if Path(text).is_file():
        return Path(text)
    names = sorted(
        {entry.name for entry in entries if entry.card is not None},
        key=lambda name: (is_demo(name), name),
    )
    available_names = f"there are {', '.join(names)}" if names else "there is none on this machine"
    raise ModelError(
        f"There is no model named {quoted_path(text)}: {available_names}. Give a name, a "
        f"'{SUFFIX}' file, or name the models' folder in {VARIABLE}."
    )


def read_model(name_or_file: str | os.PathLike[str], *, kind: str | None = None) -> Model:
    """Read the model of a name or file; see `find`, `read_model_file` and `check_kind`."""
    model = read_model_file(find(name_or_file))
    if kind is not None:
        check_kind(model.card, kind)
    return model


def read_predictor(name_or_file: str | os.PathLike[str]) -> Model:
    """Read a model that predicts about a patient, from images or tables, by name or file.

    Raises:
        ModelError: as `read_model`.
    """
    model = read_model(name_or_file)
    if model.card.kind not in (*OF_IMAGES, *OF_TABLES, *DESCRIBES):
        check_kind(model.card, "classifier")
    return model


def kept_predictor(name_or_file: str | os.PathLike[str]) -> Model:
    """Read a predictor once, and again where its file has changed; see `read_predictor`."""
    path = find(name_or_file)
    try:
        state = path.stat()
    except OSError:
        return read_predictor(path)  # which says what is wrong
    return _kept(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _kept(path: Path, _changed_ns: int, _size: int) -> Model:
    return read_predictor(path)


def check_kind(card: Card, kind: str) -> None:
    """Raise `ModelError` unless a model is of a kind."""
    if card.kind != kind:
        raise ModelError(
            f"The model '{card.name}' is {with_article(card.kind)}, and {with_article(kind)} is "
            "needed here. Choose one of `lungsquad models list`."
        )


def with_article(kind: str) -> str:
    """Return the name of a kind with its article."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _folders() -> Iterator[tuple[str, Path]]:
    for folder in os.environ.get(VARIABLE, "").split(os.pathsep):
        if folder:
            yield VARIABLE, Path(folder)
    yield "user", user_folder()
    yield "bundled", BUNDLED


def _files(folder: Path) -> list[Path] | list[str]:
    """Return the model files in a folder, or why they cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        if folder in {user_folder(), BUNDLED}:
            return []
        return [f"The folder {quoted_path(folder)} in {VARIABLE} does not exist."]
    except OSError as error:
        return [f"The folder {quoted_path(folder)} cannot be listed ({error.strerror})."]
