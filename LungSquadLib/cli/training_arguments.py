"""What all verbs of `lungsquad train` ask for: the run's folder, the device, the model's card."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..pipeline.options import add_device

if TYPE_CHECKING:
    from ..training.card import CardText

_CARD = ("name", "title", "question", "licence", "notice")


def add_run(verb: argparse.ArgumentParser, *, seed: bool = True) -> None:
    """Add the folder, the device and its threads, and the seed unless the options have it."""
    verb.add_argument("-o", "--out", required=True, metavar="RUN", help="folder of the run")
    if seed:
        verb.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (0)")
    add_device(verb)
    verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def add_card(verb: argparse.ArgumentParser, *, name: str, question: bool = False) -> None:
    """Add what the model's card says.

    Args:
        verb: to add it to.
        name: of the model where none is given.
        question: whether it answers one that people can word.
    """
    group = verb.add_argument_group("what the model's card says")
    group.add_argument("--name", metavar="NAME", help=f"of the model ({name})")
    group.add_argument("--title", metavar="TEXT")
    if question:
        group.add_argument("--question", metavar="TEXT", help="that it answers, one sentence")
    group.add_argument("--licence", metavar="TEXT", help="of the weights")
    group.add_argument("--notice", metavar="TEXT", help="that every output must show")


def card_text_of(options: argparse.Namespace) -> CardText:
    """What of the card was given."""
    from ..training.card import CardText

    return CardText(**{name: getattr(options, name, None) for name in _CARD})


def device_of(options: argparse.Namespace) -> str:
    """The device that was asked for; `InputError` where there is no such."""
    from ..networks.devices import chosen_device

    return str(chosen_device(options.device))
