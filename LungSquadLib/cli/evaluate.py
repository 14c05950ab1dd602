"""`lungsquad evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.arguments import refuse_ignored
from .output import add_json_argument, print_json, printable

if TYPE_CHECKING:
    from ..evaluation.classifier.results import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `evaluate`."""
    add = parser.add_argument
    add("table", metavar="TABLE.csv", help="a row for each case, or each case and repeat")
    add("--label", required=True, metavar="COL", help="what is true")
    add("--score", metavar="COL", help="a probability, or any number that is higher for positive")
    add("--predicted", metavar="COL", help="hard answers, in the label's words")
    add(
        "--baseline",
        action="append",
        default=[],
        metavar="COL",
        help="another score to compare with, such as tumour volume; may be given again",
    )
    add("--group", metavar="COL", help="the patient, where one has several rows")
    add("--repeat", metavar="COL", help="the repeat, such as a seed of cross-validation")
    add(
        "--fold",
        metavar="COL",
        help="the fold of a cross-validation: scores are ranked within folds, whose networks have "
        "no common scale",
    )
    add("--part", metavar="COL", help="'validation' (thresholds are chosen there) or 'test'")
    add("--time", metavar="COL", help="follow-up time, in any unit")
    add("--event", metavar="COL", help="1 where the event came, 0 where follow-up ended")
    add("--positive", metavar="VALUE", help="the positive label (the last in order)")
    add("--threshold", type=float, metavar="T", help="a threshold that was fixed beforehand")
    add("--seed", type=int, default=0, metavar="N", help="of the bootstrap (0)")
    add("-o", "--out", metavar="DIR", help="write figures, a page and all numbers there")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Read, measure, write, tell."""
    from ..evaluation.classifier.evaluate import evaluate
    from ..evaluation.classifier.rows import Columns
    from ..evaluation.classifier.table import read_table
    from ..imaging.files.write import check_distinct
    from ..report.classifier.text import as_text
    from ..report.classifier.write import FILES

    if options.score is None:
        refuse_ignored(
            options,
            "they are about a --score.",
            baseline=[],
            threshold=None,
            time=None,
            event=None,
        )
    if options.out is not None:
        check_distinct([Path(options.out) / name for name in FILES], [options.table])
    columns = Columns(
        label=options.label,
        score=options.score,
        predicted=options.predicted,
        baselines=tuple(options.baseline),
        group=options.group,
        repeat=options.repeat,
        fold=options.fold,
        part=options.part,
        time=options.time,
        event=options.event,
    )
    evaluation = evaluate(
        read_table(options.table, columns),
        columns,
        positive=options.positive,
        threshold=options.threshold,
        seed=options.seed,
    )
    page = _written(evaluation, options) if options.out is not None else ""
    if options.json:
        print_json(evaluation.to_dict())
    else:
        print(printable(f"{as_text(evaluation)}{page}"))


def _written(evaluation: Evaluation, options: argparse.Namespace) -> str:
    from ..report.classifier.write import write_evaluation

    return f"\n\n{write_evaluation(evaluation, options.out)}"
