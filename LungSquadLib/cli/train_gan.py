"""`lungsquad train gan`."""

from __future__ import annotations

import argparse

from .output import bar
from .training_arguments import add_card, add_run, device_of, naming_of


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
    add_run(verb)
    verb.add_argument(
        "--preset",
        default="small",
        choices=("paper", "small", "tiny"),
        help="size and length: for days on several GPUs, an hour on two cores, minutes (small)",
    )
    verb.add_argument(
        "--label", metavar="COL", help="column of the slices whose values can be asked for (none)"
    )
    verb.add_argument(
        "--phase", type=int, metavar="N", help="images in which a level fades in (the preset's)"
    )
    verb.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of the patients, to tell overfitting and copying (0.2)",
    )
    verb.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="0.001")
    add_card(verb, name="generator")
    verb.set_defaults(train=run)


def run(options: argparse.Namespace) -> None:
    """Train, and say where the model is."""
    from ..training.gan.options import GanOptions
    from ..training.gan.run import train_gan

    asked = GanOptions(
        preset=options.preset,
        label=options.label,
        phase=options.phase,
        held_out=options.held_out,
        learning_rate=options.learning_rate,
        seed=options.seed,
        device=device_of(options),
    )
    with bar() as progress:
        model = train_gan(
            options.slices, options.out, asked, naming=naming_of(options), progress=progress
        )
    if model is not None:
        print(model)
