"""`lungsquad predict`."""

from __future__ import annotations

import argparse
from typing import Any

from ..arguments import add_model_arguments
from .output import (
    add_case_arguments,
    add_centre_argument,
    add_json_argument,
    bar,
    print_flags,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `predict`."""
    add_case_arguments(parser)
    add_centre_argument(parser)
    add_model_arguments(parser)
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Predict, write, tell."""
    from ..models.catalogue import read_model
    from ..report.case import CaseInput, Options, run_case

    models = [read_model(name, kind="classifier") for name in options.model]
    centre = tuple(options.centre) if options.centre else None
    case = CaseInput(options.ct, options.mask, options.roi, options.label, options.series, centre)
    how = Options(options.device, options.seed, options.keep_identity)
    with bar() as progress:
        described = run_case(case, models, options.out, options=how, progress=progress)
    if options.json:
        print_json(described)
    else:
        show(described, options.out)


def show(described: dict[str, Any], folder: str) -> None:
    """The answers, for people."""
    for notice in [described["notice"], *described["notices"]]:
        print(printable(notice))
    for prediction in described["predictions"]:
        names = {one["code"]: one["name"] for one in prediction["classes"]}
        positive, interval = prediction["positive_class"], prediction["interval"]
        print(printable(f"\n{prediction['question']}"))
        print_table(
            [
                (f"  {names[code]}", f"{value:.1%}", _mark(code, prediction["answer"]))
                for code, value in prediction["probabilities"].items()
            ]
        )
        robustness = prediction["robustness"]
        print(
            printable(
                f"  {names[positive]}: interval {interval['low']:.1%} to {interval['high']:.1%}; "
                f"other outlines {robustness['low']:.1%} to {robustness['high']:.1%}"
            )
        )
        if prediction["baseline_volume_alone"] is not None:
            print(f"  volume alone: {prediction['baseline_volume_alone']:.1%}")
    print()
    print_flags(described["flags"])
    print(f"report: {folder}/{described['files']['report']}")


def _mark(code: str, answer: str) -> str:
    return "<" if code == answer else ""
