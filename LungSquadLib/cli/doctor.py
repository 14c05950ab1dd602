"""`lungsquad doctor`."""

from __future__ import annotations

import argparse

from .output import add_json_argument, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Look round, tell; 1 where something that is always needed is missing."""
    from ..pipeline.doctor import examine

    findings = examine()
    if options.json:
        print_json([finding.to_dict() for finding in findings])
    else:
        print_table([(one.state, one.name, one.detail) for one in findings])
    return int(any(one.state == "missing" and one.required for one in findings))
