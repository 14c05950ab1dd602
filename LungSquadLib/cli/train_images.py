"""`lungsquad train description | gan | inpainting | segmentation`, and what all trainings share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..options import add_options, from_namespace
from ..pipeline.options import add_device
from ..training.description.options import DescriptionOptions
from ..training.gan.options import GanOptions
from ..training.inpainting.options import InpaintingOptions
from ..training.segmentation.options import SegmentationOptions
from .output import Verb, add_common, add_out_argument, bar, print_json, print_table

if TYPE_CHECKING:
    from ..models.card import Metric
    from ..training.card import CardText

CARD = ("name", "title", "question", "licence", "notice")
CONTINUES = "The same call continues a run that was stopped."
SEVERAL = "For several devices or machines: torchrun --no-python ... lungsquad train ..."
_STORE = ("STORE", "store of `lungsquad cohort build`")
_SLICES = ("SLICES", "slices of `lungsquad gan data`")
_EITHER = ("STORE|SLICES", f"{_STORE[1]}, or {_SLICES[1]}")


def image_trainings() -> tuple[Verb, ...]:
    """Return the verbs of trainings on images that end in one fit."""
    return (
        Verb(
            "description",
            "description of nodules as radiologists give it",
            partial(
                _add_arguments,
                source=_STORE,
                options=DescriptionOptions,
                name="nodule-description",
                question=True,
            ),
            _train_description,
            "Trains a network on readers' ratings of nodules (malignancy, spiculation, texture and "
            "others), from a store of `lungsquad cohort build` with columns such as "
            "malignancy_readers, and measures it on held-out patients beside the readers' "
            "agreement and the volume alone. `lungsquad describe` uses the model. " + CONTINUES,
        ),
        Verb(
            "gan",
            "generator of synthetic CT slices with tumour masks",
            partial(
                _add_arguments, source=_SLICES, options=GanOptions, name="generator", json=False
            ),
            _train_gan,
            "Trains a progressive GAN on slices of `lungsquad gan data`. `lungsquad gan audit` "
            f"measures the model, `lungsquad gan sample` uses it. {CONTINUES} {SEVERAL}",
        ),
        Verb(
            "inpainting",
            "inpainting of synthetic tumours in CT",
            partial(_add_arguments, source=_STORE, options=InpaintingOptions, name="inpainting"),
            _train_inpainting,
            "Trains a network that inpaints a tumour at the place of a mask, on a store of "
            "`lungsquad cohort build`, and measures it on held-out patients. `lungsquad inpaint` "
            f"uses the model. {CONTINUES}",
        ),
        Verb(
            "segmentation",
            "segmenter of tumours in CT, from clicks or without",
            partial(_add_arguments, source=_EITHER, options=SegmentationOptions, name="segmenter"),
            _train_segmentation,
            "Trains a network that finds the mask of a tumour, from clicks or without any, on a "
            "store of `lungsquad cohort build` or on slices of `lungsquad gan data`, and measures "
            f"it on held-out patients. `lungsquad segment` uses the model. {CONTINUES}",
        ),
    )


def _train_description(arguments: argparse.Namespace) -> None:
    """Train a network of ratings and print its metrics on held-out patients."""
    from ..training.description.experiment import train_description
    from .validate import print_description_metrics

    metrics = _trained(arguments, DescriptionOptions, train_description)
    if arguments.json:
        _print_metrics(arguments, metrics)
        return
    print_description_metrics(metrics)
    print(f"{arguments.out}/model.safetensors")


def _train_gan(arguments: argparse.Namespace) -> None:
    """Train a GAN and print the path of the model."""
    from ..training.gan.experiment import train_gan

    model = _trained(arguments, GanOptions, train_gan)
    if model is not None:
        print(model)


def _train_inpainting(arguments: argparse.Namespace) -> None:
    """Train an inpainting network and print its metrics on held-out patients."""
    from ..training.inpainting.experiment import train_inpainting

    _print_metrics(arguments, _trained(arguments, InpaintingOptions, train_inpainting), "MEAN")


def _train_segmentation(arguments: argparse.Namespace) -> None:
    """Train a segmenter and print its Dice coefficients on held-out patients."""
    from ..training.segmentation.experiment import train_segmentation

    _print_metrics(arguments, _trained(arguments, SegmentationOptions, train_segmentation), "VALUE")


def _add_arguments(
    verb: argparse.ArgumentParser,
    *,
    source: tuple[str, str],
    options: type,
    name: str,
    question: bool = False,
    json: bool = True,
) -> None:
    """Add the data, the folder, the options of a training and the texts of its card."""
    metavar, text = source
    verb.add_argument("source", metavar=metavar, help=text)
    add_run(verb)
    add_options(verb, options)
    add_card(verb, name=name, question=question)
    if json:
        add_common(verb, "--json")


def add_run(verb: argparse.ArgumentParser, *sections: str) -> None:
    """Add the folder and the device, and sections of the help in their order."""
    add_out_argument(verb, metavar="RUN", text="folder of the run")
    add_device(verb)
    for title in sections:
        verb.add_argument_group(title)


def add_card(verb: argparse.ArgumentParser, *, name: str, question: bool = False) -> None:
    """Add texts of the model's card; `name` is the default of the model's name."""
    group = verb.add_argument_group("model card")
    group.add_argument("--name", metavar="NAME", help=f"name of the model (default: {name})")
    group.add_argument("--title", metavar="TEXT", help="title of the model")
    if question:
        group.add_argument(
            "--question", metavar="TEXT", help="clinical question of the model, one sentence"
        )
    group.add_argument("--licence", metavar="TEXT", help="licence of the weights")
    group.add_argument("--notice", metavar="TEXT", help="notice in every output of the model")


def card_text(arguments: argparse.Namespace) -> CardText:
    """Return what the user writes into the model's card."""
    from ..training.card import CardText

    return CardText(**{name: getattr(arguments, name, None) for name in CARD})


def device(arguments: argparse.Namespace) -> str:
    """Return the device; `InputError` if this machine has no such device."""
    from ..networks.devices import chosen_device

    return str(chosen_device(arguments.device))


def _trained(
    arguments: argparse.Namespace, options: Callable[..., Any], train: Callable[..., Any]
) -> Any:
    """Run a training with a bar of its progress."""
    given = from_namespace(options, arguments, device=device(arguments))
    with bar() as progress:
        return train(
            arguments.source,
            arguments.out,
            given,
            card_text=card_text(arguments),
            progress=progress,
        )


def _print_metrics(
    arguments: argparse.Namespace, metrics: Mapping[str, Metric], title: str = ""
) -> None:
    """Print a card's metrics, and the path of the model."""
    from dataclasses import asdict

    if arguments.json:
        print_json({name: asdict(metric) for name, metric in metrics.items()})
    elif metrics:
        rows = [
            (name, f"{m.value:.2f}", f"{m.low:.2f} to {m.high:.2f}") for name, m in metrics.items()
        ]
        print_table([("ON HELD-OUT PATIENTS", title, "95 %"), *rows])
        print(f"{arguments.out}/model.safetensors")
