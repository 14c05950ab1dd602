"""`lungsquad batch`."""

from __future__ import annotations

import argparse
import sys

from .output import bar
from .predict import add_model_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `batch`."""
    parser.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="columns ct, mask; optional case, patient_id, roi, label, series",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_model_arguments(parser)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")


def run(options: argparse.Namespace) -> int:
    """Run all, tell; 1 where not one case could be done."""
    from ..errors import InputError
    from ..models.catalogue import read_model
    from ..report.batch import run_batch
    from ..report.case import Options

    if options.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {options.jobs}.")
    models = [read_model(name) for name in options.model]
    how = Options(options.device, options.seed, options.keep_identity)
    with bar() as progress:
        summary = run_batch(
            options.manifest,
            models,
            options.out,
            jobs=options.jobs,
            options=how,
            progress=progress,
        )
    print(f"{summary.done} done, {summary.skipped} whole from before, {summary.failed} failed")
    print(f"{options.out}/index.html")
    if summary.failed:
        print(f"lungsquad: see {options.out}/errors.csv for what failed.", file=sys.stderr)
    return int(summary.failed > 0 and summary.done + summary.skipped == 0)
