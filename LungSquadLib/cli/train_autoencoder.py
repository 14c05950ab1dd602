"""`lungsquad train autoencoder`."""

from __future__ import annotations

import argparse

from ..errors import need
from .output import add_json_argument, bar, print_json, printable
from .training_arguments import add_card, add_run, card_text_of, device_of


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `vae` to the verbs of `train`."""
    verb = verbs.add_parser(
        "autoencoder",
        help="groups of patients by their expression: a variational autoencoder",
        description="Trains variational autoencoders on a table of numbers, expression say, finds "
        "groups of patients in their latent space, and says what these follow: stage, histology, "
        "sex, site, survival. Call it again to go on where it was stopped. "
        "`lungsquad autoencoder assign` finds the groups of new patients.",
    )
    verb.add_argument(
        "--sources",
        required=True,
        nargs="+",
        metavar="NAME=FILE",
        help="one table of numbers (expression=E.csv), and clinical tables (clinical=C.csv); or "
        "a folder of `lungsquad tables join`",
    )
    verb.add_argument("--mapping", metavar="FILE.json", help="which column has which fact")
    verb.add_argument("--groups", type=int, default=4, metavar="N", help="(4, as T1 to T4)")
    verb.add_argument("--latent", type=int, default=8, metavar="N", help="dimensions (8)")
    verb.add_argument(
        "--hidden",
        type=int,
        nargs="+",
        default=[128],
        metavar="N",
        help="units of the encoder's layers; the decoder has them in reverse (128)",
    )
    verb.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings (5)")
    verb.add_argument(
        "--test-fraction", type=float, default=0.2, metavar="S", help="share held out (0.2)"
    )
    verb.add_argument("--epochs", type=int, default=300, metavar="N", help="at most (300)")
    verb.add_argument("--patience", type=int, default=40, metavar="N", help="epochs (40)")
    verb.add_argument("--batch", type=int, default=32, metavar="N", help="patients an update (32)")
    verb.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="0.001")
    verb.add_argument(
        "--free-bits",
        type=float,
        default=0.05,
        metavar="B",
        help="nats of each unit that cost nothing, against collapse (0.05)",
    )
    verb.add_argument(
        "--keep-ids", action="store_true", help="name patients by their IDs, not by pseudonyms"
    )
    verb.add_argument(
        "--allow-overlap",
        action="store_true",
        help="go on where the network of a source has seen the patients; it is said",
    )
    add_json_argument(verb)
    add_run(verb)
    add_card(verb, name="autoencoder", question=True)
    verb.set_defaults(train=run)


def run(options: argparse.Namespace) -> None:
    """Train, and tell what the groups follow."""
    need("torch", "sklearn", "matplotlib")
    from ..pipeline.sources import read_sources
    from ..progress import Part
    from ..report.clusters.page import write_groups
    from ..training.autoencoder.experiment import train_autoencoder
    from ..training.autoencoder.options import AutoencoderOptions

    asked = AutoencoderOptions(
        groups=options.groups,
        latent=options.latent,
        hidden=tuple(options.hidden),
        seeds=options.seeds,
        test_fraction=options.test_fraction,
        epochs=options.epochs,
        patience=options.patience,
        batch=options.batch,
        learning_rate=options.learning_rate,
        free_bits=options.free_bits,
        seed=options.seed,
        device=device_of(options),
    )
    with bar() as progress:
        joined = read_sources(
            options.sources,
            mapping=options.mapping,
            keep_ids=options.keep_ids,
            allow_overlap=options.allow_overlap,
            device=asked.device,
            progress=Part(progress, 0.0, 0.1),
        )
        finished = train_autoencoder(
            joined,
            options.out,
            asked,
            card_text=card_text_of(options),
            threads=options.threads or 1,
            progress=Part(progress, 0.1, 0.7),
        )
        groups = write_groups(finished, progress=Part(progress, 0.7, 1.0))
    if options.json:
        print_json(groups.to_dict())
        return
    for sentence in (*groups.sentences, *(f"note: {one}" for one in groups.cautions)):
        print(printable(sentence))
    print(f"{options.out}/model.safetensors")
    print(f"{options.out}/index.html")
