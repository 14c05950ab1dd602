"""`lungsquad train gan | inpainting | segmentation | description`: one fit on images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..options import add_options, from_namespace
from .output import add_json_argument, bar, print_json, print_table
from .train_arguments import CONTINUES, SEVERAL, add_card, add_run, card_text, device

if TYPE_CHECKING:
    from ..models.card import Metric

_Verbs = argparse._SubParsersAction  # of `argparse.ArgumentParser`
_STORE = ("STORE", "store of `lungsquad cohort build`")
_SLICES = ("SLICES", "slices of `lungsquad gan data`")
_EITHER = ("STORE|SLICES", f"{_STORE[1]}, or {_SLICES[1]}")


def add_gan(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    """Add the training of a generator."""
    from ..training.gan.options import GanOptions

    verb = verbs.add_parser(
        "gan",
        help="generator of synthetic CT slices with tumour masks",
        description="Trains a progressive GAN on slices of `lungsquad gan data`. `lungsquad gan "
        f"audit` measures the model, `lungsquad gan sample` uses it. {CONTINUES} {SEVERAL}",
    )
    _add_arguments(verb, _SLICES, GanOptions, name="generator")
    verb.set_defaults(train=_train_gan)


def _train_gan(arguments: argparse.Namespace) -> None:
    """Train a GAN and print the path of the model."""
    from ..training.gan.experiment import train_gan
    from ..training.gan.options import GanOptions

    model = _trained(arguments, GanOptions, train_gan)
    if model is not None:
        print(model)


def add_inpainting(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    """Add the training of inpainting."""
    from ..training.inpainting.options import InpaintingOptions

    verb = verbs.add_parser(
        "inpainting",
        help="inpainting of synthetic tumours in CT",
        description="Trains a network that inpaints a tumour at the place of a mask, on a store "
        "of `lungsquad cohort build`, and measures it on held-out patients. `lungsquad inpaint` "
        f"uses the model. {CONTINUES}",
    )
    _add_arguments(verb, _STORE, InpaintingOptions, name="inpainting")
    add_json_argument(verb)
    verb.set_defaults(train=_train_inpainting)


def _train_inpainting(arguments: argparse.Namespace) -> None:
    """Train an inpainting network and print its metrics on held-out patients."""
    from ..training.inpainting.experiment import train_inpainting
    from ..training.inpainting.options import InpaintingOptions

    metrics = _trained(arguments, InpaintingOptions, train_inpainting)
    _print_metrics(arguments, metrics, "MEAN")


def add_segmentation(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    """Add the training of a segmenter."""
    from ..training.segmentation.options import SegmentationOptions

    verb = verbs.add_parser(
        "segmentation",
        help="segmenter of tumours in CT, from clicks or without",
        description="Trains a network that finds the mask of a tumour, from clicks or without any, "
        "on a store of `lungsquad cohort build` or on slices of `lungsquad gan data`, and measures "
        f"it on held-out patients. `lungsquad segment` uses the model. {CONTINUES}",
    )
    _add_arguments(verb, _EITHER, SegmentationOptions, name="segmenter")
    add_json_argument(verb)
    verb.set_defaults(train=_train_segmentation)


def _train_segmentation(arguments: argparse.Namespace) -> None:
    """Train a segmenter and print its Dice coefficients on held-out patients."""
    from ..training.segmentation.experiment import train_segmentation
    from ..training.segmentation.options import SegmentationOptions

    metrics = _trained(arguments, SegmentationOptions, train_segmentation)
    _print_metrics(arguments, metrics, "VALUE")


def add_description(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    """Add the training of a network that describes nodules."""
    from ..training.description.options import DescriptionOptions

    verb = verbs.add_parser(
        "description",
        help="description of nodules as radiologists give it",
        description="Trains a network on readers' ratings of nodules (malignancy, spiculation, "
        "texture and others), from a store of `lungsquad cohort build` with columns such as "
        "malignancy_readers, and measures it on held-out patients beside the readers' agreement "
        f"and the volume alone. `lungsquad describe` uses the model. {CONTINUES}",
    )
    _add_arguments(verb, _STORE, DescriptionOptions, name="nodule-description", question=True)
    add_json_argument(verb)
    verb.set_defaults(train=_train_description)


def _train_description(arguments: argparse.Namespace) -> None:
    """Train a network of ratings and print its metrics on held-out patients."""
    from ..training.description.experiment import train_description
    from ..training.description.options import DescriptionOptions
    from .validate import print_description_metrics

    metrics = _trained(arguments, DescriptionOptions, train_description)
    if arguments.json:
        _print_metrics(arguments, metrics)
        return
    print_description_metrics(metrics)
    print(f"{arguments.out}/model.safetensors")


def _add_arguments(
    verb: argparse.ArgumentParser,
    source: tuple[str, str],
    options: type,
    *,
    name: str,
    question: bool = False,
) -> None:
    """Add the data, the folder, the options of a training and the texts of its card."""
    metavar, text = source
    verb.add_argument("source", metavar=metavar, help=text)
    add_run(verb)
    add_options(verb, options)
    add_card(verb, name=name, question=question)


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
