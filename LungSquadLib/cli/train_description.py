"""`lungsquad train description`."""

from __future__ import annotations

import argparse

from ..options import add_options, from_namespace
from .output import add_json_argument, bar, print_json
from .train_arguments import CONTINUES, add_card, add_run, add_store, card_text, device


def add_description(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train description`."""
    from ..training.description.options import DescriptionOptions

    verb = verbs.add_parser(
        "description",
        help="description of nodules as radiologists give it",
        description="Trains a network on readers' ratings of nodules (malignancy, spiculation, "
        "texture and others), from a store of `lungsquad cohort build` with columns such as "
        "malignancy_readers, and measures it on held-out patients beside the readers' agreement "
        f"and the volume alone. `lungsquad describe` uses the model. {CONTINUES}",
    )
    add_store(verb)
    add_run(verb)
    add_options(verb, DescriptionOptions)
    add_card(verb, name="nodule-description", question=True)
    add_json_argument(verb)
    verb.set_defaults(train=_train_description)


def _train_description(arguments: argparse.Namespace) -> None:
    """Train a network of ratings and print its metrics on held-out patients."""
    from dataclasses import asdict

    from ..training.description.options import DescriptionOptions

    options = from_namespace(DescriptionOptions, arguments, device=device(arguments))
    from ..training.description.experiment import train_description
    from .validate import print_description_metrics

    with bar() as progress:
        metrics = train_description(
            arguments.store,
            arguments.out,
            options,
            card_text=card_text(arguments),
            progress=progress,
        )
    if arguments.json:
        print_json({name: asdict(metric) for name, metric in metrics.items()})
        return
    print_description_metrics(metrics)
    print(f"{arguments.out}/model.safetensors")
