"""`lungsquad batch`."""

from __future__ import annotations

import argparse

from ..pipeline.arguments import add_batch_arguments
from .output import bar, print_failures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `batch`."""
    add_batch_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run all, tell; 1 where not one case could be done."""
    from ..models.catalogue import read_predictor
    from ..pipeline.batch import run_batch
    from ..pipeline.case import Options

    models = [read_predictor(name) for name in options.model]
    how = Options(options.device, options.seed, options.keep_identity)
    with bar() as progress:
        summary = run_batch(
            options.manifest,
            models,
            options.out,
            jobs=options.jobs,
            options=how,
            threads=options.threads,
            progress=progress,
        )
    print(summary)
    print(f"{options.out}/index.html")
    print_failures(summary, f"see {options.out}/errors.csv for what failed.")
    return summary.exit_code
