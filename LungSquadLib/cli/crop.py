"""`lungsquad crop`."""

from __future__ import annotations

import argparse

from .output import (
    add_case_arguments,
    add_centre_argument,
    add_json_argument,
    bar,
    print_flags,
    print_json,
    print_table,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `crop`."""
    add_case_arguments(parser)
    add_centre_argument(parser)
    parser.add_argument("-o", "--out", required=True, help="the crop's CT: .nrrd, .nii.gz or .mha")
    parser.add_argument("--mask-out", metavar="FILE", help="the crop's mask")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="voxels a side (64)")
    parser.add_argument("--spacing", type=float, default=1.0, metavar="MM", help="mm (1)")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Crop, write, tell."""
    from ..imaging.crop import crop
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, check_volume_name, write_volumes
    from ..imaging.masks import read_mask

    names = [name for name in (options.out, options.mask_out) if name]
    for name in names:
        check_volume_name(name)
    check_distinct(names, [options.ct, options.mask])
    with bar() as progress:
        ct = open_ct(options.ct, series=options.series, progress=progress)
        mask = read_mask(options.mask, ct, roi=options.roi, label=options.label)
        cut = crop(
            ct,
            mask,
            size=options.size,
            spacing=options.spacing,
            centre_lps=tuple(options.centre) if options.centre else None,
            progress=progress,
        )
    write_volumes(dict(zip(names, (cut.ct, cut.mask), strict=False)))
    description = cut.to_dict()
    if options.json:
        print_json(description)
        return
    x, y, z = cut.centre_lps
    print_table(
        [
            ("written", ", ".join(names)),
            ("size", f"{' x '.join(map(str, cut.ct.GetSize()))} at {options.spacing:g} mm"),
            ("centre", f"{x:.2f}, {y:.2f}, {z:.2f} mm (LPS)"),
            ("tumour", f"{cut.mask_volume_ml:.2f} mL, {cut.mask_voxels} voxels of the CT"),
        ]
    )
    print_flags(description["flags"])
