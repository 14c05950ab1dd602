"""`lungsquad crop`."""

from __future__ import annotations

import argparse

from ..errors import InputError
from ..pipeline.options import refuse_ignored
from .output import (
    add_case_arguments,
    add_common,
    add_number,
    add_out_argument,
    bar,
    print_flags,
    print_json,
    print_table,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `crop`."""
    add_case_arguments(parser, mask_optional=True)
    parser.add_argument(
        "--from-box",
        metavar="SR",
        help="DICOM SR with boxes (see `lungsquad inspect`), in place of MASK: a mask is proposed "
        "in the box, and flagged",
    )
    parser.add_argument(
        "--box", type=int, metavar="N", help="number of the box, if the SR has several"
    )
    add_common(parser, "--centre")
    add_out_argument(parser, metavar="FILE", text="cropped CT: .nrrd, .nii.gz or .mha")
    parser.add_argument("--mask-out", metavar="FILE", help="cropped mask")
    add_number(parser, "--size", 64, "voxels along each axis")
    parser.add_argument(
        "--spacing",
        type=float,
        default=1.0,
        metavar="MM",
        help="distance between voxels (mm, default: 1)",
    )
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Write the cube of CT and mask, and print its position and volume."""
    from ..imaging.crop import crop
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, check_volume_name, write_volumes
    from ..imaging.mask_files import read_mask
    from ..pipeline.propose import propose_in_box

    if (arguments.mask is None) == (arguments.from_box is None):
        raise InputError("Name a mask, or a report with boxes (--from-box): one of both.")
    if arguments.from_box is None:
        refuse_ignored(arguments, "there is no --from-box.", box=None)
    else:
        refuse_ignored(arguments, "they choose in a mask.", roi=None, label=None)
    names = [name for name in (arguments.out, arguments.mask_out) if name]
    for name in names:
        check_volume_name(name)
    check_distinct(names, [arguments.ct, arguments.mask or arguments.from_box])
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        mask = (
            propose_in_box(ct, arguments.from_box, number=arguments.box, progress=progress)
            if arguments.from_box
            else read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
        )
        cut = crop(
            ct,
            mask,
            size=arguments.size,
            spacing=arguments.spacing,
            centre_lps=tuple(arguments.centre) if arguments.centre else None,
            progress=progress,
        )
    write_volumes(dict(zip(names, (cut.ct, cut.mask), strict=False)))
    description = cut.to_dict()
    if arguments.json:
        print_json(description)
        return
    x, y, z = cut.centre_lps
    print_table(
        [
            ("written", ", ".join(names)),
            ("size", f"{' x '.join(map(str, cut.ct.GetSize()))} at {arguments.spacing:g} mm"),
            ("centre", f"{x:.2f}, {y:.2f}, {z:.2f} mm (LPS)"),
            ("tumour", f"{cut.mask_volume_ml:.2f} mL, {cut.mask_voxels} voxels of the CT"),
        ]
    )
    print_flags(description["flags"])
