"""The training loop: epochs of steps, validation, the best weights, checkpoints, early stopping.

All random numbers of a training follow from its seed and its position (epoch and step), so a
checkpoint holds tensors and numbers only, and a run that was killed resumes to the same bits.
Each epoch's numbers are logged for TensorBoard where that is installed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from ..errors import CancelledError, InputError
from ..progress import Progress, step
from .checkpoint import part, prefixed, read_checkpoint, write_checkpoint
from .distributed import DistributedContext

Row = dict[str, float]
_BARS = "▁▂▃▄▅▆▇█"


class Task(Protocol):
    """A network with its data, loss and optimizer."""

    def steps(self, epoch: int) -> int:
        """Return the number of updates of an epoch."""

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        """Make one update; return metrics, which are averaged over the epoch."""

    def validate(self) -> Mapping[str, float]:
        """Return metrics; with "validation loss" among them the best epoch is kept."""

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors that the training is for, by name; the best epoch's are copied."""

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return all other tensors that the next step depends on."""

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        """Load weights, and the optimizer's state unless the training is over."""


class Callback(Protocol):
    """What is called after each epoch, in the main process."""

    def epoch(self, number: int, row: Row) -> None: ...


@dataclass(frozen=True)
class Schedule:
    """Length of a training.

    Attributes:
        epochs: at most.
        patience: epochs without a better validation loss before it stops; 0 never stops early.
        patience_start: epoch from which on patience counts; layers that are unfrozen late train
            until then.
        reported: names of the metrics in progress messages; empty: all.
        save_s: seconds between two checkpoints within an epoch.
        save_each_epoch: whether a checkpoint is written after each epoch, too.
    """

    epochs: int
    patience: int = 0
    patience_start: int = 0
    reported: tuple[str, ...] = ()
    save_s: float = 60.0
    save_each_epoch: bool = True


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
    schedule: Schedule,
    *,
    checkpoint: Path | None,
    context: DistributedContext,
    progress: Progress,
    message: str = "Training",
    callbacks: tuple[Callback, ...] = (),
) -> list[Row]:
    """Train to the end of the schedule, from the checkpoint if there is one.

    The task ends with the weights of the epoch with the least validation loss, or with those of the
    last epoch if it has no validation loss.

    Args:
        task: what is trained.
        schedule: how long.
        checkpoint: file to resume from and to write; nothing is kept where it is None.
        context: the processes that share the work; the main process writes.
        progress: gets the metrics; may cancel between steps, after which the checkpoint is current.
        message: what progress messages begin with.
        callbacks: get each epoch's metrics.

    Returns:
        The metrics of each epoch.

    Raises:
        InputError: the checkpoint is damaged, or a loss is not finite.
        CancelledError: `progress` was cancelled.
    """
    state, best = _State(), dict[str, Tensor]()
    if checkpoint is not None and checkpoint.exists():
        state, best = _resumed(task, checkpoint)
    saved = time.monotonic()
    while state.epoch < schedule.epochs and not _stops(state, schedule):
        steps = task.steps(state.epoch)
        while state.step < steps:
            if context.all_reduce_any(time.monotonic() - saved > schedule.save_s):
                saved = _save(task, state, best, checkpoint, context)
            done = (state.epoch + state.step / steps) / schedule.epochs
            try:
                step(progress, done, f"{message}, {_metrics_text(state, schedule)}")
            except CancelledError:
                _save(task, state, best, checkpoint, context)
                raise
            for name, value in task.step(state.epoch, state.step).items():
                state.sums[name] = state.sums.get(name, 0.0) + value
            state.step += 1
        row = {name: value / steps for name, value in state.sums.items()}
        row |= task.validate()
        _check_finite(row, state.epoch)
        if row.get("validation loss", math.inf) < state.best:
            state.best, state.best_epoch = row["validation loss"], state.epoch
            best = {name: value.detach().clone() for name, value in task.weights().items()}
        state.history.append(row)
        state.epoch, state.step, state.sums = state.epoch + 1, 0, {}
        if schedule.save_each_epoch or state.epoch == schedule.epochs or _stops(state, schedule):
            saved = _save(task, state, best, checkpoint, context)
        for callback in callbacks if context.is_main_process else ():
            callback.epoch(state.epoch, row)
    if best:
        task.restore(best, None)
    return state.history


