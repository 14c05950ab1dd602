"""Work over many tasks, in processes or on a dask cluster: no task can end the run."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Generic, TypeVar

from .. import __version__
from ..errors import CancelledError, InputError, MissingPackageError, one_line, parsing, understood
from ..fields import Fields, parsed_json
from ..identity import KEY_VARIABLE
from ..progress import Progress, Silent

Task = TypeVar("Task")

_MOST_PROCESSES = 61  # more than these Windows cannot wait for
_GRACE_S = 5.0
_LOOK_S = 0.2  # between two looks at whether the user cancelled
DIED = (
    "The process that worked on it died: out of memory, or a crash in a decoder. "
    "Look at its files one by one."
)


@dataclass(frozen=True)
class Outcome(Generic[Task]):
    """What became of one task: a result, or the sentence of an error."""

    task: Task
    result: Any = None
    error: str | None = None


def run_all(
    tasks: Sequence[Task],
    work: Callable[[Task], Any],
    *,
    jobs: int,
    initializer: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    progress: Progress | None = None,
) -> Iterator[Outcome[Task]]:
    """Do `work` on every task, `jobs` at a time, and yield outcomes as they come.

    Work that raises, or whose process dies, is an outcome with an error. When the caller stops
    iterating (or is interrupted), what has not begun is dropped and the processes end.

    Args:
        tasks: whatever `work` takes; it must be picklable, and so must its results.
        work: a function at a module's top level.
        jobs: how many processes.
        initializer: called once in each process, with `arguments`.
        arguments: for the initializer.
        progress: asked, while processes work, whether the user cancelled; gets no report.

    Raises:
        CancelledError: `progress` was cancelled.
    """
    progress = progress or Silent()
    waiting = list(reversed(tasks))
    suspects: list[Task] = []
    while waiting or suspects:
        # After a death nobody knows whose fault it was: those that were at work run one by one.
        one_by_one = bool(suspects)
        queue, width = (suspects, 1) if one_by_one else (waiting, jobs)
        with ProcessPoolExecutor(
            min(width, len(tasks), _MOST_PROCESSES),
            mp_context=get_context("spawn"),
            initializer=begin,
            initargs=(initializer, arguments),
        ) as pool:
            running: dict[Future[Any], Task] = {}
            try:
                yield from _fed(
                    pool, work, queue=queue, running=running, width=width, progress=progress
                )
            except BrokenProcessPool:
                if one_by_one:
                    yield Outcome(next(iter(running.values())), error=DIED)
                else:
                    suspects = list(running.values())
            except BaseException:  # interrupted: let nothing that waits begin
                _end(pool)
                raise


def run_on(
    executor: Executor,
    tasks: Sequence[Task],
    work: Callable[[Task], Any],
    *,
    width: int,
    progress: Progress | None = None,
) -> Iterator[Outcome[Task]]:
    """`run_all` on an executor that somebody else made, with `width` tasks handed to it at a time.

    Work that raises, or that the executor could not do, is an outcome with an error.

    Raises:
        CancelledError: `progress` was cancelled.
        InputError: the executor dropped the work.
    """
    running: dict[Future[Any], Task] = {}
    try:
        yield from _fed(
            executor,
            work,
            queue=list(reversed(tasks)),
            running=running,
            width=width,
            progress=progress or Silent(),
        )
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _fed(
    pool: Executor,
    work: Callable[[Task], Any],
    *,
    queue: list[Task],
    running: dict[Future[Any], Task],
    width: int,
    progress: Progress,
) -> Iterator[Outcome[Task]]:
    """Hand a queue's tasks to a pool, its end first; `running` is what the pool has of them."""
    while queue or running:
        while queue and len(running) < width:
            running[pool.submit(_guarded, work, queue[-1])] = queue[-1]
            queue.pop()  # now: a pool that broke takes nothing
        done, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        if progress.cancelled:
            raise CancelledError("Cancelled.")
        for future in done:
            yield _outcome(running[future], future)
            del running[future]


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop the processes at once; each has time to take away what it left unfinished."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout=20)


