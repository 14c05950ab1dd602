"""`lungsquad report`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`."""
    parser.add_argument("folder", metavar="DIR", help="a folder that `predict` or `demo` wrote")
    parser.add_argument("-o", "--out", metavar="FILE.html", help="instead of DIR/report.html")
    parser.add_argument(
        "--window",
        choices=("lung", "mediastinum", "full"),
        default="lung",
        help="grey values of the CT planes (lung)",
    )


def run(options: argparse.Namespace) -> None:
    """Make the report again, tell."""
    from ..errors import InputError
    from ..files import whole_file
    from ..report.render import REPORT, rendered

    target = Path(options.out) if options.out else Path(options.folder) / REPORT
    if target.suffix != ".html":  # it could take the place of a file that the report is made from
        raise InputError(f"'{target}' must end in .html.")
    page = rendered(options.folder, window=options.window)
    with whole_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(target)
