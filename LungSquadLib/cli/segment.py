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
        action="append",
        required=True,
        type=lps_point,
        metavar="X,Y,Z",
        help="point in the tumour, LPS in mm; a negative one as --at=-57.1,131.3,-520.4; a "
        "segmenter takes several",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        type=lps_point,
        metavar="X,Y,Z",
        help="point that the mask must leave out; a segmenter takes several",
    )
    parser.add_argument(
        "--ras", action="store_true", help="the points are in RAS, as 3D Slicer shows them"
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="segmenter, or region-growing (default: nodule-segmenter if it is installed, else "
        "region-growing)",
    )
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="mask: .nrrd, .nii.gz or .mha"
    )
    add_series_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Propose a mask from points in the tumour, and write it."""
    import numpy as np
    import SimpleITK as sitk

    from ..imaging.crop import flags_of_case
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, check_volume_name, write_volumes
    from ..pipeline.propose import propose

    check_volume_name(arguments.out)
    check_distinct([arguments.out], [arguments.ct])
    inside, outside = (
        [(-x, -y, z) if arguments.ras else (x, y, z) for x, y, z in points]
        for points in (arguments.at, arguments.exclude)
    )
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        proposal = propose(ct, inside, outside, model=arguments.model, progress=progress)
    write_volumes({arguments.out: ct.as_stored(proposal.image)})
    array = sitk.GetArrayViewFromImage(proposal.image)
    flags = [flag.to_dict() for flag in flags_of_case(ct, proposal)]
    voxels = int(np.count_nonzero(array))
    volume = voxels * ct.grid.voxel_volume / 1000
    if arguments.json:
        print_json(
            {
                "source": proposal.source,
                "mask_voxels": voxels,
                "mask_volume_ml": volume,
                "flags": flags,
            }
        )
        return
    print_table(
        [
            ("written", arguments.out),
            ("method", proposal.source),
            ("proposal", f"{volume:.2f} mL, {voxels} voxels"),
        ]
    )
    print_flags(flags)


def lps_point(text: str) -> tuple[float, float, float]:
    """Return the three numbers of `X,Y,Z`."""
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,Z, three numbers") from error
    return x, y, z
