"""`lungsquad train classifier | gan | inpainting | integration | autoencoder`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError, need
from ..options import add_options, from_namespace, listed, refuse_ignored
from ..pipeline.options import add_device, add_jobs
from .output import (
    add_debug_argument,
    add_json_argument,
    add_keep_ids_argument,
    add_mapping_argument,
    bar,
    print_json,
    print_table,
    printable,
)

if TYPE_CHECKING:
    from ..data.tables.matrix import Joined
    from ..progress import Progress
    from ..training.card import CardText

_CARD = ("name", "title", "question", "licence", "notice")
_CONTINUES = "The same call continues a run that was stopped."
_SEVERAL = "For several devices or machines: torchrun --no-python ... lungsquad train ..."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    verbs = parser.add_subparsers(dest="train_verb", required=True, metavar="VERB")
    _add_classifier(verbs)
    _add_gan(verbs)
    _add_inpainting(verbs)
    _add_integration(verbs)
    _add_autoencoder(verbs)
    for verb in verbs.choices.values():
        add_debug_argument(verb)


def run(arguments: argparse.Namespace) -> None:
    """Run the chosen training."""
    arguments.train(arguments)


def _add_run(verb: argparse.ArgumentParser, *sections: str) -> None:
    """Add the folder and the device, and sections of the help in their order."""
    verb.add_argument("-o", "--out", required=True, metavar="RUN", help="folder of the run")
    add_device(verb)
    for title in sections:
        verb.add_argument_group(title)


def _add_store(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("store", metavar="STORE", help="store of `lungsquad cohort build`")


def _add_card(verb: argparse.ArgumentParser, *, name: str, question: bool = False) -> None:
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


def _card_text(arguments: argparse.Namespace) -> CardText:
    from ..training.card import CardText

    return CardText(**{name: getattr(arguments, name, None) for name in _CARD})


def _device(arguments: argparse.Namespace) -> str:
    """Return the device; `InputError` if this machine has no such device."""
    from ..networks.devices import chosen_device

    return str(chosen_device(arguments.device))


def _add_classifier(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..training.classifier.options import ClassifierOptions

    verb = verbs.add_parser(
        "classifier",
        help="classifier of tumour crops",
        description="Cross-validates a classifier on a store of `lungsquad cohort build`, trains "
        f"the final model, and evaluates it. {_CONTINUES} {_SEVERAL}",
    )
    _add_store(verb)
    _add_run(verb, "target", "network", "validation", "training")
    add_options(verb, ClassifierOptions)
    _add_card(verb, name="the label", question=True)
    add_jobs(verb, what="parallel trainings")
    add_json_argument(verb)
    verb.set_defaults(train=_train_classifier)


def _train_classifier(arguments: argparse.Namespace) -> None:
    """Train a classifier, evaluate it, and print the metrics."""
    from ..training.classifier.options import ClassifierOptions

    options = from_namespace(ClassifierOptions, arguments, device=_device(arguments))
    if options.init is not None:
        refuse_ignored(options, ["width", "hu"], "a pretrained trunk (--init) has its own.")
    if options.freeze != "trunk":
        refuse_ignored(options, ["views"], "it needs a frozen trunk (--init, --freeze trunk).")
    else:
        refuse_ignored(options, ["precision"], "a head on a frozen trunk is trained in fp32.")
    if options.split is not None:
        refuse_ignored(options, ["folds"], "--split is a single split.")
    if options.synthetic is None:
        refuse_ignored(options, ["synthetic_fraction"], "there is no --synthetic.")
    from ..pipeline.evaluate_run import evaluate_run
    from ..report.classifier.text import as_text
    from ..training.classifier.experiment import train_classifier

    with bar() as progress:
        finished = train_classifier(
            arguments.store,
            arguments.out,
            options,
            card_text=_card_text(arguments),
            jobs=arguments.jobs,
            progress=progress,
        )
    if not finished.is_main_process:
        return
    evaluation = evaluate_run(finished)
    if arguments.json:
        print_json(evaluation.to_dict())
        return
    for sentence in finished.warnings:
        print(printable(f"warning: {sentence}"))
    print(printable(as_text(evaluation)))
    print(f"{arguments.out}/model.safetensors")
    print(f"{arguments.out}/evaluation/index.html")


def _add_gan(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..training.gan.options import GanOptions

    verb = verbs.add_parser(
        "gan",
        help="generator of synthetic CT slices with tumour masks",
        description="Trains a progressive GAN on slices of `lungsquad gan data`. `lungsquad gan "
        f"audit` measures the model, `lungsquad gan sample` uses it. {_CONTINUES} {_SEVERAL}",
    )
    verb.add_argument("slices", metavar="SLICES", help="slices of `lungsquad gan data`")
    _add_run(verb)
    add_options(verb, GanOptions)
    _add_card(verb, name="generator")
    verb.set_defaults(train=_train_gan)


def _train_gan(arguments: argparse.Namespace) -> None:
    """Train a GAN and print the path of the model."""
    from ..training.gan.options import GanOptions

    options = from_namespace(GanOptions, arguments, device=_device(arguments))
    from ..training.gan.experiment import train_gan

    with bar() as progress:
        model = train_gan(
            arguments.slices,
            arguments.out,
            options,
            card_text=_card_text(arguments),
            progress=progress,
        )
    if model is not None:
        print(model)


def _add_inpainting(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..training.inpainting.options import InpaintingOptions

    verb = verbs.add_parser(
        "inpainting",
        help="inpainting of synthetic tumours in CT",
        description="Trains a network that inpaints a tumour at the place of a mask, on a store "
        "of `lungsquad cohort build`, and measures it on held-out patients. `lungsquad inpaint` "
        f"uses the model. {_CONTINUES}",
    )
    _add_store(verb)
    _add_run(verb)
    add_options(verb, InpaintingOptions)
    _add_card(verb, name="inpainting")
    add_json_argument(verb)
    verb.set_defaults(train=_train_inpainting)


def _train_inpainting(arguments: argparse.Namespace) -> None:
    """Train an inpainting network and print its metrics on held-out patients."""
    from dataclasses import asdict

    from ..training.inpainting.options import InpaintingOptions

    options = from_namespace(InpaintingOptions, arguments, device=_device(arguments))
    from ..training.inpainting.experiment import train_inpainting

    with bar() as progress:
        metrics = train_inpainting(
            arguments.store,
            arguments.out,
            options,
            card_text=_card_text(arguments),
            progress=progress,
        )
    if arguments.json:
        print_json({name: asdict(metric) for name, metric in metrics.items()})
    elif metrics:
        rows = [
            (name, f"{m.value:.2f}", f"{m.low:.2f} to {m.high:.2f}") for name, m in metrics.items()
        ]
        print_table([("ON HELD-OUT PATIENTS", "MEAN", "95 %"), *rows])
        print(f"{arguments.out}/model.safetensors")


def _add_integration(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..training.integration.options import IntegrationOptions

    verb = verbs.add_parser(
        "integration",
        help="classifier of molecular, clinical and image tables",
        description="Cross-validates the integration network on tables, with an inner "
        "cross-validation, and compares it with each single source, logistic regression and "
        "clinical facts; trains the final model; and reports the contribution of each source. "
        "The device is for the features of images; the network of the tables trains on the "
        f"processor. {_CONTINUES}",
    )
    _add_run(verb, "patients", "target", "validation", "training")
    patients = next(group for group in verb._action_groups if group.title == "patients")
    _add_sources(
        patients,
        "expression=E.csv, clinical=C.csv, radiomics=R.csv, image=STORE (features of the masks), "
        "image=STORE:MODEL (features of a network); or a folder of `lungsquad tables join`",
    )
    patients.add_argument(
        "--external-test",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="sources of another cohort to test on, in place of the cross-validation",
    )
    patients.add_argument(
        "--both-directions",
        action="store_true",
        help="also train on the other cohort; the runs are RUN/forward and RUN/reverse",
    )
    patients.add_argument(
        "--clinical-columns",
        metavar="A,B,...",
        help="clinical facts that are inputs, such as age,sex,smoking (default: none)",
    )
    add_options(verb, IntegrationOptions)
    _add_card(verb, name="the label", question=True)
    add_json_argument(verb)
    verb.set_defaults(train=_train_integration)


def _add_sources(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument("--sources", required=True, nargs="+", metavar="NAME=FILE", help=text)
    add_mapping_argument(parser)


def _train_integration(arguments: argparse.Namespace) -> None:
    """Train the integration network, evaluate it, and print the results."""
    need("torch", "sklearn", "matplotlib")
    from ..training.integration.options import IntegrationOptions

    options = from_namespace(IntegrationOptions, arguments)
    if arguments.both_directions and not arguments.external_test:
        raise InputError("--both-directions needs another cohort: name it with --external-test.")
    if arguments.external_test:
        refuse_ignored(options, ["folds"], "--external-test replaces the cross-validation.")
    from ..pipeline.report_integration import report_integration
    from ..training.integration.experiment import train_integration

    with bar() as progress:
        cohort = _read_sources(arguments, arguments.sources, progress)
        external = arguments.external_test
        other = _read_sources(arguments, external, progress) if external else None
        runs = {arguments.out: (cohort, other)}
        if arguments.both_directions and other is not None:
            runs = {
                f"{arguments.out}/forward": (cohort, other),
                f"{arguments.out}/reverse": (other, cohort),
            }
        results = {}
        for folder, (training, external_test) in runs.items():
            finished = train_integration(
                training,
                folder,
                options,
                external_test=external_test,
                card_text=_card_text(arguments),
                threads=arguments.threads or 1,
                progress=progress,
            )
            results[folder] = report_integration(finished)
    if arguments.json:
        print_json({folder: result.to_dict() for folder, result in results.items()})
        return
    for folder, result in results.items():
        _print_findings(result.sentences, result.cautions, folder)


def _read_sources(
    arguments: argparse.Namespace, sources: Sequence[str], progress: Progress
) -> Joined:
    from ..pipeline.sources import read_sources

    return read_sources(
        sources,
        mapping=arguments.mapping,
        clinical_columns=listed(arguments.clinical_columns),
        allow_overlap=getattr(arguments, "allow_overlap", False),
        device=_device(arguments),
        progress=progress,
    )


def _print_findings(sentences: Sequence[str], cautions: Sequence[str], folder: str) -> None:
    for sentence in (*sentences, *(f"note: {caution}" for caution in cautions)):
        print(printable(sentence))
    print(f"{folder}/model.safetensors")
    print(f"{folder}/index.html")


def _add_autoencoder(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..training.autoencoder.options import AutoencoderOptions

    verb = verbs.add_parser(
        "autoencoder",
        help="clusters of patients by a variational autoencoder",
        description="Trains variational autoencoders on a table of numbers, such as gene "
        "expression, clusters the patients in the latent space, and reports the associations of "
        "the clusters with stage, histology, sex, site and survival. `lungsquad autoencoder "
        f"assign` assigns new patients. {_CONTINUES}",
    )
    _add_sources(
        verb,
        "a table of numbers (expression=E.csv) and clinical tables (clinical=C.csv); or a folder "
        "of `lungsquad tables join`",
    )
    _add_run(verb)
    add_options(verb, AutoencoderOptions)
    add_keep_ids_argument(verb)
    verb.add_argument(
        "--allow-overlap",
        action="store_true",
        help="continue if the network of a source was trained on the patients; the results say so",
    )
    add_json_argument(verb)
    _add_card(verb, name="autoencoder", question=True)
    verb.set_defaults(train=_train_autoencoder)


def _train_autoencoder(arguments: argparse.Namespace) -> None:
    """Train autoencoders and print the associations of the clusters."""
    need("torch", "sklearn", "matplotlib")
    from ..training.autoencoder.options import AutoencoderOptions

    options = from_namespace(AutoencoderOptions, arguments, device=_device(arguments))
    from ..pipeline.sources import read_sources
    from ..progress import Part
    from ..report.clusters.page import write_groups
    from ..training.autoencoder.experiment import train_autoencoder

    with bar() as progress:
        joined = read_sources(
            arguments.sources,
            mapping=arguments.mapping,
            keep_ids=arguments.keep_ids,
            allow_overlap=arguments.allow_overlap,
            device=options.device,
            progress=Part(progress, 0.0, 0.1),
        )
        finished = train_autoencoder(
            joined,
            arguments.out,
            options,
            card_text=_card_text(arguments),
            threads=arguments.threads or 1,
            progress=Part(progress, 0.1, 0.7),
        )
        groups = write_groups(finished, progress=Part(progress, 0.7, 1.0))
    if arguments.json:
        print_json(groups.to_dict())
        return
    _print_findings(groups.findings, groups.cautions, arguments.out)
