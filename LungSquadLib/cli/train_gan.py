"""`lungsquad train gan`."""

from __future__ import annotations

import argparse

from ..options import add_options, from_namespace
from ..training.gan.options import GanOptions
from .output import bar
from .training_arguments import add_card, add_run, card_text_of, device_of


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gan` to the verbs of `train`."""
    verb = verbs.add_parser(
        "gan",
        help="make up slices of tumours with their masks",
        description="Trains a progressive GAN on slices of `lungsquad gan data`. Call it again to "
        "go on where it was stopped. `lungsquad gan audit` says how good the model is, `lungsquad "
        "gan sample` uses it. For several devices or machines: torchrun --no-python ... lungsquad "
        "train gan ...",
    )
    verb.add_argument("slices", metavar="SLICES", help="of `lungsquad gan data`")
    add_run(verb, seed=False)
    add_options(verb, GanOptions)
    add_card(verb, name="generator")
    verb.set_defaults(train=run)


def run(options: argparse.Namespace) -> None:
    """Train, and say where the model is."""
    from ..training.gan.experiment import train_gan

    asked = from_namespace(GanOptions, options, device=device_of(options))
    with bar() as progress:
        model = train_gan(
            options.slices, options.out, asked, card_text=card_text_of(options), progress=progress
        )
    if model is not None:
        print(model)
