"""`lungsquad train classifier`: one file a network, here their list."""

from __future__ import annotations

import argparse

from . import train_autoencoder, train_classifier, train_gan, train_inpainting, train_integration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `train`."""
    verbs = parser.add_subparsers(dest="train_verb", required=True, metavar="VERB")
    train_classifier.add_verb(verbs)
    train_gan.add_verb(verbs)
    train_inpainting.add_verb(verbs)
    train_integration.add_verb(verbs)
    train_autoencoder.add_verb(verbs)


def run(options: argparse.Namespace) -> None:
    """Train what was named."""
    options.train(options)
