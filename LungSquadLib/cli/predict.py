"""`lungsquad predict`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..pipeline.arguments import add_model_arguments, refuse_ignored
from ..statistics.text import percent
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

if TYPE_CHECKING:
    from ..models.file import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `predict`."""
    add_case_arguments(parser, optional=True)
    add_centre_argument(parser)
    add_model_arguments(parser)
    parser.add_argument(
        "--profile",
        metavar="CSV",
        help="the patient's expression, genes and numbers; without CT and MASK, or beside them",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Predict, write, tell."""
    from ..models.catalogue import read_predictor
    from ..networks.devices import chosen_device

    _check(options)
    chosen_device(options.device)
    models = [read_predictor(name) for name in options.model]
    described = _profile_alone(options, models) if options.ct is None else _case(options, models)
    if options.json:
        print_json(described)
    else:
        show(described, options.out)


def _check(options: argparse.Namespace) -> None:
    if options.mask is None and (options.ct is not None or options.profile is None):
        raise InputError("Give CT and MASK, or --profile, or all three.")
    if options.ct is None:
        refuse_ignored(
            options,
            "they are about a CT, and there is none.",
            roi=None,
            label=None,
            series=None,
            centre=None,
            keep_identity=False,
        )


def _profile_alone(options: argparse.Namespace, models: Sequence[Model]) -> dict[str, Any]:
    from ..pipeline.case import Options
    from ..pipeline.profile_case import run_profile

    how = Options(options.device, options.seed, options.keep_identity)
    return run_profile(options.profile, models, options.out, options=how)


def _case(options: argparse.Namespace, models: Sequence[Model]) -> dict[str, Any]:
    from ..pipeline.case import CaseInput, Options, run_case

    case = CaseInput(
        options.ct,
        options.mask,
        options.roi,
        options.label,
        options.series,
        tuple(options.centre) if options.centre else None,
        options.profile,
    )
    how = Options(options.device, options.seed, options.keep_identity)
    with bar() as progress:
        return run_case(case, models, options.out, options=how, progress=progress)


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
                (f"  {names[code]}", percent(value, 1), _mark(code, prediction["predicted_class"]))
                for code, value in prediction["probabilities"].items()
            ]
        )
        robustness = prediction["robustness"]
        print(
            printable(
                f"  {names[positive]}: interval {percent(interval['low'], 1)} to "
                f"{percent(interval['high'], 1)}; in {robustness['positions']} positions of the "
                f"crop {percent(robustness['low'], 1)} to {percent(robustness['high'], 1)}"
            )
        )
        if prediction["volume_only_baseline"] is not None:
            print(f"  volume-only baseline: {percent(prediction['volume_only_baseline'], 1)}")
    _show_molecular(described)
    print()
    print_flags(described["flags"])
    print(f"report: {folder}/{described['files']['report']}")


def _show_molecular(described: dict[str, Any]) -> None:
    """Predictions from image, molecules and both side by side, with the largest contributions."""
    from ..report.molecular import questions

    for question in questions(described):
        print(printable(f"\n{question.question} Image and molecules:"))
        header = ("  MODALITY", "CLASS", f"P({question.of})", "INTERVAL", "MODEL", "")
        rows = [
            (
                f"  {one.modality}",
                one.answer,
                percent(one.probability, 1),
                one.interval,
                one.title,
                one.metric,
            )
            for one in question.answers
        ]
        print_table([header, *rows])
        if question.disagreement:
            print(printable(f"  {question.disagreement}"))
    for one in described.get("molecular", ()):
        most = ", ".join(
            f"{gene['column']} {gene['value']:+.2f}" for gene in one["contributions"][:5]
        )
        print(printable(f"  main columns, {one['model']['title']} ({one['modality']}): {most}"))


def _mark(code: str, answer: str) -> str:
    return "<" if code == answer else ""
