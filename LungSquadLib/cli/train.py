"""`lungsquad train`: of a classifier, images, integration or an autoencoder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError, need
from ..options import add_options, from_namespace, listed, refuse_ignored
from ..pipeline.options import add_jobs
from .output import Verb, add_common, add_verbs, bar, print_json, printable
from .train_images import CONTINUES, SEVERAL, add_card, add_run, card_text, device, image_trainings

if TYPE_CHECKING:
    from ..data.tables.matrix import Joined
    from ..progress import Progress
    from ..training.classifier.options import ClassifierOptions
    from ..training.integration.options import IntegrationOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    verbs = (
        Verb(
            "classifier",
            "classifier of tumour crops",
            _add_classifier,
            _train_classifier,
            "Cross-validates a classifier on a store of `lungsquad cohort build`, trains the final "
            f"model, and evaluates it. {CONTINUES} {SEVERAL}",
        ),
        *image_trainings(),
        Verb(
            "integration",
            "classifier of molecular, clinical and image tables",
            _add_integration,
            _train_integration,
            "Cross-validates the integration network on tables, with an inner cross-validation, "
            "and compares it with each single source, logistic regression and clinical facts; "
            "trains the final model; and reports the contribution of each source. The device is "
            "for the features of images; the network of the tables trains on the processor. "
            + CONTINUES,
        ),
        Verb(
            "autoencoder",
            "clusters of patients by a variational autoencoder",
            _add_autoencoder,
            _train_autoencoder,
            "Trains variational autoencoders on a table of numbers, such as gene expression, "
            "clusters the patients in the latent space, and reports the associations of the "
            "clusters with stage, histology, sex, site and survival. `lungsquad autoencoder "
            f"assign` assigns new patients. {CONTINUES}",
        ),
    )
    add_verbs(parser, verbs)


def _add_classifier(verb: argparse.ArgumentParser) -> None:
    from ..training.classifier.options import ClassifierOptions

    verb.add_argument("store", metavar="STORE", help="store of `lungsquad cohort build`")
    add_run(verb, "target", "network", "validation", "training")
    add_options(verb, ClassifierOptions)
    add_card(verb, name="the label", question=True)
    add_jobs(verb, what="parallel trainings")
    add_common(verb, "--json")


def _train_classifier(arguments: argparse.Namespace) -> None:
    """Train a classifier, evaluate it, and print the metrics."""
    from ..training.classifier.options import ClassifierOptions

    options = from_namespace(ClassifierOptions, arguments, device=device(arguments))
    if options.init is not None:
        refuse_ignored(options, ["width", "hu"], "a pretrained trunk (--init) has its own.")
    if options.freeze != "trunk":
        refuse_ignored(options, ["views"], "it needs a frozen trunk (--init, --freeze trunk).")
    else:
        refuse_ignored(options, ["precision"], "a head on a frozen trunk is trained in fp32.")
    if options.split is not None:
        refuse_ignored(options, ["folds"], "--split is a single split.")
    _check_synthetic(options)
    from ..pipeline.evaluate_run import evaluate_run
    from ..report.classifier.text import as_text
    from ..training.classifier.experiment import train_classifier

    with bar() as progress:
        finished = train_classifier(
            arguments.store,
            arguments.out,
            options,
            card_text=card_text(arguments),
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


def _check_synthetic(options: ClassifierOptions | IntegrationOptions) -> None:
    if options.synthetic is None:
        refuse_ignored(options, ["synthetic_fraction"], "there is no --synthetic.")


def _add_integration(verb: argparse.ArgumentParser) -> None:
    from ..training.integration.options import IntegrationOptions

    add_run(verb, "patients", "target", "validation", "training")
    patients = next(group for group in verb._action_groups if group.title == "patients")
    _add_sources(
        patients,
        "expression=E.csv, clinical=C.csv, radiomics=R.csv or STORE (of `lungsquad radiomics`, "
        "pyradiomics or mirp; or computed from a store), image=STORE (features of the masks), "
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
    add_card(verb, name="the label", question=True)
    add_common(verb, "--json")


def _add_sources(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument("--sources", required=True, nargs="+", metavar="NAME=FILE", help=text)
    add_common(parser, "--mapping")


def _train_integration(arguments: argparse.Namespace) -> None:
    """Train the integration network, evaluate it, and print the results."""
    need("torch", "sklearn", "matplotlib")
    from ..training.integration.options import IntegrationOptions

    options = from_namespace(IntegrationOptions, arguments)
    if arguments.both_directions and not arguments.external_test:
        raise InputError("--both-directions needs another cohort: name it with --external-test.")
    if arguments.external_test:
        refuse_ignored(options, ["folds"], "--external-test replaces the cross-validation.")
    _check_synthetic(options)
    from ..pipeline.report_integration import report_integration
    from ..pipeline.sources import training_images
    from ..training.integration.experiment import train_integration

    with bar() as progress:
        cohort = _read_sources(arguments, arguments.sources, progress)
        external = arguments.external_test
        other = _read_sources(arguments, external, progress) if external else None
        runs = {arguments.out: (arguments.sources, cohort, other)}
        if arguments.both_directions and other is not None:
            runs = {
                f"{arguments.out}/forward": (arguments.sources, cohort, other),
                f"{arguments.out}/reverse": (external, other, cohort),
            }
        results = {}
        for folder, (sources, training, external_test) in runs.items():
            images = None
            if options.synthetic is not None:
                images = training_images(
                    sources, allow_overlap=options.allow_overlap, device=device(arguments)
                )
            finished = train_integration(
                training,
                folder,
                options,
                external_test=external_test,
                images=images,
                card_text=card_text(arguments),
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
        device=device(arguments),
        progress=progress,
    )


def _print_findings(sentences: Sequence[str], cautions: Sequence[str], folder: str) -> None:
    for sentence in (*sentences, *(f"note: {caution}" for caution in cautions)):
        print(printable(sentence))
    print(f"{folder}/model.safetensors")
    print(f"{folder}/index.html")


def _add_autoencoder(verb: argparse.ArgumentParser) -> None:
    from ..training.autoencoder.options import AutoencoderOptions

    _add_sources(
        verb,
        "a table of numbers (expression=E.csv), radiomics=R.csv or STORE, and clinical tables "
        "(clinical=C.csv); or a folder "
        "of `lungsquad tables join`",
    )
    add_run(verb)
    add_options(verb, AutoencoderOptions)
    add_common(verb, "--keep-ids")
    verb.add_argument(
        "--allow-overlap",
        action="store_true",
        help="continue if the network of a source was trained on the patients; the results say so",
    )
    add_common(verb, "--json")
    add_card(verb, name="autoencoder", question=True)


def _train_autoencoder(arguments: argparse.Namespace) -> None:
    """Train autoencoders and print the associations of the clusters."""
    need("torch", "sklearn", "matplotlib")
    from ..training.autoencoder.options import AutoencoderOptions

    options = from_namespace(AutoencoderOptions, arguments, device=device(arguments))
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
            card_text=card_text(arguments),
            threads=arguments.threads or 1,
            progress=Part(progress, 0.1, 0.7),
        )
        groups = write_groups(finished, progress=Part(progress, 0.7, 1.0))
    if arguments.json:
        print_json(groups.to_dict())
        return
    _print_findings(groups.findings, groups.cautions, arguments.out)
