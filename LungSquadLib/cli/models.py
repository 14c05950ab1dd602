"""`lungsquad models list | show | fetch | import-keras | import-encoder | verify | train-demo`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ..errors import InputError
from ..pipeline.options import refuse_ignored
from .output import (
    Verb,
    add_common,
    add_number,
    add_out_argument,
    add_verbs,
    bar,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `models`."""
    verbs = (
        Verb("list", "models on this machine", lambda verb: add_common(verb, "--json"), _list),
        Verb("show", "card of a model", _add_show, _show),
        Verb("fetch", "fetch a published model by name", _add_fetch, _fetch),
        Verb(
            "import-keras",
            "convert the weights of Hosny et al. 2018 (Keras 1.2.2 .h5)",
            _add_import_keras,
            _import_keras,
        ),
        Verb(
            "import-encoder",
            "convert a published trunk: fmcib, ct-fm, vista3d",
            _add_import_encoder,
            _import_encoder,
        ),
        Verb("verify", "compare a model with expected outputs", _add_verify, _verify),
        Verb(
            "train-demo",
            "train the demo models on phantoms (less than an hour)",
            _add_train_demo,
            _train_demo,
        ),
    )
    add_verbs(parser, verbs)


def _add_show(show: argparse.ArgumentParser) -> None:
    _add_model(show)
    add_common(show, "--json")


def _add_import_keras(importing: argparse.ArgumentParser) -> None:
    importing.add_argument("weights", metavar="WEIGHTS.h5", help="weights as published")
    _add_model_file(importing)


def _add_verify(verify: argparse.ArgumentParser) -> None:
    _add_model(verify)
    verify.add_argument(
        "expected", metavar="EXPECTED.npz", help="arrays x, softmax, features and logits"
    )
    add_number(verify, "--tolerance", 1e-5, "largest difference that passes", metavar="T")
    add_common(verify, "--json")


def _add_train_demo(training: argparse.ArgumentParser) -> None:
    add_out_argument(training, metavar="FOLDER")
    training.add_argument("--only", metavar="NAME", help="train only this model")
    training.add_argument(
        "--reference-only",
        action="store_true",
        help="measure the held-out phantoms again with the models in FOLDER, and keep the weights",
    )
    training.add_argument(
        "--jobs", type=int, metavar="N", help="number of processes and threads (default: all cores)"
    )


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument("name", metavar="NAME", nargs="?", help="model, see --list")
    fetch.add_argument(
        "--list", action="store_true", help="print names, sizes and licences, and fetch nothing"
    )
    fetch.add_argument(
        "-o", "--out", metavar="DIR", help="output folder (default: that of your models)"
    )
    fetch.add_argument(
        "--weights", metavar="FILE", help="published weights on this machine: no internet is used"
    )
    fetch.add_argument(
        "--cohort",
        metavar="DIR",
        help="output of `cohort fetch nsclc-radiomics`: compare with published outputs of its "
        "patients",
    )
    fetch.add_argument(
        "--server", metavar="URL", help="mirror with the same paths (default: GitHub)"
    )
    add_common(fetch, "--json")


def _add_import_encoder(importing: argparse.ArgumentParser) -> None:
    importing.add_argument("name", metavar="NAME", help="fmcib, ct-fm or vista3d")
    importing.add_argument(
        "weights", metavar="WEIGHTS", help="weights as published: a file of PyTorch or safetensors"
    )
    _add_model_file(importing)


def _add_model_file(importing: argparse.ArgumentParser) -> None:
    add_out_argument(importing, metavar="MODEL.safetensors", text="model file")


def _add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="NAME_OR_FILE", help="model, by its name or its file")


def _list(arguments: argparse.Namespace) -> None:
    from ..models.catalogue import available

    entries = available()
    if arguments.json:
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


