"""`lungsquad validate`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import InputError
from ..models.catalogue import check_kind, with_article
from ..options import listed
from ..pipeline.options import add_device, refuse_ignored
from .output import add_common, add_out_argument, bar, print_json, print_table, printable

if TYPE_CHECKING:
    from ..models.card import Metric
    from ..models.file import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `validate`."""
    parser.add_argument(
        "model",
        metavar="NAME_OR_FILE",
        help="model: its name, or a file",
    )
    parser.add_argument(
        "store",
        metavar="STORE",
        help="store of `lungsquad cohort build`; for a segmenter of slices, slices of `lungsquad "
        "gan data`",
    )
    parser.add_argument(
        "--label", metavar="COL", help="classifier: column of the store with the true classes"
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,...",
        help="classifier: values of the column, in the order of the model's classes",
    )
    parser.add_argument(
        "--sets", metavar="A,B,...", help="not for a classifier: values of the column set to take"
    )
    parser.add_argument(
        "--fold", metavar="FOLD", help="not for a classifier: value of the column fold to take"
    )
    add_out_argument(parser)
    add_device(parser)
    parser.add_argument(
        "--allow-overlap",
        action="store_true",
        help="continue if the model was trained on patients of the store; the results say so",
    )
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Apply a model to every case of a store, evaluate, and print the metrics."""
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device

    model = read_model(arguments.model)
    device = str(chosen_device(arguments.device))
    if model.card.kind in PRINTED:
        _nodules(arguments, model, device)
    else:
        check_kind(model.card, "classifier")
        _classifier(arguments, model, device)


def _classifier(arguments: argparse.Namespace, model: Model, device: str) -> None:
    from ..pipeline.evaluate_run import evaluate_predictions, predict_store
    from ..report.classifier.text import as_text

    refuse_ignored(arguments, "the model is a classifier.", sets=None, fold=None)
    if arguments.label is None:
        raise InputError("A classifier needs --label, the column with the true classes.")
    with bar() as progress:
        predictions = predict_store(
            model,
            arguments.store,
            arguments.out,
            label=arguments.label,
            classes=listed(arguments.classes),
            allow_overlap=arguments.allow_overlap,
            device=device,
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


def _nodules(arguments: argparse.Namespace, model: Model, device: str) -> None:
    from ..pipeline.validate_nodules import validate_nodules

    kind = with_article(model.card.kind)
    refuse_ignored(arguments, f"the model is {kind}.", label=None, classes=None)
    with bar() as progress:
        result = validate_nodules(
            model,
            arguments.store,
            arguments.out,
            sets=listed(arguments.sets),
            fold=arguments.fold,
            allow_overlap=arguments.allow_overlap,
            device=device,
            progress=progress,
        )
    if arguments.json:
        print_json(result.to_dict())
        return
    for sentence in result.warnings:
        print(printable(f"warning: {sentence}"))
    PRINTED[model.card.kind](result.metrics)
    for name in result.files:
        print(f"{arguments.out}/{name}")


def _print_inpainting_metrics(metrics: Mapping[str, Metric]) -> None:
    rows = [
        (name, f"{m.value:.2f}", f"{m.low:.2f} to {m.high:.2f}", str(m.n))
        for name, m in metrics.items()
    ]
    print_table([("INPAINTED ANEW", "MEAN", "95 %", "PATIENTS"), *rows])


def _print_segmentation_metrics(metrics: Mapping[str, Metric]) -> None:
    rows = [
        (name, f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", str(m.n))
        for name, m in metrics.items()
    ]
    print_table([("DICE COEFFICIENT", "VALUE", "95 %", "CASES"), *rows])


def print_description_metrics(metrics: Mapping[str, Metric]) -> None:
    """Print a table of the metrics of a descriptor, measures by characteristic."""
    names = list(dict.fromkeys(name.split(".", 1)[1] for name in metrics))
    characteristics = list(dict.fromkeys(name.split(".", 1)[0] for name in metrics))
    for measure in names:
        rows = []
        for name in characteristics:
            metric = metrics.get(f"{name}.{measure}")
            if metric is not None:
                interval = f"{metric.low:.3f} to {metric.high:.3f}"
                rows.append((f"  {name}", f"{metric.value:.3f}", interval, f"n = {metric.n}"))
        print(measure.replace("_", " ").replace(".", ", "))
        print_table(rows)


PRINTED: Mapping[str, Callable[[Mapping[str, Metric]], None]] = {
    "descriptor": print_description_metrics,
    "segmenter": _print_segmentation_metrics,
    "inpainter": _print_inpainting_metrics,
}
