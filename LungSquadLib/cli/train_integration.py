"""`lungsquad train integration`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError, need
from ..options import listed
from ..pipeline.options import refuse_ignored
from .output import add_json_argument, bar, print_json, printable
from .training_arguments import add_card, add_run, card_text_of, device_of

if TYPE_CHECKING:
    from ..data.tables.matrix import Joined
    from ..progress import Progress
    from ..training.integration.options import IntegrationOptions


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `integrate` to the verbs of `train`."""
    verb = verbs.add_parser(
        "integration",
        help="tell a label from molecular, clinical and image data of the same patients",
        description="Cross-validates the integration network on tables, nested, against each "
        "source alone, logistic regression and clinical facts; trains the model that comes out of "
        "it; and writes a page that says what each source adds. Call it again to go on where it "
        "was stopped. The device is for the features of images; the tables' network trains on the "
        "processor.",
    )
    add_run(verb)
    _add_data(verb.add_argument_group("the patients"))
    _add_task(verb.add_argument_group("what to tell"))
    _add_training(verb.add_argument_group("how it is trained and tested"))
    add_card(verb, name="the label", question=True)
    add_json_argument(verb)
    verb.set_defaults(train=run)


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sources",
        required=True,
        nargs="+",
        metavar="NAME=FILE",
        help="expression=E.csv, clinical=C.csv, radiomics=R.csv, image=STORE (features of the "
        "mask) or image=STORE:MODEL (of a network); or a folder of `lungsquad tables join`",
    )
    group.add_argument(
        "--external-test",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="patients of another cohort to test on, in place of cross-validation",
    )
    group.add_argument(
        "--both-directions",
        action="store_true",
        help="and the other way round: RUN/there and RUN/back",
    )
    group.add_argument("--mapping", metavar="JSON", help="what a clinical table's columns mean")
    group.add_argument(
        "--clinical-columns",
        metavar="A,B,...",
        help="facts that the network reads, such as age,sex,smoking (none)",
    )
    group.add_argument("--exclude-columns", metavar="A,B,...", help="columns that are not used")
    group.add_argument(
        "--reference-scores",
        metavar="A,B,...",
        help="columns with scores of others, to compare with, not to learn from",
    )


def _add_task(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--label",
        required=True,
        metavar="COL",
        help="histology, t_stage, survival2y, or any column of the tables",
    )
    group.add_argument("--classes", metavar="A,B,...", help="its values to tell, in this order")
    group.add_argument("--positive", metavar="A", help="the class that AUC is about (the last)")
    group.add_argument("--ordinal", action="store_true", help="the classes stand in an order")


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--folds", type=int, default=5, metavar="N", help="5")
    group.add_argument("--seeds", type=int, default=5, metavar="N", help="repeats (5)")
    group.add_argument("--by-site", action="store_true", help="keep each site in one fold")
    group.add_argument("--inner-folds", type=int, default=3, metavar="N", help="inner folds (3)")
    group.add_argument(
        "--branch-width",
        type=int,
        default=0,
        metavar="N",
        help="units of a layer for each source (none)",
    )
    group.add_argument("--epochs", type=int, default=60, metavar="N", help="at most (60)")
    group.add_argument(
        "--allow-leakage", action="store_true", help="go on where a column looks like the label"
    )
    group.add_argument(
        "--allow-overlap",
        action="store_true",
        help="go on where a source's network has seen the patients, which is said, or where both "
        "cohorts have the same names: they are taken for different patients",
    )


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, and tell."""
    need("torch", "sklearn", "matplotlib")
    if options.both_directions and not options.external_test:
        raise InputError(
            "--both-directions needs another cohort: name its tables with --external-test."
        )
    if options.external_test:
        refuse_ignored(options, "another cohort is tested on (--external-test).", folds=5)
    from ..pipeline.report_integration import report_integration
    from ..training.integration.experiment import train_integration

    with bar() as progress:
        joined = _read(options, options.sources, progress)
        other = _read(options, options.external_test, progress) if options.external_test else None
        ways = {options.out: (joined, other)}
        if options.both_directions and other is not None:
            ways = {
                f"{options.out}/there": (joined, other),
                f"{options.out}/back": (other, joined),
            }
        found = {}
        for place, (one, tested) in ways.items():
            finished = train_integration(
                one,
                place,
                _options(options),
                external_test=tested,
                card_text=card_text_of(options),
                threads=options.threads or 1,
                progress=progress,
            )
            found[place] = report_integration(finished)
    if options.json:
        print_json({place: result.to_dict() for place, result in found.items()})
        return
    for place, result in found.items():
        for sentence in (*result.sentences, *(f"note: {one}" for one in result.cautions)):
            print(printable(sentence))
        print(f"{place}/model.safetensors")
        print(f"{place}/index.html")


def _read(options: argparse.Namespace, texts: Sequence[str], progress: Progress) -> Joined:
    from ..pipeline.sources import read_sources

    return read_sources(
        texts,
        mapping=options.mapping,
        clinical_columns=listed(options.clinical_columns),
        allow_overlap=options.allow_overlap,
        device=device_of(options),
        progress=progress,
    )


def _options(given: argparse.Namespace) -> IntegrationOptions:
    from ..training.integration.options import IntegrationOptions

    return IntegrationOptions(
        label=given.label,
        classes=listed(given.classes),
        positive=given.positive,
        exclude_columns=listed(given.exclude_columns),
        reference_scores=listed(given.reference_scores),
        folds=given.folds,
        seeds=given.seeds,
        by_site=given.by_site,
        inner_folds=given.inner_folds,
        branch_width=given.branch_width,
        ordinal=given.ordinal,
        epochs=given.epochs,
        seed=given.seed,
        allow_leakage=given.allow_leakage,
        allow_overlap=given.allow_overlap,
    )
