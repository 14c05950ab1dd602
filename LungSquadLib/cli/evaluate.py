"""`lungsquad evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import add_options, from_namespace
from ..pipeline.options import refuse_ignored
from .output import add_common, add_number, print_json, printable

if TYPE_CHECKING:
    from ..evaluation.classifier.results import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    from ..evaluation.classifier.rows import Columns

    parser.add_argument(
        "table", metavar="TABLE.csv", help="table with a row for each case, or each case and repeat"
    )
    add_options(parser, Columns)
    parser.add_argument(
        "--radiomics",
        metavar="FILE.csv",
        help="table of `lungsquad radiomics`, pyradiomics or mirp: a baseline, fitted on the other "
        "folds (--fold) for each fold; rows are matched by the column case, or the patient's",
    )
    parser.add_argument(
        "--positive", metavar="VALUE", help="positive class (default: the last in order)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="threshold of the score that was fixed before"
    )
    add_number(parser, "--seed", 0, "random seed of the bootstrap")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="output folder for figures, a page and all numbers"
    )
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Evaluate scores or predicted classes, and print the metrics."""
    from ..evaluation.classifier.evaluate import evaluate
    from ..evaluation.classifier.rows import Columns
    from ..evaluation.classifier.table import read_table
    from ..imaging.files.write import check_distinct
    from ..report.classifier.page import FILES
    from ..report.classifier.text import as_text

    columns = from_namespace(Columns, arguments)
    names = tuple(columns)
    if columns.score is None:
        refuse_ignored(arguments, "it is about a --score.", threshold=None)
    if arguments.out is not None:
        check_distinct([Path(arguments.out) / name for name in FILES], [arguments.table])
    if arguments.radiomics is not None:
        from ..data.feature_table import read_feature_table
        from ..evaluation.classifier.radiomics import key_column, with_radiomics

        features = read_feature_table(arguments.radiomics)
        table = read_table(arguments.table, (*names, key_column(features, columns)))
        table, columns = with_radiomics(table, columns, features, positive=arguments.positive)
    else:
        table = read_table(arguments.table, names)
    evaluation = evaluate(
        table,
        columns,
        positive=arguments.positive,
        threshold=arguments.threshold,
        seed=arguments.seed,
    )
    page = _written(evaluation, arguments) if arguments.out is not None else ""
    if arguments.json:
        print_json(evaluation.to_dict())
    else:
        print(printable(f"{as_text(evaluation)}{page}"))


def _written(evaluation: Evaluation, arguments: argparse.Namespace) -> str:
    from ..report.classifier.page import write_evaluation

    return f"\n\n{write_evaluation(evaluation, arguments.out)}"
