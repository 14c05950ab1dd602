"""`lungsquad train classifier`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import InputError
from ..options import listed
from ..pipeline.options import refuse_ignored
from .output import bar, print_json, printable
from .training_arguments import add_card, add_run, card_text_of, device_of

if TYPE_CHECKING:
    from ..training.classifier.options import ClassifierOptions


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `classifier` to the verbs of `train`."""
    verb = verbs.add_parser(
        "classifier",
        help="tell a label of a store's cases from their crops",
        description="Cross-validates a classifier on a store of `lungsquad cohort build`, trains "
        "the model that comes out of it, and evaluates both. Call it again to go on where it was "
        "stopped. For several devices or machines: torchrun --no-python ... lungsquad train ...",
    )
    verb.add_argument("store", metavar="STORE", help="of `lungsquad cohort build`")
    add_run(verb)
    _add_task(verb.add_argument_group("what to tell"))
    _add_network(verb.add_argument_group("the network"))
    _add_test(verb.add_argument_group("how it is tested"))
    _add_training(verb.add_argument_group("how it is trained"))
    add_card(verb, name="the label", question=True)
    verb.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at once (1)")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(train=run)


def _add_task(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--label", required=True, metavar="COL", help="column of the store")
    group.add_argument(
        "--classes", metavar="A,B,...", help="its values to tell, in this order (all)"
    )
    group.add_argument("--positive", metavar="A", help="the class of AUC and risk (the last)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--init",
        metavar="MODEL",
        help="start from the trunk of this model, or of Keras weights (.h5); else from scratch",
    )
    group.add_argument(
        "--freeze",
        choices=("trunk", "gradual", "none"),
        help="trunk: train a head on the frozen trunk's features, which are kept (with --init the "
        "default); gradual: thaw it from its end; none: train all (without --init)",
    )
    group.add_argument(
        "--hidden",
        metavar="N,...",
        help="units of the head's dense layers (those of a start that has such, which are then "
        "taken over; else 128)",
    )
    group.add_argument("--dropout", type=float, default=0.5, metavar="P", help="in the head (0.5)")
    group.add_argument(
        "--width", type=float, default=1.0, metavar="W", help="of a trunk from scratch (1)"
    )
    group.add_argument("--size", type=int, default=64, metavar="N", help="voxels a side (64)")
    group.add_argument(
        "--hu",
        nargs=2,
        type=float,
        default=(-1000.0, 400.0),
        metavar=("LOW", "HIGH"),
        help="HU window of a network from scratch (-1000 400)",
    )


def _add_test(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--folds", type=int, default=5, metavar="N", help="1: one split (5)")
    group.add_argument("--seeds", type=int, default=3, metavar="N", help="repeats (3)")
    group.add_argument("--by-site", action="store_true", help="keep each site in one fold")
    group.add_argument(
        "--split", metavar="CSV", help="your own: columns case, part (train, validation, test)"
    )
    group.add_argument(
        "--clinical",
        action="append",
        default=[],
        metavar="COL",
        help="column of the clinical baseline; may be repeated",
    )
    group.add_argument(
        "--survival",
        nargs=2,
        metavar=("TIME", "EVENT"),
        help="columns of follow-up time and event (1 or 0): curves by risk, concordance",
    )
    group.add_argument(
        "--permuted-labels", action="store_true", help="control: also train on permuted labels"
    )
    group.add_argument(
        "--learning-curve", default="", metavar="N,...", help="learning curve: numbers of patients"
    )
    group.add_argument(
        "--allow-overlap",
        action="store_true",
        help="go on where patients, series or pixels overlap; the model is marked",
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--epochs", type=int, default=40, metavar="N", help="at most (40)")
    group.add_argument(
        "--patience",
        type=int,
        default=10,
        metavar="N",
        help="epochs without a better validation loss; 0: never end early (10)",
    )
    group.add_argument("--batch", type=int, default=8, metavar="N", help="samples an update (8)")
    group.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="0.001")
    group.add_argument(
        "--weight-decay", type=float, metavar="R", help="0.1 with a frozen trunk, else 0.001"
    )
    group.add_argument(
        "--views", type=int, default=8, metavar="N", help="of a case, trunk frozen (8)"
    )
    group.add_argument(
        "--synthetic",
        metavar="MODEL:FRACTION",
        help="train on tumours as well that this model of `lungsquad train inpainting` paints: so "
        "many for each training case",
    )
    group.add_argument(
        "--no-class-weights", action="store_true", help="do not weigh rare classes up in the loss"
    )
    group.add_argument(
        "--precision", default="fp32", choices=("fp32", "bf16"), help="bf16: mixed precision (fp32)"
    )


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, and tell."""
    from ..pipeline.evaluate_run import evaluate_run
    from ..report.classifier.text import as_text
    from ..training.classifier.experiment import train_classifier

    with bar() as progress:
        finished = train_classifier(
            options.store,
            options.out,
            _options(options),
            card_text=card_text_of(options),
            jobs=options.jobs,
            progress=progress,
        )
    if not finished.is_main_process:
        return
    evaluation = evaluate_run(finished)
    if options.json:
        print_json(evaluation.to_dict())
        return
    for sentence in finished.warnings:
        print(printable(f"warning: {sentence}"))
    print(printable(as_text(evaluation)))
    print(f"{options.out}/model.safetensors")
    print(f"{options.out}/evaluation/index.html")


def _refuse_ignored(given: argparse.Namespace, freeze: str) -> None:
    if given.init is not None:
        refuse_ignored(
            given,
            "they are of a trunk from scratch, and --init brings one.",
            width=1.0,
            hu=(-1000.0, 400.0),
        )
    if freeze != "trunk":
        refuse_ignored(given, "it is about a frozen trunk (--init, --freeze trunk).", views=8)
    elif given.precision == "bf16":
        refuse_ignored(given, "a head on a frozen trunk is trained in fp32.", precision="fp32")
    if given.split is not None:
        refuse_ignored(given, "--split brings one split of your own.", folds=5)


def _options(given: argparse.Namespace) -> ClassifierOptions:
    from ..training.classifier.options import ClassifierOptions

    freeze = given.freeze or ("trunk" if given.init else "none")
    _refuse_ignored(given, freeze)
    return ClassifierOptions(
        label=given.label,
        classes=listed(given.classes),
        positive=given.positive,
        init=given.init,
        freeze=freeze,
        folds=given.folds,
        seeds=given.seeds,
        by_site=given.by_site,
        split=given.split,
        clinical=tuple(given.clinical),
        survival=tuple(given.survival) if given.survival else None,
        hidden=None if given.hidden is None else _numbers("--hidden", given.hidden),
        dropout=given.dropout,
        width=given.width,
        size=given.size,
        hu=tuple(given.hu),
        views=given.views,
        permuted_labels=given.permuted_labels,
        learning_curve=_numbers("--learning-curve", given.learning_curve),
        synthetic=None if given.synthetic is None else _synthetic(given.synthetic),
        allow_overlap=given.allow_overlap,
        device=device_of(given),
        epochs=given.epochs,
        patience=given.patience,
        batch=given.batch,
        learning_rate=given.learning_rate,
        weight_decay=given.weight_decay,
        class_weights=not given.no_class_weights,
        precision=given.precision,
        seed=given.seed,
    )


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",") if text)
    except ValueError:
        raise InputError(f"{name} takes whole numbers with commas between, not '{text}'.") from None


def _synthetic(text: str) -> tuple[str, float]:
    model, _, fraction = text.rpartition(":")
    try:
        if model:
            return model, float(fraction)
    except ValueError:
        pass
    raise InputError(f"--synthetic takes MODEL:FRACTION, such as painter:0.5, not '{text}'.")
