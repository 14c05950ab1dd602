"""`lungsquad tables check | join | simulate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..pipeline.arguments import add_device, refuse_ignored
from .output import (
    add_json_argument,
    add_keep_column_argument,
    bar,
    print_json,
    print_table,
    printable,
)
from .streams import flush_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tables`."""
    verbs = parser.add_subparsers(dest="tables_verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="what each table is taken for, and what is odd in it")
    check.add_argument("tables", nargs="+", metavar="FILE", help="CSV, TSV, or one of them as .gz")
    join = verbs.add_parser("join", help="tables of the same patients as one folder")
    join.add_argument(
        "sources",
        nargs="+",
        metavar="NAME=FILE",
        help="expression=E.csv, clinical=C.csv, image=STORE (features of the masks), "
        "image=STORE:MODEL (of a network), or another name for a table of features",
    )
    join.add_argument("-o", "--out", required=True, metavar="FOLDER", help="where to write")
    join.add_argument(
        "--allow-overlap",
        action="store_true",
        help="go on where the network of a source has seen the patients; join.json says so",
    )
    add_keep_column_argument(join)
    add_device(join, default="cpu", devices=("cpu", "cuda", "mps"))
    for verb in (check, join):
        verb.add_argument(
            "--mapping", metavar="FILE.json", help="which column of which name has which fact"
        )
        verb.add_argument(
            "--keep-ids", action="store_true", help="name patients by their IDs, not by pseudonyms"
        )
        add_json_argument(verb)
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    _add_simulate(verbs)


def _add_simulate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "simulate",
        help="tables of patients whose truth is known",
        description="Writes expression.csv, features.csv and clinical.csv of made-up patients, and "
        "simulated.json with the truth: which genes follow the T stage, the histology, the sex and "
        "the hospital. To see what a method finds, and what it makes up: with --effect 0 there is "
        "nothing to be found of the tumour.",
    )
    verb.add_argument("-o", "--out", required=True, metavar="FOLDER", help="where to write")
    verb.add_argument("--patients", type=int, default=300, metavar="N", help="(300)")
    verb.add_argument("--genes", type=int, default=400, metavar="N", help="(400)")
    verb.add_argument(
        "--effect",
        type=float,
        default=1.0,
        metavar="SD",
        help="between neighbouring stages, and so on, in standard deviations of a gene (1)",
    )
    verb.add_argument(
        "--missing",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of patients, and of cells (0.1)",
    )
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of everything (0)")
    verb.add_argument(
        "--manifest",
        type=Path,
        metavar="CSV",
        help="of `lungsquad cohort phantoms`: its patients get the expression that belongs to them",
    )
    verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int | None:
    """Hand over to the wanted verb."""
    verbs = {"check": _check, "join": _join, "simulate": _simulate}
    return verbs[options.tables_verb](options)


def _check(options: argparse.Namespace) -> int:
    """Check all tables; the exit code is 2 where one of them cannot be read."""
    from ..data.tables.check import check_tables

    mapping = None if options.mapping is None else Path(options.mapping)
    found = check_tables(options.tables, mapping=mapping, keep_ids=options.keep_ids)
    problems = [table for table in found["tables"] if "problem" in table]
    if options.json:
        print_json(found)
    else:
        for table in found["tables"]:
            if "problem" not in table:
                _print_table(table)
        for pair in found["common"]:
            one, other = pair["tables"]
            print(f"tables {one} and {other} share {pair['patients']} patients")
    flush_output()
    for table in problems:
        print(printable(f"lungsquad: table {table['table']}: {table['problem']}"), file=sys.stderr)
    return 2 if problems else 0


def _print_table(table: dict[str, Any]) -> None:
    what = ", ".join(table[key] for key in ("taken_for", "layout", "scale") if key in table)
    print(f"table {table['table']}: {what}")
    counts = f"{table['patients']} patients, {table['columns']} columns"
    print(f"  {counts}, {table['missing']:.1%} of the cells missing")
    for note in table["notes"]:
        print(printable(f"  {note}"))
    words = [word for word in table.get("words", ()) if word["word"] != word["taken"]]
    if words:
        head = ("FACT", "WORD", "TAKEN FOR", "ROWS")
        rows = ((one["fact"], one["word"], one["taken"] or "-", one["count"]) for one in words)
        print_table((head, *rows), indent="  ")
    for fact, values in table["facts"].items():
        listed = ", ".join(f"{value} {count}" for value, count in values.items()) or "none"
        print(f"  {fact}: {listed}")
    for why, count in table["left_out"].items():
        print(printable(f"  left out, {count}: {why}"))
    for one in table.get("dropped", ()):
        print(printable(f"  {one['patient']}: {one['why']}"))


def _join(options: argparse.Namespace) -> None:
    from ..pipeline.sources import join_sources

    with bar() as progress:
        joined = join_sources(
            options.sources,
            options.out,
            mapping=options.mapping,
            keep_ids=options.keep_ids,
            keep_columns=options.keep_column,
            allow_overlap=options.allow_overlap,
            device=options.device,
            progress=progress,
        )
    sources = {one.name: len(one.columns) for one in joined.sources}
    counts = {
        "patients": len(joined.patients),
        "sources": sources,
        "facts": list(joined.facts),
        "dropped": len(joined.dropped),
    }
    for note in joined.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if options.json:
        print_json(counts)
        return
    listed = ", ".join(f"{name} ({width} columns)" for name, width in sources.items()) or "none"
    print(printable(f"{len(joined.patients)} patients; sources of numbers: {listed}"))
    print(f"{len(joined.dropped)} rows in dropped.csv say what was left out, and why")


def _simulate(options: argparse.Namespace) -> None:
    from ..phantom.tables import Simulation, write_simulated

    if options.manifest is not None:
        refuse_ignored(options, "the patients are those of --manifest.", patients=300)
    simulation = Simulation(
        patients=options.patients,
        genes=options.genes,
        effect=options.effect,
        missing=options.missing,
        seed=options.seed,
        manifest=options.manifest,
    )
    print(write_simulated(options.out, simulation))
