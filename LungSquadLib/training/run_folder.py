"""The folder of a run, whose `run.json` says what decides the results: only that run resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import InputError
from ..fields import Fields, parsed_json
from ..files import make_folder, sweep, write_json
from .distributed import DistributedContext

RUN = "run.json"


def open_run(
    folder: Path,
    described: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    context: DistributedContext,
) -> Fields:
    """Start a run in a new folder, or resume the one that the folder holds.

    The device is not among what decides the results: a run may resume on another one.

    Args:
        folder: of the run.
        described: what decides the results, as JSON has it: the same in each call.
        facts: what is written when the run starts, and read when it resumes.
        context: its main process writes.

    Returns:
        The content of `run.json`, with the facts of the first call.

    Raises:
        InputError: the folder holds another run or other files, or `run.json` is damaged.
    """
    path, described = folder / RUN, _without_device(described)
    if context.is_main_process and not path.exists():
        make_folder(folder)
        sweep(folder)
        if any(folder.iterdir()):
            raise InputError(
                f"'{folder}' holds no training and is not empty: choose another folder."
            )
        versions = {"lungsquad": __version__, "torch": torch.__version__}
        write_json(path, {"run": described, **facts, **versions})
    context.barrier()
    try:
        fields = Fields(parsed_json(path.read_text(encoding="utf-8")), "it")
        known = fields.take("run")
        if not isinstance(known, dict):
            raise ValueError("it does not say what was trained")
    except ValueError as error:
        raise damaged_run(folder, error) from error
    known = _without_device(known)
    if known != described:
        raise InputError(
            f"'{folder}' holds a training with {_difference(known, described)}. Choose another "
            "folder, or call it as before."
        )
    if context.is_main_process:
        sweep(folder)
    return fields


def damaged_run(folder: Path, error: ValueError) -> InputError:
    """Return the error of a `run.json` that cannot be read."""
    return InputError(f"'{folder / RUN}' is damaged ({error}). Choose another folder.")


def _difference(known: Any, described: Mapping[str, Any]) -> str:
    """Return the first difference between two runs, for a sentence."""
    before = _flattened(known)
    for name, value in _flattened(described).items():
        if before.get(name) != value:
            return f"another {name} ({before.get(name)}, not {value})"
    return "other options"


def _flattened(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {name: value}
    return {
        inner: leaf for key, part in value.items() for inner, leaf in _flattened(part, key).items()
    }


def _without_device(described: Mapping[str, Any]) -> dict[str, Any]:
    options = described.get("options")
    if not isinstance(options, Mapping):
        return dict(described)
    kept = {name: value for name, value in options.items() if name != "device"}
    return {**described, "options": kept}
