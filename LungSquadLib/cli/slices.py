"""`lungsquad slices`."""

from __future__ import annotations

import argparse

from .output import add_case_arguments, add_out_argument, add_window_argument, bar, print_flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `slices`."""
    add_case_arguments(parser)
    add_out_argument(parser)
    add_window_argument(parser, of="the PNG files")


def run(arguments: argparse.Namespace) -> None:
    """Write the axial slices with tumour and print how many there are."""
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.mask_files import read_mask
    from ..imaging.slices import tumour_slices, write_slices

    check_distinct([arguments.out], [arguments.ct, arguments.mask])
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        mask = read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
        slices = tumour_slices(ct, mask, progress=progress)
    folder = write_slices(slices, arguments.out, window=arguments.window)
    print_flags(flag.to_dict() for flag in slices.flags)
    print(f"{len(slices.positions_mm)} slices with tumour written to {folder}")
