"""`lungsquad train inpainting`."""

from __future__ import annotations

import argparse

from .output import bar, print_json, print_table
from .training_arguments import add_card, add_run, card_text_of, device_of


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `translate` to the verbs of `train`."""
    verb = verbs.add_parser(
        "inpainting",
        help="paint tumours into CT: from a mask to an image",
        description="Trains a network that paints a tumour where a mask says, on a store of "
        "`lungsquad cohort build`, and measures it on patients that were held out. Call it again "
        "to go on where it was stopped. `lungsquad inpaint` uses the model.",
    )
    verb.add_argument("store", metavar="STORE", help="of `lungsquad cohort build`")
    add_run(verb)
    verb.add_argument(
        "--label", metavar="COL", help="column of the store whose classes can be asked for (none)"
    )
    verb.add_argument("--size", type=int, default=64, metavar="N", help="voxels a side (64)")
    verb.add_argument("--width", type=int, default=8, metavar="N", help="of the network (8)")
    verb.add_argument("--epochs", type=int, default=40, metavar="N", help="(40)")
    verb.add_argument("--batch", type=int, default=2, metavar="N", help="cubes an update (2)")
    verb.add_argument("--learning-rate", type=float, default=3e-3, metavar="R", help="0.003")
    add_card(verb, name="inpainting")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(train=run)


def run(options: argparse.Namespace) -> None:
    """Train, and tell how good it is."""
    from dataclasses import asdict

    from ..training.inpainting.experiment import train_inpainting
    from ..training.inpainting.options import InpaintingOptions

    asked = InpaintingOptions(
        label=options.label,
        size=options.size,
        width=options.width,
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        seed=options.seed,
        device=device_of(options),
    )
    with bar() as progress:
        metrics = train_inpainting(
            options.store, options.out, asked, card_text=card_text_of(options), progress=progress
        )
    if options.json:
        print_json({name: asdict(metric) for name, metric in metrics.items()})
    elif metrics:
        rows = [
            (name, f"{m.value:.2f}", f"{m.low:.2f} to {m.high:.2f}") for name, m in metrics.items()
        ]
        print_table([("ON HELD-OUT PATIENTS", "MEAN", "95 %"), *rows])
        print(f"{options.out}/model.safetensors")
