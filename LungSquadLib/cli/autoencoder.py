"""`lungsquad autoencoder assign`."""

from __future__ import annotations

import argparse
import sys

from ..pipeline.arguments import add_threads
from .output import add_json_argument, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `vae`."""
    verbs = parser.add_subparsers(dest="vae_verb", required=True, metavar="VERB")
    assign = verbs.add_parser("assign", help="the groups of new patients")
    assign.add_argument(
        "model", metavar="MODEL", help="of `lungsquad train autoencoder`: a .safetensors"
    )
    assign.add_argument("table", metavar="TABLE", help="the same columns of new patients: CSV, TSV")
    assign.add_argument("-o", "--out", metavar="CSV", help="where to write (only shown)")
    assign.add_argument(
        "--keep-ids", action="store_true", help="name patients by their IDs, not by pseudonyms"
    )
    add_json_argument(assign)
    add_threads(assign)
    assign.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> None:
    """Read, project, tell."""
    from ..data.tables.join import join
    from ..data.tables.matrix_file import read_matrix
    from ..files import write_csv
    from ..imaging.files.write import check_distinct
    from ..inference.groups import absent_columns, assign_groups
    from ..models.catalogue import read_model

    model = read_model(options.model, kind="autoencoder")
    if options.out:
        check_distinct([options.out], [options.table, model.path])
    (source,) = model.card.table.sources
    matrix = read_matrix(options.table, name=source.name, kind=source.kind)
    absent_columns(model, matrix)  # before a pseudonym is made of each gene of a turned table
    joined = join([matrix], keep_ids=options.keep_ids)
    found = assign_groups(model, joined.sources[0])
    rows = found.rows()
    if options.out:
        write_csv(options.out, list(rows[0]), rows)
    if options.json:
        print_json({"patients": rows, "notes": list(found.notes)})
    elif not options.out:
        shown = [name for name in rows[0] if not name.startswith("z")]
        print_table([shown, *([row[name] for name in shown] for row in rows)])
    else:
        print(options.out)
    for note in found.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
