"""`lungsquad validate`."""

from __future__ import annotations

import argparse

from ..pipeline.arguments import add_device
from .output import add_json_argument, bar, listed, print_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `test`."""
    parser.add_argument("model", metavar="NAME_OR_FILE", help="as `lungsquad predict --model`")
    parser.add_argument("store", metavar="STORE", help="of `lungsquad cohort build`")
    parser.add_argument("--label", required=True, metavar="COL", help="the store's column of truth")
    parser.add_argument(
        "--classes", metavar="A,B,...", help="its values, in the order of the model's classes"
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_device(parser)
    parser.add_argument(
        "--allow-overlap",
        action="store_true",
        help="go on where the model was trained on patients of the store; it is said",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Answer, evaluate, tell."""
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device
    from ..pipeline.evaluate_run import evaluate_answers
    from ..pipeline.validate import answer_store
    from ..report.classifier.text import as_text

    with bar() as progress:
        answered = answer_store(
            read_model(options.model, kind="classifier"),
            options.store,
            options.out,
            label=options.label,
            classes=listed(options.classes),
            allow_overlap=options.allow_overlap,
            device=str(chosen_device(options.device)),
            progress=progress,
        )
    evaluation = evaluate_answers(answered, options.out)
    if options.json:
        print_json(evaluation.to_dict())
        return
    for sentence in answered.sentences:
        print(printable(f"warning: {sentence}"))
    print(printable(as_text(evaluation)))
    print(f"{options.out}/evaluation/index.html")
