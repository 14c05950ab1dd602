"""Which models there are on this machine, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from ..fields import shown_path
from .card import Card
from .file import SUFFIX, Model, read_card, read_model_file

VARIABLE = "LUNGSQUAD_MODELS"
OF_IMAGES, OF_TABLES = ("classifier",), ("integrator", "autoencoder")  # that answer
BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class Entry:
    """One model file, or a folder that could not be listed.

    Attributes:
        name: the model's name; of a broken file, its file name without the ending.
        path: the file.
        source: "LUNGSQUAD_MODELS", "user" or "bundled".
        card: what the model is; None if `problem` says why it cannot be used.
        shadowed: an entry before this one has the same name, so `find` never gives this one.
    """

    name: str
    path: Path
    source: str
    card: Card | None = None
    problem: str | None = None
    shadowed: bool = False


def user_folder() -> Path:
    """Where this user's own models lie; it need not exist."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "LungSquad" / "models"


def available() -> list[Entry]:
    """All models, those of LUNGSQUAD_MODELS first, then the user's, then the bundled ones.

    Cards are read, weights are not. A broken file is an entry with its sentence.
    """
    entries: list[Entry] = []
    taken: set[str] = set()
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
            entries.append(Entry(card.name, path, source, card, shadowed=card.name in taken))
            taken.add(card.name)
    return entries


def find(name_or_file: str | os.PathLike[str]) -> Path:
    """The file of a model.

    Args:
        name_or_file: a path if it ends in ".safetensors" or has a separator, else the name of a
            model in `available`, else a file of that name.

    Raises:
        ModelError: no such name (with the names there are), or its file is broken.
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
    names = sorted({entry.name for entry in entries if entry.card is not None})
    there_are = f"there are {', '.join(names)}" if names else "there is none on this machine"
    raise ModelError(
        f"There is no model named {shown_path(text)}: {there_are}. Give a name, a "
        f"'{SUFFIX}' file, or name the models' folder in {VARIABLE}."
    )


def read_model(name_or_file: str | os.PathLike[str], *, kind: str | None = None) -> Model:
    """Read the model of a name or file; see `find`, `read_model_file` and `check_kind`."""
    model = read_model_file(find(name_or_file))
    if kind is not None:
        check_kind(model.card, kind)
    return model


def read_predictor(name_or_file: str | os.PathLike[str]) -> Model:
    """The model of a name or file, one that answers about a patient: by images or by tables.

    Raises:
        ModelError: as `read_model`.
    """
    model = read_model(name_or_file)
    if model.card.kind not in (*OF_IMAGES, *OF_TABLES):
        check_kind(model.card, "classifier")
    return model


def check_kind(card: Card, kind: str) -> None:
    """Raise `ModelError` unless a model is of the kind that is wanted."""
    if card.kind != kind:
        raise ModelError(
            f"The model '{card.name}' is {_one(card.kind)}, and {_one(kind)} is wanted here. "
            "`lungsquad models list` says what there is."
        )


def _one(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _folders() -> Iterator[tuple[str, Path]]:
    for folder in os.environ.get(VARIABLE, "").split(os.pathsep):
        if folder:
            yield VARIABLE, Path(folder)
    yield "user", user_folder()
    yield "bundled", BUNDLED


def _files(folder: Path) -> list[Path] | list[str]:
    """The model files in a folder, or why they cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        if folder in {user_folder(), BUNDLED}:
            return []
        return [f"The folder {shown_path(folder)} in {VARIABLE} does not exist."]
    except OSError as error:
        return [f"The folder {shown_path(folder)} cannot be listed ({error.strerror})."]
