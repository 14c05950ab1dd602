"""`lungsquad compare`."""

from __future__ import annotations

import argparse

from .output import add_json_argument, bar, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `compare`."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="of `lungsquad train`; compared with the first"
    )
    parser.add_argument("-o", "--out", metavar="DIR", help="write the numbers and a figure there")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Compare, write, tell."""
    from ..evaluation.classifier.compare import compare_runs
    from ..report.classifier.training_runs import write_comparison

    with bar() as progress:
        comparison = compare_runs(options.runs, progress=progress)
    if options.out:
        write_comparison(comparison, options.out)
    if options.json:
        print_json(comparison.to_dict())
        return
    print_table(comparison.rows())
    for sentence in comparison.sentences():
        print(sentence)
