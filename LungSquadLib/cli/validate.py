"""`lungsquad validate`."""

from __future__ import annotations

import argparse

from ..options import listed
from ..pipeline.options import add_device
from .output import add_json_argument, add_out_argument, bar, print_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `validate`."""
    parser.add_argument(
        "model", metavar="NAME_OR_FILE", help="classifier, as `lungsquad predict --model`"
    )
    parser.add_argument("store", metavar="STORE", help="store of `lungsquad cohort build`")
    parser.add_argument(
        "--label", required=True, metavar="COL", help="column of the store with the true classes"
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,...",
        help="values of the column, in the order of the model's classes",
    )
    add_out_argument(parser)
    add_device(parser)
    parser.add_argument(
        "--allow-overlap",
        action="store_true",
        help="continue if the model was trained on patients of the store; the results say so",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Predict for every case of a store, evaluate, and print the metrics."""
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device
    from ..pipeline.evaluate_run import evaluate_predictions
    from ..pipeline.validate import predict_store
    from ..report.classifier.text import as_text

    with bar() as progress:
        predictions = predict_store(
            read_model(arguments.model, kind="classifier"),
            arguments.store,
            arguments.out,
            label=arguments.label,
            classes=listed(arguments.classes),
            allow_overlap=arguments.allow_overlap,
            device=str(chosen_device(arguments.device)),
            progress=progress,
        )
    evaluation = evaluate_predictions(predictions, arguments.out)
    if arguments.json:
        print_json(evaluation.to_dict())
        return
    for sentence in predictions.warnings:
        print(printable(f"warning: {sentence}"))
    print(printable(as_text(evaluation)))
    print(f"{arguments.out}/evaluation/index.html")