def cosine_rate(done: float, *, warm_up: float = 0.1, final: float = 0.01) -> float:
    """Return the learning rate relative to its highest; it rises, then falls like a half cosine.

    Args:
        done: fraction of the training that is over.
        warm_up: fraction in which the rate rises.
        final: the rate at the end.
    """
    if done < warm_up:
        return max(done / warm_up, final)
    falling = (done - warm_up) / (1 - warm_up)
    return final + (1 - final) * (1 + math.cos(math.pi * falling)) / 2


def _stops(state: _State, schedule: Schedule) -> bool:
    """Whether the training stops early."""
    since = max(state.best_epoch, schedule.patience_start)
    return 0 < schedule.patience <= state.epoch - 1 - since


def _check_finite(row: Row, epoch: int) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise InputError(
                f"The training diverged: in epoch {epoch + 1} the {name} is {value}. Choose a "
                "lower learning rate."
            )


def _metrics_text(state: _State, schedule: Schedule) -> str:
    text = f"epoch {state.epoch + 1} of {schedule.epochs}"
    for name in state.history[-1] if state.history else ():
        if not schedule.reported or name in schedule.reported:
            values = [row[name] for row in state.history]
            text += f", {name} {values[-1]:.3f} {sparkline(values)}"
    return text


def sparkline(values: Sequence[float], *, width: int = 16) -> str:
    """Return a curve as a line of text, with means where there are too many values.

    Empty for fewer than two values.
    """
    if len(values) < 2:
        return ""
    count = min(len(values), width)
    edges = [i * len(values) // count for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    extent = (high - low) or 1.0
    return "".join(_BARS[round((mean - low) / extent * (len(_BARS) - 1))] for mean in means)


def _save(
    task: Task,
    state: _State,
    best: dict[str, Tensor],
    checkpoint: Path | None,
    context: DistributedContext,
) -> float:
    """Write a checkpoint in the main process; return the time."""
    if checkpoint is not None and context.is_main_process:
        tensors = prefixed("weights.", task.weights())
        tensors |= prefixed("optimizer.", task.optimizer_state()) | prefixed("best.", best)
        facts = vars(state) | {"best": state.best if math.isfinite(state.best) else None}
        write_checkpoint(checkpoint, tensors, facts)
    return time.monotonic()


def _resumed(task: Task, checkpoint: Path) -> tuple[_State, dict[str, Tensor]]:
    """Load a checkpoint into a task; return the position and the best weights."""
    tensors, facts = read_checkpoint(checkpoint)
    try:
        task.restore(part("weights.", tensors), part("optimizer.", tensors))
        state = _state(facts)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint '{checkpoint}' belongs to another training. Choose another folder."
        ) from error
    return state, part("best.", tensors)


def _state(facts: dict[str, Any]) -> _State:
    return _State(**facts | {"best": math.inf if facts["best"] is None else facts["best"]})


_START = 1  # SessionLog.SessionStatus: what is told from this step on replaces what was told before


class TensorBoard:
    """A `loop.Watcher` that writes scalars into a folder; does nothing without the package.

    Not by its `SummaryWriter`, whose thread shows a traceback when the disk is full, and whose
    files bear the machine's name.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"events.out.tfevents.{int(time.time())}.{os.getpid()}"
        self._writer: Any = None

    def epoch(self, number: int, row: Row) -> None:
        if self._writer is None:
            self._writer = _writer(self._path)
            self._write(file_version="brain.Event:2")
            self._write(step=number, session_log={"status": _START})
        values = [
            {"tag": name.replace(" ", "/"), "simple_value": value} for name, value in row.items()
        ]
        self._write(step=number, summary={"value": values})

    def _write(self, **fields: Any) -> None:
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self._writer.write(Event(wall_time=time.time(), **fields).SerializeToString())
        except OSError as error:
            error.filename = str(self._path)
            raise


def _writer(path: Path) -> Any:
    try:
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return RecordWriter(path.open("ab", buffering=0))
