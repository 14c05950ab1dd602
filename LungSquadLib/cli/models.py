"""`lungsquad models list | show | import-keras | verify | train-demo`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from .output import add_json_argument, bar, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `models`."""
    verbs = parser.add_subparsers(dest="models_verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the models on this machine")
    add_json_argument(listing)
    show = verbs.add_parser("show", help="a model's card")
    show.add_argument("model", metavar="NAME_OR_FILE")
    add_json_argument(show)
    importing = verbs.add_parser(
        "import-keras", help="weights of Hosny et al. 2018 (Keras 1.2.2 .h5) to a model file"
    )
    importing.add_argument("weights", metavar="WEIGHTS.h5")
    importing.add_argument("-o", "--out", required=True, metavar="MODEL.safetensors")
    verify = verbs.add_parser(
        "verify", help="compare a model with known outputs (.npz with x, softmax, features, logits)"
    )
    verify.add_argument("model", metavar="NAME_OR_FILE")
    verify.add_argument("expected", metavar="EXPECTED.npz")
    verify.add_argument("--tolerance", type=float, default=1e-5, metavar="T", help="1e-5")
    add_json_argument(verify)
    training = verbs.add_parser(
        "train-demo", help="train the demo models from nothing on phantoms (under an hour)"
    )
    training.add_argument("-o", "--out", required=True, metavar="FOLDER")
    training.add_argument("--only", metavar="NAME", help="one of them")
    training.add_argument(
        "--reference-only",
        action="store_true",
        help="only measure the held-out phantoms anew by the models in FOLDER; their weights stay",
    )
    training.add_argument("--jobs", type=int, metavar="N", help="processes and threads (all cores)")
    for verb in (training, listing, show, importing, verify):
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int | None:
    """Hand over to the wanted verb."""
    verbs = {"list": _list, "show": _show, "import-keras": _import_keras, "verify": _verify}
    verbs["train-demo"] = _train_demo
    return verbs[options.models_verb](options)


def _list(options: argparse.Namespace) -> None:
    from ..models.catalogue import available

    entries = available()
    if options.json:
        print_json(
            [
                {
                    "name": entry.name,
                    "source": entry.source,
                    "path": str(entry.path),
                    "task": entry.card.task if entry.card else None,
                    "title": entry.card.title if entry.card else None,
                    "problem": entry.problem,
                    "shadowed": entry.shadowed,
                }
                for entry in entries
            ]
        )
        return
    rows = [
        (
            entry.name,
            entry.card.task if entry.card else "unusable",
            entry.source + " (shadowed)" * entry.shadowed,
            entry.card.title if entry.card else entry.problem,
        )
        for entry in entries
    ]
    print_table([("NAME", "TASK", "FROM", "TITLE"), *rows])


def _show(options: argparse.Namespace) -> None:
    from ..models.catalogue import find
    from ..models.file import read_card
    from ..statistics.text import with_interval

    card = read_card(find(options.model))
    if options.json:
        print_json(asdict(card))
        return
    if card.notice:
        print(printable(card.notice))
    by_volume = card.baseline.metrics if card.baseline else {}
    volume_alone = [(f"{name} of volume alone", metric) for name, metric in by_volume.items()]
    print_table(
        [
            ("name", card.name),
            ("title", card.title),
            ("question", card.question),
            ("classes", ", ".join(f"{one.code} ({one.name})" for one in card.classes)),
            ("input", str(card.input)),
            ("trained on", card.training.data),
            *([("has seen", str(card.training.seen))] if card.training.seen else []),
            *(
                [("overlap", card.training.overlap_allowed)]
                if card.training.overlap_allowed
                else []
            ),
            *(
                (name, f"{with_interval(m)}, n = {m.n}, {m.where}")
                for name, m in (*card.metrics.items(), *volume_alone)
            ),
            ("intended use", card.intended_use),
            *(("must not", sentence) for sentence in card.must_not),
            ("licence", card.licence),
        ]
    )


def _import_keras(options: argparse.Namespace) -> None:
    from ..models.file import write_model_file
    from ..models.keras_import import import_keras

    network, card = import_keras(options.weights)
    digest = write_model_file(options.out, network, card=card)
    print(f"written  {options.out}\nsha256   {digest}")


def _train_demo(options: argparse.Namespace) -> None:
    from ..training.demo_models import renew_references, train_demo_models

    make = renew_references if options.reference_only else train_demo_models
    with bar() as progress:
        written = make(options.out, only=options.only, jobs=options.jobs, progress=progress)
    print_table(written.items())


def _verify(options: argparse.Namespace) -> int:
    from ..models.catalogue import read_model
    from ..models.verify import verify

    result = verify(
        read_model(options.model, kind="classifier"), options.expected, tolerance=options.tolerance
    )
    if options.json:
        print_json({"differences": result.differences, "tolerance": result.tolerance})
    else:
        print_table([(name, f"{value:.3g}") for name, value in result.differences.items()])
        print("agrees" if result.passed else f"differs by more than {result.tolerance:g}")
    return 0 if result.passed else 1
