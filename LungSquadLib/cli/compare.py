"""`lungsquad compare`."""

from __future__ import annotations

import argparse

from .output import add_common, bar, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `compare`."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folders of `lungsquad train`; each is compared with the first",
    )
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="output folder for the numbers and a figure"
    )
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Compare runs on the patients that they share, and print the differences."""
    from ..evaluation.classifier.compare import compare_runs
    from ..report.classifier.training_runs import write_comparison

    with bar() as progress:
        comparison = compare_runs(arguments.runs, progress=progress)
    if arguments.out:
        write_comparison(comparison, arguments.out)
    if arguments.json:
        print_json(comparison.to_dict())
        return
    print_table(comparison.rows())
    for sentence in comparison.sentences():
        print(sentence)
