"""`lungsquad stage`."""

from __future__ import annotations

import argparse

from .output import add_case_arguments, add_json_argument, bar, print_flags, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stage`."""
    from ..imaging.stage import EDITION, EDITIONS, RULES

    add_case_arguments(parser)
    parser.add_argument(
        "--edition", choices=EDITIONS, default=EDITION, help=f"of the staging rules ({EDITION})"
    )
    parser.add_argument(
        "--diameter",
        choices=RULES,
        default=RULES[0],
        help="which one is staged: the largest in any direction, as AJCC and UICC have it, or the "
        f"largest in an axial plane ({RULES[0]})",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Measure, tell."""
    from ..imaging.ct import open_ct
    from ..imaging.masks import read_mask
    from ..imaging.stage import size_stage

    with bar() as progress:
        ct = open_ct(options.ct, series=options.series, progress=progress)
        mask = read_mask(options.mask, ct, roi=options.roi, label=options.label)
    found = size_stage(mask.image, edition=options.edition, rule=options.diameter)
    described = found.to_dict()
    if options.json:
        print_json(described)
        return
    print_table([("ruler", described["stage"], found.sentence)])
    print(described["limits"])
    print_flags(described["flags"])
