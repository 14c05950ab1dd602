"""`lungsquad slices`."""

from __future__ import annotations

import argparse

from .output import add_case_arguments, bar, print_flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `slices`."""
    add_case_arguments(parser)
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--window",
        choices=("lung", "mediastinum", "full"),
        default="lung",
        help="grey values of the PNG (lung)",
    )


def run(options: argparse.Namespace) -> None:
    """Cut, write, tell."""
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.masks import read_mask
    from ..imaging.slices import tumour_slices, write_slices

    check_distinct([options.out], [options.ct, options.mask])
    with bar() as progress:
        ct = open_ct(options.ct, series=options.series, progress=progress)
        mask = read_mask(options.mask, ct, roi=options.roi, label=options.label)
        slices = tumour_slices(ct, mask, progress=progress)
    folder = write_slices(slices, options.out, window=options.window)
    print_flags(flag.to_dict() for flag in slices.flags)
    print(f"{len(slices.positions_mm)} slices with tumour written to {folder}")
