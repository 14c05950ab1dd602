"""The training loop: epochs of steps, validation, the best weights, checkpoints, an early end.

Everything that is drawn at random in a training follows from its seed and from where it stands, so
a checkpoint holds tensors and numbers only, and a run that was killed goes on to the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from ..errors import CancelledError, InputError
from ..progress import Progress, step
from .checkpoint import part, prefixed, read_checkpoint, write_checkpoint
from .distributed import World
from .sparkline import sparkline

Row = dict[str, float]


class Task(Protocol):
    """What is trained."""

    def steps(self, epoch: int) -> int:
        """How many updates an epoch has."""

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        """Make one update; return what is to be averaged over the epoch."""

    def validate(self) -> Mapping[str, float]:
        """Measure; "validation loss" among it if the best epoch is to be kept."""

    def weights(self) -> dict[str, Tensor]:
        """What the training is for, by name: copies are taken of it, and put back into it."""

    def memory(self) -> dict[str, Tensor]:
        """What else the next step hangs on: the optimiser's state."""

    def restore(self, weights: Mapping[str, Tensor], memory: Mapping[str, Tensor] | None) -> None:
        """Take weights, and memory unless the training is over."""


class Watcher(Protocol):
    """Who is told of each epoch."""

    def epoch(self, number: int, row: Row) -> None: ...


@dataclass(frozen=True)
class Plan:
    """How long to train.

    Attributes:
        epochs: at most.
        patience: epochs without a better validation loss before it ends; 0 never ends early.
        settled: epoch from which on patience counts: what is thawed late has its chance.
        told: which of the numbers the progress says; all where none is named.
        save_s: seconds between two checkpoints within an epoch.
        each: whether one is written after each epoch too; where epochs take no time, it need not.
    """

    epochs: int
    patience: int = 0
    settled: int = 0
    told: tuple[str, ...] = ()
    save_s: float = 60.0
    each: bool = True


@dataclass
class _State:
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 0


def fit(
    task: Task,
    plan: Plan,
    *,
    checkpoint: Path | None,
    world: World,
    progress: Progress,
    message: str = "Training",
    watchers: tuple[Watcher, ...] = (),
) -> list[Row]:
    """Train until the plan ends, from a checkpoint where there is one.

    The task ends with the weights of its best epoch, by the loss that it measures; with those of
    the last one where it measures none.

    Args:
        task: what is trained.
        plan: how long.
        checkpoint: file to go on from and to write; nothing is kept where it is None.
        world: the processes that share the work; the first of them writes.
        progress: told the losses; may cancel between steps. The checkpoint then stands there.
        message: what the progress says before them.
        watchers: told each epoch's numbers.

    Returns:
        One row of numbers for each epoch.

    Raises:
        InputError: the checkpoint is damaged, or a loss is not finite.
        CancelledError: `progress` said so.
    """
    state, best = _State(), dict[str, Tensor]()
    if checkpoint is not None and checkpoint.exists():
        state, best = _resumed(task, checkpoint)
    saved = time.monotonic()
    while state.epoch < plan.epochs and not _ended(state, plan):
        steps = task.steps(state.epoch)
        while state.step < steps:
            if world.agreed(time.monotonic() - saved > plan.save_s):
                saved = _save(task, state, best, checkpoint, world)
            done = (state.epoch + state.step / steps) / plan.epochs
            try:
                step(progress, done, f"{message}, {_said(state, plan)}")
            except CancelledError:
                _save(task, state, best, checkpoint, world)
                raise
            for name, value in task.step(state.epoch, state.step).items():
                state.sums[name] = state.sums.get(name, 0.0) + value
            state.step += 1
        row = {name: value / steps for name, value in state.sums.items()}
        row |= task.validate()
        _check(row, state.epoch)
        if row.get("validation loss", math.inf) < state.best:
            state.best, state.best_epoch = row["validation loss"], state.epoch
            best = {name: value.detach().clone() for name, value in task.weights().items()}
        state.history.append(row)
        state.epoch, state.step, state.sums = state.epoch + 1, 0, {}
        if plan.each or state.epoch == plan.epochs or _ended(state, plan):
            saved = _save(task, state, best, checkpoint, world)
        for watcher in watchers if world.leads else ():
            watcher.epoch(state.epoch, row)
    if best:
        task.restore(best, None)
    return state.history


def _ended(state: _State, plan: Plan) -> bool:
    since = max(state.best_epoch, plan.settled)
    return 0 < plan.patience <= state.epoch - 1 - since


def _check(row: Row, epoch: int) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise InputError(
                f"The {name} is {value} in epoch {epoch + 1}: the training went astray. Try a "
                "lower learning rate."
            )


def _said(state: _State, plan: Plan) -> str:
    said = f"epoch {state.epoch + 1} of {plan.epochs}"
    for name in state.history[-1] if state.history else ():
        if not plan.told or name in plan.told:
            values = [row[name] for row in state.history]
            said += f", {name} {values[-1]:.3f} {sparkline(values)}"
    return said


def _save(
    task: Task, state: _State, best: dict[str, Tensor], checkpoint: Path | None, world: World
) -> float:
    """Write where it stands, if it is to be kept at all; the time when that was done."""
    if checkpoint is not None and world.leads:
        tensors = prefixed("weights.", task.weights())
        tensors |= prefixed("memory.", task.memory()) | prefixed("best.", best)
        facts = vars(state) | {"best": state.best if math.isfinite(state.best) else None}
        write_checkpoint(checkpoint, tensors, facts)
    return time.monotonic()


def _resumed(task: Task, checkpoint: Path) -> tuple[_State, dict[str, Tensor]]:
    tensors, facts = read_checkpoint(checkpoint)
    try:
        task.restore(part("weights.", tensors), part("memory.", tensors))
        state = _state(facts)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint '{checkpoint}' is of another training. Choose another folder."
        ) from error
    return state, part("best.", tensors)


def _state(facts: dict[str, Any]) -> _State:
    return _State(**facts | {"best": math.inf if facts["best"] is None else facts["best"]})
