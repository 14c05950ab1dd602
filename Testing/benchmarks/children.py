"""Measuring in fresh processes: what one contender imports or caches is no gift to the next.

As a program this file is the child: it calls `measure(job)` of a module of this package and writes
what that returns, with its own peak memory and CPU time, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_NAME = "Testing.benchmarks.children"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Timer:
    """Seconds of a `with` block: of the clock, and of all processors together."""

    wall = cpu = 0.0

    def __enter__(self) -> Timer:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


def say(sentence: str) -> None:
    """Progress, on standard error."""
    print(sentence, file=sys.stderr, flush=True)


def in_child(
    module: str,
    job: Mapping[str, Any],
    *,
    threads: int | None = None,
    python: Path | str = sys.executable,
) -> dict[str, Any]:
    """`measure(job)` of a module, in a process of its own.

    The answer is what `measure` returned and: `total_s`, from the start of the process to its end;
    `total_cpu_s`; `peak_mb`, the most memory it ever held. `python`: of which environment.
    """
    environment = dict(os.environ)
    if threads is not None:
        environment |= dict.fromkeys(_THREADS, str(threads))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [str(python), "-m", _NAME, module, json.dumps(job), str(out)]
        start = time.perf_counter()
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        total = time.perf_counter() - start
        if run.returncode or not out.exists():
            raise RuntimeError(f"{module} failed on {dict(job)}:\n{run.stderr[-4000:]}")
        return {**json.loads(out.read_text()), "total_s": total}


def peak_mb() -> float:
    """The most memory that this process ever held, in MB.

    VmHWM where there is one: ru_maxrss begins with what the parent held when it forked.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _main(module: str, job: str, out: str) -> None:
    answer = import_module(f"{__package__}.{module}").measure(json.loads(job))
    answer |= {"peak_mb": peak_mb(), "total_cpu_s": time.process_time()}
    Path(out).write_text(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
