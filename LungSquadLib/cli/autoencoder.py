"""`lungsquad autoencoder assign`."""

from __future__ import annotations

import argparse
import sys

from ..pipeline.options import add_threads
from .output import Verb, add_common, add_verbs, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `autoencoder`."""
    add_verbs(parser, [Verb("assign", "clusters of new patients", _add_assign, _assign)])


def _add_assign(assign: argparse.ArgumentParser) -> None:
    assign.add_argument(
        "model", metavar="MODEL", help="model of `lungsquad train autoencoder`, a .safetensors file"
    )
    assign.add_argument(
        "table", metavar="TABLE", help="table of the new patients with the same columns: CSV or TSV"
    )
    assign.add_argument("-o", "--out", metavar="CSV", help="output table (default: print it)")
    add_common(assign, "--keep-ids", "--json")
    add_threads(assign)


def _assign(arguments: argparse.Namespace) -> None:
    """Assign new patients to the clusters of a model."""
    from ..data.tables.join import join
    from ..data.tables.matrix_file import read_matrix
    from ..files import write_csv
    from ..imaging.files.write import check_distinct
    from ..inference.groups import absent_columns, assign_groups
    from ..models.catalogue import read_model

    model = read_model(arguments.model, kind="autoencoder")
    if arguments.out:
        check_distinct([arguments.out], [arguments.table, model.path])
    (source,) = model.card.table.sources
    matrix = read_matrix(arguments.table, name=source.name, kind=source.kind)
    absent_columns(model, matrix)  # before a pseudonym is made of each gene of a turned table
    joined = join([matrix], keep_ids=arguments.keep_ids)
    assigned = assign_groups(model, joined.sources[0])
    rows = assigned.rows()
    if arguments.out:
        write_csv(arguments.out, list(rows[0]), rows)
    if arguments.json:
        print_json({"patients": rows, "notes": list(assigned.notes)})
    elif not arguments.out:
        columns = [name for name in rows[0] if not name.startswith("z")]
        print_table([columns, *([row[name] for name in columns] for row in rows)])
    else:
        print(arguments.out)
    for note in assigned.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
