"""`lungsquad tables check | join | simulate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..options import add_options, from_namespace, refuse_ignored
from ..pipeline.options import add_device
from .output import (
    Verb,
    add_common,
    add_out_argument,
    add_verbs,
    bar,
    flush_output,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tables`."""
    simulated = (
        "Writes expression.csv, features.csv and clinical.csv of simulated patients, and "
        "simulated.json with the effects: which genes depend on the T stage, the histology, the "
        "sex and the hospital. Use it to see what a method finds; with --effect 0 nothing depends "
        "on the tumour."
    )
    verbs = (
        Verb("check", "layout and problems of tables", _add_check, _check),
        Verb("join", "tables of the same patients in one folder", _add_join, _join),
        Verb(
            "simulate",
            "tables of simulated patients with known effects",
            _add_simulate,
            _simulate,
            simulated,
        ),
    )
    add_verbs(parser, verbs)


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("tables", nargs="+", metavar="FILE", help="CSV or TSV, possibly as .gz")
    add_common(check, "--mapping", "--keep-ids", "--json")


def _add_join(join: argparse.ArgumentParser) -> None:
    join.add_argument(
        "sources",
        nargs="+",
        metavar="NAME=FILE",
        help="expression=E.csv, clinical=C.csv, image=STORE (features of the masks), "
        "image=STORE:MODEL (features of a network), or another name for a table of features",
    )
    add_out_argument(join, metavar="FOLDER")
    join.add_argument(
        "--allow-overlap",
        action="store_true",
        help="continue if the network of a source was trained on the patients; join.json says so",
    )
    add_common(join, "--keep-column")
    add_device(join, default="cpu", devices=("cpu", "cuda", "mps"))
    add_common(join, "--mapping", "--keep-ids", "--json")


def _add_simulate(simulate: argparse.ArgumentParser) -> None:
    from ..phantom.tables import Simulation

    add_out_argument(simulate, metavar="FOLDER")
    add_options(simulate, Simulation)


def _check(arguments: argparse.Namespace) -> int:
    """Print the layout and the problems of tables; return 2 if one cannot be read."""
    from ..data.tables.check import check_tables

    mapping = None if arguments.mapping is None else Path(arguments.mapping)
    checked = check_tables(arguments.tables, mapping=mapping, keep_ids=arguments.keep_ids)
    problems = [table for table in checked["tables"] if "problem" in table]
    if arguments.json:
        print_json(checked)
    else:
        for table in checked["tables"]:
            if "problem" not in table:
                _print_table(table)
        for pair in checked["common"]:
            first, second = pair["tables"]
            print(f"tables {first} and {second} share {pair['patients']} patients")
    flush_output()
    for table in problems:
        print(printable(f"lungsquad: table {table['table']}: {table['problem']}"), file=sys.stderr)
    return 2 if problems else 0


def _print_table(table: dict[str, Any]) -> None:
    what = ", ".join(table[key] for key in ("kind", "layout", "scale") if key in table)
    print(f"table {table['table']}: {what}")
    counts = f"{table['patients']} patients, {table['columns']} columns"
    print(f"  {counts}, {table['missing']:.1%} of the cells missing")
    for note in table["notes"]:
        print(printable(f"  {note}"))
    readings = [each for each in table.get("readings", ()) if each["word"] != each["value"]]
    if readings:
        head = ("FACT", "WORD", "READ AS", "ROWS")
        rows = (
            (each["fact"], each["word"], each["value"] or "-", each["count"]) for each in readings
        )
        print_table((head, *rows), indent="  ")
    for fact, values in table["facts"].items():
        listed = ", ".join(f"{value} {count}" for value, count in values.items()) or "none"
        print(f"  {fact}: {listed}")
    for reason, count in table["left_out"].items():
        print(printable(f"  left out, {count}: {reason}"))
    for patient in table.get("dropped", ()):
        print(printable(f"  {patient['patient']}: {patient['why']}"))


def _join(arguments: argparse.Namespace) -> None:
    from ..pipeline.sources import join_sources

    with bar() as progress:
        joined = join_sources(
            arguments.sources,
            arguments.out,
            mapping=arguments.mapping,
            keep_ids=arguments.keep_ids,
            keep_columns=arguments.keep_column,
            allow_overlap=arguments.allow_overlap,
            device=arguments.device,
            progress=progress,
        )
    sources = {source.name: len(source.columns) for source in joined.sources}
    counts = {
        "patients": len(joined.patients),
        "sources": sources,
        "facts": list(joined.facts),
        "dropped": len(joined.dropped),
    }
    for note in joined.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if arguments.json:
        print_json(counts)
        return
    listed = ", ".join(f"{name} ({width} columns)" for name, width in sources.items()) or "none"
    print(printable(f"{len(joined.patients)} patients; sources of numbers: {listed}"))
    print(f"{len(joined.dropped)} rows that were left out are in dropped.csv with the reasons")


def _simulate(arguments: argparse.Namespace) -> None:
    from ..phantom.tables import Simulation, write_simulated

    simulation = from_namespace(Simulation, arguments)
    if simulation.manifest is not None:
        refuse_ignored(simulation, ["patients"], "the patients are those of --manifest.")
    print(write_simulated(arguments.out, simulation))
