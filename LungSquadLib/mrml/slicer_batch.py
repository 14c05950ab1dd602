"""`lungsquad batch` inside Slicer, which is started with this file.

    Slicer --no-splash --no-main-window --python-script .../LungSquadLib/mrml/slicer_batch.py
        MANIFEST.csv -o DIR --model demo-histology

Arguments, files and exit codes are the same. A worker, which has torch, does the work; the progress
goes to standard output, and no dialog is shown.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType


def main() -> None:
    """Run the script's arguments and end the process, with Slicer where this is Slicer."""
    from .scene import inside_slicer, slicer

    code = run(sys.argv[1:])
    if inside_slicer():
        slicer.util.exit(code)  # an exception, SystemExit too, would leave Slicer running
    else:
        sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Do the work, print errors, and return the exit code; nothing is raised."""
    from ..errors import one_line, understood

    try:
        return _run(arguments)
    except SystemExit as end:  # argparse has printed an error or its help
        return int(end.code or 0)
    except Exception as error:
        known = understood(error)
        print(f"lungsquad: {one_line(known, most=1000)}", file=sys.stderr)
        return known.exit_code


def _run(arguments: Sequence[str]) -> int:
    from ..data.case_loop import Summary
    from ..options import from_namespace
    from ..pipeline.options import (
        PredictionOptions,
        add_batch_arguments,
        check_common,
        refuse_empty,
    )
    from ..worker.client import WorkerClient

    parser = argparse.ArgumentParser(
        prog="slicer_batch.py", description="Predict for every row of a table, resumable."
    )
    add_batch_arguments(parser, threads=False)
    options = parser.parse_args(arguments)
    refuse_empty(arguments)
    check_common(options, out_is_file=False)
    prediction = from_namespace(PredictionOptions, options)
    progress = _Lines()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, progress.cancel)
    with WorkerClient() as worker:
        result = worker.request(
            "batch",
            manifest=Path(options.manifest).absolute(),
            folder=Path(options.out).absolute(),
            models=options.model,
            jobs=options.jobs,
            device=prediction.device,
            seed=prediction.seed,
            keep_identity=prediction.keep_identity,
            progress=progress,
        )
    summary = Summary(**result)
    print(summary)
    print(f"{options.out}/index.html")
    for message in summary.messages:
        print(f"lungsquad: {message}", file=sys.stderr)
    if summary.failed:
        print(f"lungsquad: see {options.out}/errors.csv for what failed.", file=sys.stderr)
    return summary.exit_code


class _Lines:
    """Progress as lines on standard output."""

    cancelled = False

    def report(self, fraction: float, message: str) -> None:
        print(f"{fraction:4.0%} {message}", flush=True)

    def cancel(self, number: int, _frame: FrameType | None) -> None:
        """Cancel the work, finished cases stay; a second signal ends this process at once."""
        signal.signal(number, signal.SIG_DFL)
        self.cancelled = True


if __name__ == "__main__":
    # Run by its path: this file does not know which package it belongs to.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from LungSquadLib.mrml.slicer_batch import main as packaged_main

    packaged_main()
