"""`lungsquad train gan | inpainting | segmentation`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..options import add_options, from_namespace
from .output import add_json_argument, bar, print_json, print_table
from .train_arguments import CONTINUES, SEVERAL, add_card, add_run, add_store, card_text, device

if TYPE_CHECKING:
    from ..models.card import Metric


def add_gan(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the training of a generator."""
    from ..training.gan.options import GanOptions

    verb = verbs.add_parser(
        "gan",
        help="generator of synthetic CT slices with tumour masks",
        description="Trains a progressive GAN on slices of `lungsquad gan data`. `lungsquad gan "
        f"audit` measures the model, `lungsquad gan sample` uses it. {CONTINUES} {SEVERAL}",
    )
    verb.add_argument("slices", metavar="SLICES", help="slices of `lungsquad gan data`")
    add_run(verb)
    add_options(verb, GanOptions)
    add_card(verb, name="generator")
    verb.set_defaults(train=_train_gan)


def _train_gan(arguments: argparse.Namespace) -> None:
    """Train a GAN and print the path of the model."""
    from ..training.gan.options import GanOptions

    options = from_namespace(GanOptions, arguments, device=device(arguments))
    from ..training.gan.experiment import train_gan

    with bar() as progress:
        model = train_gan(
            arguments.slices,
            arguments.out,
            options,
            card_text=card_text(arguments),
            progress=progress,
        )
    if model is not None:
        print(model)


def add_inpainting(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the training of inpainting."""
    from ..training.inpainting.options import InpaintingOptions

    verb = verbs.add_parser(
        "inpainting",
        help="inpainting of synthetic tumours in CT",
        description="Trains a network that inpaints a tumour at the place of a mask, on a store "
        "of `lungsquad cohort build`, and measures it on held-out patients. `lungsquad inpaint` "
        f"uses the model. {CONTINUES}",
    )
    add_store(verb)
    add_run(verb)
    add_options(verb, InpaintingOptions)
    add_card(verb, name="inpainting")
    add_json_argument(verb)
    verb.set_defaults(train=_train_inpainting)


def _train_inpainting(arguments: argparse.Namespace) -> None:
    """Train an inpainting network and print its metrics on held-out patients."""
    from ..training.inpainting.options import InpaintingOptions

    options = from_namespace(InpaintingOptions, arguments, device=device(arguments))
    from ..training.inpainting.experiment import train_inpainting

    with bar() as progress:
        metrics = train_inpainting(
            arguments.store,
            arguments.out,
            options,
            card_text=card_text(arguments),
            progress=progress,
        )
    _print_metrics(arguments, metrics, "ON HELD-OUT PATIENTS", "MEAN")


def _print_metrics(
    arguments: argparse.Namespace, metrics: Mapping[str, Metric], *titles: str
) -> None:
    """Print a card's metrics, and the path of the model."""
    from dataclasses import asdict

    if arguments.json:
        print_json({name: asdict(metric) for name, metric in metrics.items()})
    elif metrics:
        rows = [
            (name, f"{m.value:.2f}", f"{m.low:.2f} to {m.high:.2f}") for name, m in metrics.items()
        ]
        print_table([(*titles, "95 %"), *rows])
        print(f"{arguments.out}/model.safetensors")


def add_segmentation(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the training of a segmenter."""
    from ..training.segmentation.options import SegmentationOptions

    verb = verbs.add_parser(
        "segmentation",
        help="segmenter of tumours in CT, from clicks or without",
        description="Trains a network that finds the mask of a tumour, from clicks or without any, "
        "on a store of `lungsquad cohort build` or on slices of `lungsquad gan data`, and measures "
        f"it on held-out patients. `lungsquad segment` uses the model. {CONTINUES}",
    )
    verb.add_argument(
        "source",
        metavar="STORE|SLICES",
        help="store of `lungsquad cohort build`, or slices of `lungsquad gan data`",
    )
    add_run(verb)
    add_options(verb, SegmentationOptions)
    add_card(verb, name="segmenter")
    add_json_argument(verb)
    verb.set_defaults(train=_train_segmentation)


def _train_segmentation(arguments: argparse.Namespace) -> None:
    """Train a segmenter and print its Dice coefficients on held-out patients."""
    from ..training.segmentation.options import SegmentationOptions

    options = from_namespace(SegmentationOptions, arguments, device=device(arguments))
    from ..training.segmentation.experiment import train_segmentation

    with bar() as progress:
        metrics = train_segmentation(
            arguments.source,
            arguments.out,
            options,
            card_text=card_text(arguments),
            progress=progress,
        )
    _print_metrics(arguments, metrics, "ON HELD-OUT PATIENTS", "VALUE")
