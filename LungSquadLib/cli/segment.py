"""`lungsquad segment`."""

from __future__ import annotations

import argparse

from ..imaging.geometry import Point
from .output import (
    add_common,
    add_ct_argument,
    add_out_argument,
    bar,
    print_flags,
    print_json,
    print_table,
    printable,
)

CANDIDATE_COLUMNS = ("x_lps_mm", "y_lps_mm", "z_lps_mm", "score", "diameter_mm", "volume_ml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segment`."""
    add_ct_argument(parser)
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        type=lps_point,
        metavar="X,Y,Z",
        help="point in the tumour, LPS in mm; a negative one as --at=-57.1,131.3,-520.4; a "
        "segmenter takes several; without --at and --box, candidates in the whole CT are listed "
        "(experimental)",
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
        "--box",
        type=lps_box,
        metavar="X,Y,Z,X,Y,Z",
        help="two opposite corners, LPS in mm, of a box in which the mask lies; for a segmenter, "
        "with or without --at",
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
    add_out_argument(parser, metavar="FILE", text="mask: .nrrd, .nii.gz or .mha; candidates: .csv")
    add_common(parser, "--series", "--json")


def run(arguments: argparse.Namespace) -> None:
    """Propose a mask from points or a box and write it; without these, list candidates."""
    if arguments.at or arguments.box:
        _write_mask(arguments)
    else:
        _write_candidates(arguments)


def _write_mask(arguments: argparse.Namespace) -> None:
    import numpy as np
    import SimpleITK as sitk

    from ..imaging.crop import flags_of_case
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, check_volume_name, write_volumes
    from ..pipeline.propose import propose

    check_volume_name(arguments.out)
    check_distinct([arguments.out], [arguments.ct])
    inside, outside, box = (
        [(-x, -y, z) if arguments.ras else (x, y, z) for x, y, z in points]
        for points in (arguments.at, arguments.exclude, arguments.box or ())
    )
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        proposal = propose(ct, inside, outside, box=box, model=arguments.model, progress=progress)
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


def _write_candidates(arguments: argparse.Namespace) -> None:
    from ..errors import InputError
    from ..files import write_csv
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..pipeline.propose import EXPERIMENTAL, find_candidates

    for option in ("exclude", "ras"):
        if getattr(arguments, option):
            raise InputError(
                f"--{option} would be ignored: it is about a mask. Give --at or --box."
            )
    if not arguments.out.lower().endswith(".csv"):
        raise InputError(
            "Without --at and --box, candidates are listed, in a table: give -o a name that ends "
            "in .csv. For a mask, give a point in the tumour with --at."
        )
    check_distinct([arguments.out], [arguments.ct])
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        listed = find_candidates(ct, model=arguments.model, progress=progress)
    rows = [
        {
            **dict(zip(("x_lps_mm", "y_lps_mm", "z_lps_mm"), candidate.position, strict=True)),
            "score": candidate.score,
            "diameter_mm": candidate.diameter_mm,
            "volume_ml": candidate.volume_ml,
        }
        for candidate in listed
    ]
    write_csv(arguments.out, CANDIDATE_COLUMNS, rows)
    if arguments.json:
        described = [candidate.to_dict() for candidate in listed]
        print_json({"notice": EXPERIMENTAL, "candidates": described})
        return
    formatted = [[f"{row[name]:.2f}" for name in CANDIDATE_COLUMNS] for row in rows]
    print_table([CANDIDATE_COLUMNS, *formatted])
    print(f"{len(rows)} candidates, written to {printable(arguments.out)}.")
    print(EXPERIMENTAL)


def lps_point(text: str) -> Point:
    """Return the three numbers of `X,Y,Z`."""
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,Z, three numbers") from error
    return x, y, z


def lps_box(text: str) -> tuple[Point, Point]:
    """Return the two corners of `X,Y,Z,X,Y,Z`."""
    try:
        a, b, c, x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,Z,X,Y,Z, six numbers") from error
    return (a, b, c), (x, y, z)
