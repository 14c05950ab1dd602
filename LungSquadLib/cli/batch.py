"""`lungsquad batch`."""

from __future__ import annotations

import argparse

from ..options import from_namespace
from ..pipeline.options import PredictionOptions, add_batch_arguments
from .output import bar, print_failures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `batch`."""
    add_batch_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict for every case; return 1 if not one case could be done."""
    options = from_namespace(PredictionOptions, arguments)
    from ..models.catalogue import read_predictor
    from ..pipeline.batch import run_batch

    models = [read_predictor(name) for name in arguments.model]
    with bar() as progress:
        summary = run_batch(
            arguments.manifest,
            models,
            arguments.out,
            jobs=arguments.jobs,
            options=options,
            threads=arguments.threads,
            progress=progress,
        )
    print(summary)
    print(f"{arguments.out}/index.html")
    print_failures(summary, f"see {arguments.out}/errors.csv for what failed.")
    return summary.exit_code
