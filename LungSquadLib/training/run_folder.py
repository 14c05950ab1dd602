"""The folder of a run: what decides its results stands in it, and the same call goes on there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import InputError
from ..files import make_folder, sweep, write_json
from ..models.fields import Fields, parsed_json
from .world import World

RUN = "run.json"


def begun(place: Path, described: dict[str, Any], world: World) -> int:
    """The number of threads with which a run began, or begins now.

    Args:
        place: its folder; made, or that of the same run.
        described: all that decides its results, as JSON has it.
        world: its processes.

    Raises:
        InputError: the folder holds something else.
    """
    if world.leads and not (place / RUN).exists():
        begin_folder(
            place,
            {
                "run": described,
                "threads": torch.get_num_threads(),
                "lungsquad": __version__,
                "torch": torch.__version__,
            },
        )
    world.wait()
    try:
        fields = Fields(parsed_json((place / RUN).read_text(encoding="utf-8")), "it")
        threads, known = fields.integer("threads", 1, 1 << 16), fields.take("run")
    except ValueError as error:
        raise InputError(f"'{place / RUN}' is damaged ({error}). Choose another folder.") from error
    refuse_another(place, known, described)
    if world.leads:
        sweep(place)
    return threads


def begin_folder(place: Path, told: dict[str, Any]) -> None:
    """Make a run's folder, and write `run.json`; `InputError` where something else is there."""
    make_folder(place)
    sweep(place)
    if any(place.iterdir()):
        raise InputError(f"'{place}' holds no training and is not empty: choose another folder.")
    write_json(place / RUN, told)


def refuse_another(place: Path, known: Any, described: dict[str, Any]) -> None:
    """`InputError` that says in what a folder's run differs from the one that is asked for."""
    if known == described:
        return
    flat, other = _flat(known), _flat(described)
    differing = [name for name, value in other.items() if flat.get(name) != value]
    what = "other options"
    if differing:
        name = differing[0]
        what = f"another {name} ({flat.get(name)}, not {other[name]})"
    raise InputError(
        f"'{place}' holds a training with {what}. Choose another folder, or call it as before."
    )


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """As many threads as the run began with: their number decides the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {key: one for k, v in value.items() for key, one in _flat(v, k).items()}
