"""Arguments that several verbs have, and output: tables, JSON, text that is safe on a terminal.

Only the output of the commands appears on standard output and error.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ..progress import TerminalBar

if TYPE_CHECKING:
    from ..data.case_loop import Summary


def _label(text: str) -> int:
    from ..errors import InputError
    from ..imaging.label_maps import label_number

    try:
        return label_number(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_COMMON: Mapping[str, Mapping[str, Any]] = {
    "--roi": {"metavar": "NAME", "help": "ROI or segment of the tumour, if several"},
    "--label": {  # tables also write it as 1.0
        "type": _label,
        "metavar": "N",
        "help": "value of the tumour's voxels in a label map",
    },
    "--series": {"metavar": "UID", "help": "CT series, if the folder has several"},
    "--centre": {  # three values, for argparse takes "-1,2,3" for an option
        "nargs": 3,
        "type": float,
        "metavar": ("X", "Y", "Z"),
        "help": "centre of the crop, LPS in mm (default: centre of mass of the mask)",
    },
    "--keep-column": {
        "action": "append",
        "default": [],
        "metavar": "COL",
        "help": "keep this column although it identifies patients or seems to; may be repeated",
    },
    "--keep-ids": {"action": "store_true", "help": "write patient IDs instead of pseudonyms"},
    "--mapping": {
        "metavar": "FILE.json",
        "help": "columns of clinical tables, by the facts they hold",
    },
    "--json": {"action": "store_true", "help": "print JSON"},
}


def add_common(parser: argparse._ActionsContainer, *flags: str) -> None:
    """Add options that several verbs have."""
    for flag in flags:
        parser.add_argument(flag, **_COMMON[flag])


def add_number(
    parser: argparse.ArgumentParser, flag: str, default: float, text: str, *, metavar: str = "N"
) -> None:
    """Add an option that is a number of the default's type."""
    text += f" (default: {default:g})"
    parser.add_argument(flag, type=type(default), default=default, metavar=metavar, help=text)


def add_case_arguments(
    parser: argparse.ArgumentParser, *, optional: bool = False, mask_optional: bool = False
) -> None:
    """Add CT and MASK, and the options that choose among their contents."""
    add_ct_argument(parser, nargs="?" if optional else None)
    parser.add_argument(
        "mask",
        metavar="MASK",
        nargs="?" if optional or mask_optional else None,
        help="mask of the CT: label map, .seg.nrrd, DICOM SEG or RTSTRUCT",
    )
    add_common(parser, "--roi", "--label", "--series")


def add_ct_argument(parser: argparse.ArgumentParser, *, nargs: str | None = None) -> None:
    """Add CT."""
    parser.add_argument(
        "ct",
        metavar="CT",
        nargs=nargs,
        help="CT: DICOM folder (or one file of it), .nrrd, .nii.gz or .mha",
    )


def add_window_argument(parser: argparse.ArgumentParser, *, of: str) -> None:
    """Add `--window`, the display window of images."""
    parser.add_argument(
        "--window",
        choices=("lung", "mediastinum", "full"),
        default="lung",
        help=f"display window of {of} (default: lung)",
    )


def add_out_argument(
    parser: argparse.ArgumentParser, *, metavar: str = "DIR", text: str = "output folder"
) -> None:
    """Add `-o`, required."""
    parser.add_argument("-o", "--out", required=True, metavar=metavar, help=text)


class Verb(NamedTuple):
    """A verb of a verb: what adds its arguments, and what runs it."""

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    description: str | None = None


def add_verbs(parser: argparse.ArgumentParser, verbs: Iterable[Verb]) -> None:
    """Add the verbs of a verb; `--debug` is known to them too, but not listed once more."""
    inner = parser.add_subparsers(dest="inner_verb", required=True, metavar="VERB")
    for name, text, add, run, description in verbs:
        verb = inner.add_parser(name, help=text, description=description)
        add(verb)
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
        verb.set_defaults(run=run)


def print_json(value: Any) -> None:
    """Print JSON; ASCII, so that no terminal or pipe can spoil it."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(rows: Iterable[Sequence[object]], *, indent: str = "") -> None:
    """Print rows with aligned columns."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(indent + line.rstrip())


def print_flags(flags: Iterable[dict[str, str]]) -> None:
    """Print flags, one on each line."""
    for flag in flags:
        print(printable(f"{flag['severity']}: {flag['sentence']} [{flag['code']}]"))


def printable(text: str) -> str:
    """Replace characters that would move a terminal's cursor or change its colours."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def print_failures(summary: Summary, hint: str) -> None:
    """Print the messages of a run over a manifest on standard error: they may name files."""
    for message in summary.messages:
        print(printable(f"lungsquad: {message}"), file=sys.stderr)
    if summary.failed:
        print(f"lungsquad: {hint}", file=sys.stderr)


@contextmanager
def bar() -> Iterator[TerminalBar]:
    """Yield a progress bar on standard error, which disappears when the work is done."""
    progress = TerminalBar(sys.stderr)
    try:
        yield progress
    finally:
        progress.close()


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence the messages of libraries: the commands print sentences for what matters.

    ITK, GDCM and its decoders write past Python, to the file descriptor itself. It leads nowhere
    while they work, here and in processes that begin here; `sys.stderr` stays as it was.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    python_stderr, nowhere = sys.stderr, os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        if _descriptor(python_stderr) == 2:
            sys.stderr = os.fdopen(
                os.dup(kept), "w", buffering=1, encoding=python_stderr.encoding, errors="replace"
            )
        yield
    finally:
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def accept_any_text() -> None:
    """Print characters that the terminal's encoding lacks as question marks.

    If there is no standard error at all, discard what goes there.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def flush_output() -> None:
    """Write what was printed now, while a failure can still be reported."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Discard what cannot be written to standard output, so that Python does not try again."""
    try:
        flush_output()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
