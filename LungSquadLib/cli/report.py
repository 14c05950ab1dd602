"""`lungsquad report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import add_window_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    parser.add_argument("folder", metavar="DIR", help="folder of `predict` or `demo`")
    parser.add_argument(
        "-o", "--out", metavar="FILE.html", help="report (default: DIR/report.html)"
    )
    add_window_argument(parser, of="the CT planes")


def run(arguments: argparse.Namespace) -> None:
    """Render the report of a finished case again."""
    from ..errors import InputError
    from ..files import whole_file
    from ..report.render import REPORT, rendered

    target = Path(arguments.out) if arguments.out else Path(arguments.folder) / REPORT
    if target.suffix != ".html":  # it could replace a file that the report is made from
        raise InputError(f"'{target}' must end in .html.")
    page = rendered(arguments.folder, window=arguments.window)
    with whole_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(target)
