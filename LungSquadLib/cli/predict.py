"""`lungsquad predict`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..options import from_namespace
from ..pipeline.options import PredictionOptions, add_model_arguments, refuse_ignored
from ..statistics.text import format_percent
from .output import (
    add_case_arguments,
    add_common,
    add_out_argument,
    bar,
    print_flags,
    print_json,
    print_table,
    printable,
)

if TYPE_CHECKING:
    from ..models.file import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    add_case_arguments(parser, optional=True)
    add_common(parser, "--centre")
    add_model_arguments(parser)
    parser.add_argument(
        "--profile",
        metavar="CSV",
        help="gene expression of the patient, with or without CT and MASK",
    )
    add_out_argument(parser)
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Predict, write the folder of results, and print the probabilities."""
    options = from_namespace(PredictionOptions, arguments)
    _check(arguments)
    from ..models.catalogue import read_predictor
    from ..networks.devices import chosen_device

    chosen_device(options.device)
    models = [read_predictor(name) for name in arguments.model]
    if arguments.ct is None:
        from ..pipeline.molecular import run_profile

        result = run_profile(arguments.profile, models, arguments.out, options=options)
    else:
        result = _predict_case(arguments, models, options)
    if arguments.json:
        print_json(result)
    else:
        show(result, arguments.out)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.mask is None and (arguments.ct is not None or arguments.profile is None):
        raise InputError("Give CT and MASK, or --profile, or all three.")
    if arguments.ct is None:
        refuse_ignored(
            arguments,
            "they are about a CT, and there is none.",
            roi=None,
            label=None,
            series=None,
            centre=None,
            keep_identity=False,
            radiomics=False,
            seg_type="binary",
        )


def _predict_case(
    arguments: argparse.Namespace, models: Sequence[Model], options: PredictionOptions
) -> dict[str, Any]:
    from ..pipeline.case import run_case
    from ..pipeline.case_input import CaseInput

    case = CaseInput(
        arguments.ct,
        arguments.mask,
        arguments.roi,
        arguments.label,
        arguments.series,
        tuple(arguments.centre) if arguments.centre else None,
        arguments.profile,
    )
    with bar() as progress:
        return run_case(case, models, arguments.out, options=options, progress=progress)


def show(described: dict[str, Any], folder: str) -> None:
    """Print the predictions and the flags of a case."""
    for notice in [described["notice"], *described["notices"]]:
        print(printable(notice))
    for prediction in described["predictions"]:
        names = {label["code"]: label["name"] for label in prediction["classes"]}
        positive, interval = prediction["positive_class"], prediction["interval"]
        print(printable(f"\n{prediction['question']}"))
        print_table(
            [
                (
                    f"  {names[code]}",
                    format_percent(value, 1),
                    _mark(code, prediction["predicted_class"]),
                )
                for code, value in prediction["probabilities"].items()
            ]
        )
        robustness = prediction["robustness"]
        print(
            printable(
                f"  {names[positive]}: interval {format_percent(interval['low'], 1)} to "
                f"{format_percent(interval['high'], 1)}; in {robustness['positions']} positions of "
                f"the crop {format_percent(robustness['low'], 1)} to "
                f"{format_percent(robustness['high'], 1)}"
            )
        )
        if prediction["volume_only_baseline"] is not None:
            print(
                f"  volume-only baseline: {format_percent(prediction['volume_only_baseline'], 1)}"
            )
    for description in described.get("descriptions", ()):
        print(printable(f"\n{description['sentence']}\n{description['impression']}"))
    _show_molecular(described)
    print()
    print_flags(described["flags"])
    print(f"report: {folder}/{described['files']['report']}")


def _show_molecular(described: dict[str, Any]) -> None:
    """Print the predictions of image, molecules and both, and the genes that contribute most."""
    from ..report.molecular import questions

    for question in questions(described):
        print(printable(f"\n{question.question} Image and molecules:"))
        header = ("  MODALITY", "CLASS", f"P({question.class_name})", "INTERVAL", "MODEL", "")
        rows = [
            (
                f"  {prediction.modality}",
                prediction.predicted_class,
                format_percent(prediction.probability, 1),
                prediction.interval,
                prediction.title,
                prediction.metric,
            )
            for prediction in question.predictions
        ]
        print_table([header, *rows])
        if question.disagreement:
            print(printable(f"  {question.disagreement}"))
    for prediction in described.get("molecular", ()):
        genes = ", ".join(
            f"{gene['column']} {gene['value']:+.2f}" for gene in prediction["contributions"][:5]
        )
        title = f"{prediction['model']['title']} ({prediction['modality']})"
        print(printable(f"  largest contributions to {title}: {genes}"))


def _mark(code: str, predicted: str) -> str:
    return "<" if code == predicted else ""
