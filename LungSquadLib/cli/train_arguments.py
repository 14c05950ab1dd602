"""Arguments that the verbs of `lungsquad train` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..pipeline.options import add_device

if TYPE_CHECKING:
    from ..training.card import CardText

CARD = ("name", "title", "question", "licence", "notice")
CONTINUES = "The same call continues a run that was stopped."
SEVERAL = "For several devices or machines: torchrun --no-python ... lungsquad train ..."


def add_run(verb: argparse.ArgumentParser, *sections: str) -> None:
    """Add the folder and the device, and sections of the help in their order."""
    verb.add_argument("-o", "--out", required=True, metavar="RUN", help="folder of the run")
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
