"""The folder of a training: what decides its results is written once, and asked for ever after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import InputError
from ..fields import Fields, parsed_json
from ..files import make_folder, sweep, write_json
from .distributed import World

RUN = "run.json"


def open_run(
    place: Path,
    described: Mapping[str, Any],
    settled: Callable[[], Mapping[str, Any]],
    *,
    processes: World,
) -> Fields:
    """Begin a training in a folder, or go on with the one that it holds.

    The device is not among what decides the results: a training goes on on another one.

    Args:
        place: the folder.
        described: what decides the results, as JSON has it: the same in each call.
        settled: what is measured or counted when the training begins, and stays.
        processes: the first of them writes.

    Returns:
        What was settled, and the versions.

    Raises:
        InputError: the folder holds another training, or something else, or is damaged.
    """
    path, described = place / RUN, _without_device(described)
    if processes.leads and not path.exists():
        make_folder(place)
        sweep(place)
        if any(place.iterdir()):
            raise InputError(
                f"'{place}' holds no training and is not empty: choose another folder."
            )
        versions = {"lungsquad": __version__, "torch": torch.__version__}
        write_json(path, {"run": described, **settled(), **versions})
    processes.wait()
    try:
        fields = Fields(parsed_json(path.read_text(encoding="utf-8")), "it")
        known = fields.take("run")
        if not isinstance(known, dict):
            raise ValueError("it does not say what was trained")
    except ValueError as error:
        raise damaged_run(place, error) from error
    known = _without_device(known)
    if known != described:
        raise InputError(
            f"'{place}' holds a training with {_different(known, described)}. Choose "
            "another folder, or call it as before."
        )
    if processes.leads:
        sweep(place)
    return fields


def damaged_run(place: Path, error: ValueError) -> InputError:
    """What to raise where the description of a training cannot be what was written."""
    return InputError(f"'{place / RUN}' is damaged ({error}). Choose another folder.")


def _different(known: Any, described: Mapping[str, Any]) -> str:
    """The first thing in which two runs differ, for a sentence."""
    flat, other = _flat(known), _flat(described)
    for name, value in other.items():
        if flat.get(name) != value:
            return f"another {name} ({flat.get(name)}, not {value})"
    return "other options"


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {name: value}
    return {key: one for k, v in value.items() for key, one in _flat(v, k).items()}


def _without_device(described: Mapping[str, Any]) -> dict[str, Any]:
    options = described.get("options")
    if not isinstance(options, Mapping):
        return dict(described)
    kept = {name: value for name, value in options.items() if name != "device"}
    return {**described, "options": kept}


def begun(
    place: Path, described: Mapping[str, Any], processes: World, *, threads: int | None = None
) -> int:
    """Begin or go on, as `open_run`.

    Args:
        place: as there.
        described: as there.
        processes: as there.
        threads: to begin with; None for those that torch has.

    Returns:
        The number of threads with which it began, now or then: it decides the last bits.

    Raises:
        InputError: as `open_run`, or there can be no such number.
    """
    if threads is not None and threads < 1:
        raise InputError(f"--threads must be 1 or more, not {threads}.")
    count = threads or torch.get_num_threads()
    fields = open_run(place, described, lambda: {"threads": count}, processes=processes)
    try:
        return fields.integer("threads", 1, 1 << 16)
    except ValueError as error:
        raise damaged_run(place, error) from error
