"""`lungsquad train classifier`: one file a network, here their list."""

from __future__ import annotations

import argparse

from . import train_classifier, train_gan, train_integrate, train_translate, train_vae


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `train`."""
    verbs = parser.add_subparsers(dest="train_verb", required=True, metavar="VERB")
    train_classifier.add_verb(verbs)
    train_gan.add_verb(verbs)
    train_translate.add_verb(verbs)
    train_integrate.add_verb(verbs)
    train_vae.add_verb(verbs)


def run(options: argparse.Namespace) -> None:
    """Train what was named."""
    options.train(options)