def begin(initializer: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()) -> None:
    """What a process of a pool does first: leave Ctrl-C to its parent, and end when that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


def _end_with_parent() -> None:
    """A parent that was killed told nobody: without this its processes would wait for ever."""
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    interrupt_main(signal.SIGTERM)  # what is at work takes away what it left unfinished
    time.sleep(_GRACE_S)
    os._exit(1)  # what waits for work does not hear signals


def _outcome(task: Task, future: Future[Any]) -> Outcome[Task]:
    try:
        result, error = future.result()
    except BrokenProcessPool:
        raise
    except futures.CancelledError as lost:
        raise InputError(
            "The scheduler dropped the work: did it end? Start it and run this again; what is "
            "finished is kept."
        ) from lost
    except Exception as fault:  # the work itself raises nothing: what carried it failed
        died = type(fault).__name__ == "KilledWorker"  # as dask calls it
        return Outcome(task, error=DIED if died else str(understood(fault)))
    return Outcome(task, result, error)


def _guarded(work: Callable[[Task], Any], task: Task) -> tuple[Any, str | None]:
    try:
        return work(task), None
    except Exception as error:
        return None, str(understood(error))


_TIMEOUT_S = 3
_LARGEST_SCHEDULER_FILE = 1 << 24


@contextmanager
def cluster(scheduler: str, maker: Callable[[], str]) -> Iterator[Executor]:
    """The workers of a dask scheduler, which see the same files under the same paths.

    Dask's processes pickle what they send one another: whoever reaches the scheduler can run
    anything on the workers and here.

    Args:
        scheduler: its address, or the file that `dask scheduler --scheduler-file` wrote.
        maker: a function of LungSquad whose value must be the same on all workers.

    Raises:
        MissingPackageError: `distributed` is not installed.
        InputError: no scheduler answers, it has no workers, they cannot import LungSquad, or they
            have another version of it.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ModuleNotFoundError as error:
        raise MissingPackageError("distributed", "Running on a cluster", "cluster") from error
    address = scheduler if "://" in scheduler else _address_in(scheduler)
    try:
        # A client that reached nobody waits at its end, and shows a traceback.
        socket.create_connection(get_address_host_port(address), timeout=_TIMEOUT_S).close()
        client = Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except Exception as error:  # nobody is there, or something else than a scheduler
        raise InputError(
            f"No dask scheduler answers at '{address}'; give it as tcp://HOST:PORT, as "
            "`dask scheduler` says it."
        ) from error
    with client:
        _check_workers(client, address, maker)
        yield client.get_executor(pure=False)


def _address_in(scheduler: str) -> str:
    """Return the address in a scheduler file; the text itself where there is no such file."""
    path = Path(scheduler)
    if not path.is_file():
        return scheduler
    with parsing(path, "a scheduler file"):
        if path.stat().st_size > _LARGEST_SCHEDULER_FILE:
            raise ValueError("it is too large")
        return Fields(parsed_json(path.read_text(encoding="utf-8")), "it").text("address")


def _check_workers(client: Any, address: str, maker: Callable[[], str]) -> None:
    try:
        client.wait_for_workers(1, timeout=_TIMEOUT_S)
    except TimeoutError as error:
        raise InputError(f"The scheduler at '{address}' has no workers: start some.") from error
    try:
        makers = client.run(maker)
    except Exception as error:  # whatever goes wrong where we are not
        raise InputError(
            f"The workers of '{address}' cannot import LungSquad ({one_line(error)}): install the "
            "same version there."
        ) from error
    wrong = [worker for worker, made_by in makers.items() if made_by != maker()]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(makers)} workers of '{address}' (first: {wrong[0]}) have "
            f"another version than LungSquad {__version__}, or another {KEY_VARIABLE}: both must "
            "be the same everywhere."
        )