def _show(arguments: argparse.Namespace) -> None:
    from ..models.catalogue import find
    from ..models.file import read_card
    from ..statistics.text import format_estimate

    card = read_card(find(arguments.model))
    if arguments.json:
        print_json(asdict(card))
        return
    if card.notice:
        print(printable(card.notice))
    by_volume = card.baseline.metrics if card.baseline else {}
    baseline = [(f"{name} of the volume alone", metric) for name, metric in by_volume.items()]
    print_table(
        [
            ("name", card.name),
            ("title", card.title),
            ("question", card.question),
            ("classes", ", ".join(f"{label.code} ({label.name})" for label in card.classes)),
            ("input", str(card.input)),
            ("trained on", card.training.data),
            *([("training patients", str(card.training.seen))] if card.training.seen else []),
            *(
                [("overlap", card.training.overlap_allowed)]
                if card.training.overlap_allowed
                else []
            ),
            *(
                (name, f"{format_estimate(m)}, n = {m.n}, {m.where}")
                for name, m in (*card.metrics.items(), *baseline)
            ),
            ("intended use", card.intended_use),
            *(("must not", sentence) for sentence in card.must_not),
            ("licence", card.licence),
        ]
    )


def _fetch(arguments: argparse.Namespace) -> None:
    from ..models.published import SERVER, fetch_model, published_models

    if arguments.list:
        ignored = {"name": None, "out": None, "weights": None, "server": None, "cohort": None}
        refuse_ignored(arguments, "--list prints what can be had.", **ignored)
        models = published_models()
        if arguments.json:
            print_json([asdict(model) for model in models])
            return
        rows = [
            (m.name, f"{m.size / 1e6:.1f} MB" if m.size else "?", m.licence, m.hospital, m.title)
            for m in models
        ]
        print_table([("NAME", "SIZE", "LICENCE", "IN A HOSPITAL", "TITLE"), *rows])
        return
    if arguments.weights is not None:
        refuse_ignored(arguments, "--weights needs no server.", server=None)
    if arguments.name is None:
        raise InputError("Name a model: `lungsquad models fetch --list` prints their names.")
    with bar() as progress:
        path = fetch_model(
            arguments.name,
            arguments.out,
            source=arguments.weights,
            server=arguments.server or SERVER,
            progress=progress,
        )
    outputs = [] if arguments.cohort is None else _published_outputs(path, arguments.cohort)
    if arguments.json:
        print_json({"path": str(path), "published_outputs": outputs})
        return
    if outputs:
        compared = [
            (each["patient"], f"{each['here']:.4f}", f"{each['published']:.4f}") for each in outputs
        ]
        print_table([("ALIVE AT TWO YEARS", "HERE", "PUBLISHED"), *compared])
    print(path)


def _published_outputs(path: Path, cohort: str) -> list[dict[str, str | float]]:
    """Compare a model with the published outputs of the patients whose CT is at hand."""
    from ..models.file import read_model_file
    from ..pipeline.reproduce.hosny import compare_with_published

    return [
        {"patient": patient, "here": here, "published": published}
        for patient, here, published in compare_with_published(read_model_file(path), cohort)
    ]


def _import_keras(arguments: argparse.Namespace) -> None:
    from ..models.file import write_model_file
    from ..models.keras_import import import_keras

    network, card = import_keras(arguments.weights)
    digest = write_model_file(arguments.out, network, card=card)
    print(f"written  {arguments.out}\nsha256   {digest}")


def _import_encoder(arguments: argparse.Namespace) -> None:
    from ..models.encoder_import import import_encoder
    from ..models.file import write_model_file

    network, card = import_encoder(arguments.name, arguments.weights)
    digest = write_model_file(arguments.out, network, card=card)
    print(f"written  {arguments.out}\nlicence  {card.licence}\nsha256   {digest}")


def _train_demo(arguments: argparse.Namespace) -> None:
    from ..training.demo_models import renew_references, train_demo_models

    make = renew_references if arguments.reference_only else train_demo_models
    with bar() as progress:
        written = make(arguments.out, only=arguments.only, jobs=arguments.jobs, progress=progress)
    print_table(written.items())


def _verify(arguments: argparse.Namespace) -> int:
    from ..models.catalogue import read_model
    from ..models.verify import verify

    result = verify(
        read_model(arguments.model, kind="classifier"),
        arguments.expected,
        tolerance=arguments.tolerance,
    )
    if arguments.json:
        print_json({"differences": result.differences, "tolerance": result.tolerance})
    else:
        print_table([(name, f"{value:.3g}") for name, value in result.differences.items()])
        print("agrees" if result.passed else f"differs by more than {result.tolerance:g}")
    return 0 if result.passed else 1
