"""`lungsquad segment`."""

from __future__ import annotations

import argparse

from .output import (
    add_ct_argument,
    add_json_argument,
    add_series_argument,
    bar,
    print_flags,
    print_json,
    print_table,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segment`."""
    add_ct_argument(parser)
    parser.add_argument(
        "--at",
        required=True,
        type=lps_point,
        metavar="X,Y,Z",
        help="point in the tumour, LPS in mm; a negative one as --at=-57.1,131.3,-520.4",
    )
    parser.add_argument(
        "--ras", action="store_true", help="the point is in RAS, as 3D Slicer shows it"
    )
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="mask: .nrrd, .nii.gz or .mha"
    )
    add_series_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Propose a mask by region growing from a point, and write it."""
    import numpy as np
    import SimpleITK as sitk

    from ..imaging.crop import flags_of_case
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, check_volume_name, write_volumes
    from ..imaging.region import propose_mask

    check_volume_name(arguments.out)
    check_distinct([arguments.out], [arguments.ct])
    x, y, z = arguments.at
    point = (-x, -y, z) if arguments.ras else (x, y, z)
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        proposal = propose_mask(ct, point, progress=progress)
    write_volumes({arguments.out: ct.as_stored(proposal.image)})
    array = sitk.GetArrayViewFromImage(proposal.image)
    flags = [flag.to_dict() for flag in flags_of_case(ct, proposal)]
    voxels = int(np.count_nonzero(array))
    volume = voxels * ct.grid.voxel_volume / 1000
    if arguments.json:
        print_json({"mask_voxels": voxels, "mask_volume_ml": volume, "flags": flags})
        return
    print_table([("written", arguments.out), ("proposal", f"{volume:.2f} mL, {voxels} voxels")])
    print_flags(flags)


def lps_point(text: str) -> tuple[float, float, float]:
    """Return the three numbers of `X,Y,Z`."""
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,Z, three numbers") from error
    return x, y, z
