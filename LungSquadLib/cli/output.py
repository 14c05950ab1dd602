"""What the commands share: case arguments, tables, JSON, and text that is safe on a terminal."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..progress import TerminalBar

if TYPE_CHECKING:
    from ..data.case_loop import Summary


def add_case_arguments(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """CT, MASK, and how to choose among what they hold."""
    nargs = "?" if optional else None
    parser.add_argument(
        "ct",
        metavar="CT",
        nargs=nargs,
        help="DICOM folder (or one file of it), .nrrd, .nii.gz or .mha",
    )
    parser.add_argument(
        "mask",
        metavar="MASK",
        nargs=nargs,
        help="label map, .seg.nrrd, DICOM SEG or RTSTRUCT, of the same CT",
    )
    add_choice_arguments(parser)


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """How to choose among what a CT and a mask hold."""
    parser.add_argument("--roi", metavar="NAME", help="the ROI or segment, where there are several")
    add_label_argument(parser)
    parser.add_argument("--series", metavar="UID", help="the CT series, where there are several")


def add_label_argument(parser: argparse.ArgumentParser) -> None:
    """`--label`, which tables and people also write as 1.0."""
    what = "the value of the tumour's voxels, where a label map has several"
    parser.add_argument("--label", type=_label, metavar="N", help=what)


def _label(text: str) -> int:
    from ..errors import InputError
    from ..imaging.label_maps import label_number

    try:
        return label_number(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_centre_argument(parser: argparse.ArgumentParser) -> None:
    """`--centre`: three words, for argparse takes one that begins with a minus for an option."""
    parser.add_argument(
        "--centre",
        nargs=3,
        type=float,
        metavar=("X", "Y", "Z"),
        help="the crop's centre, LPS mm (the mask's centre of mass)",
    )


def add_keep_column_argument(parser: argparse.ArgumentParser) -> None:
    """`--keep-column`."""
    parser.add_argument(
        "--keep-column",
        action="append",
        default=[],
        metavar="COL",
        help="keep this column though it says who the patients are, or looks so; may be repeated",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def listed(text: str | None) -> tuple[str, ...]:
    """Values with commas between, as in a line of CSV: one that holds a comma stands in quotes."""
    lines = csv.reader([text or ""], skipinitialspace=True)
    return tuple(value.strip() for line in lines for value in line)


def print_json(value: Any) -> None:
    """JSON on standard output; ASCII, so that no terminal or pipe can spoil it."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(rows: Iterable[Sequence[object]], *, indent: str = "") -> None:
    """Rows with their columns lined up."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(indent + line.rstrip())


def print_flags(flags: Iterable[dict[str, str]]) -> None:
    """Flags, one a line."""
    for flag in flags:
        print(printable(f"{flag['severity']}: {flag['sentence']} [{flag['code']}]"))


def printable(text: str) -> str:
    """Text from files without what would move a terminal's cursor or change its colours."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def print_failures(summary: Summary, where: str) -> None:
    """What a run over a manifest has to say, on standard error: it may name files."""
    for message in summary.messages:
        print(printable(f"lungsquad: {message}"), file=sys.stderr)
    if summary.failed:
        print(f"lungsquad: {where}", file=sys.stderr)


@contextmanager
def bar() -> Iterator[TerminalBar]:
    """A progress bar on standard error that is gone when the work is done."""
    shown = TerminalBar(sys.stderr)
    try:
        yield shown
    finally:
        shown.close()
