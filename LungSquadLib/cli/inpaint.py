"""`lungsquad inpaint`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..imaging.nodule_shapes import SHAPES
from ..pipeline.options import add_threads, refuse_ignored
from .output import (
    add_common,
    add_ct_argument,
    add_number,
    add_out_argument,
    bar,
    print_flags,
    print_json,
    print_table,
)
from .segment import lps_point


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inpaint`."""
    parser.add_argument(
        "model", metavar="MODEL", help="model of `lungsquad train inpainting`: its name, or a file"
    )
    add_ct_argument(parser)
    parser.add_argument(
        "mask",
        metavar="MASK",
        nargs="?",
        help="where the tumour is to be: label map, .seg.nrrd, DICOM SEG or RTSTRUCT; or --at",
    )
    add_common(parser, "--roi", "--label", "--series")
    shape = parser.add_argument_group("a mask of a real nodule's shape, in place of MASK")
    shape.add_argument(
        "--at",
        type=lps_point,
        metavar="X,Y,Z",
        help="centre of the nodule, LPS in mm; a negative one as --at=-57.1,131.3,-520.4",
    )
    shape.add_argument(
        "--ras", action="store_true", help="the point is in RAS, as 3D Slicer shows it"
    )
    shape.add_argument(
        "--shapes", metavar="FILE", help="library of shapes, of `lungsquad cohort shapes`"
    )
    shape.add_argument("--shape", choices=SHAPES, help="kind of shape (default: any)")
    shape.add_argument(
        "--diameter", type=float, metavar="MM", help="longest axial diameter (default: 15)"
    )
    add_out_argument(parser)
    parser.add_argument(
        "--hu",
        type=float,
        metavar="HU",
        help="mean of the tumour (HU, default: median of the training tumours)",
    )
    parser.add_argument(
        "--class", dest="kind", metavar="CODE", help="class of the tumour (default: any)"
    )
    parser.add_argument(
        "--replace", metavar="MASK2", help="mask of a tumour that is replaced by lung"
    )
    add_threads(parser)
    add_number(parser, "--seed", 0, "seed of noise and shape")
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Inpaint a tumour, write the result and print what was measured."""
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.mask_files import read_mask
    from ..imaging.nodule_shapes import nodule_mask, read_library
    from ..inference.inpaint_ct import NOTICE, inpaint, write_inpainting
    from ..models.catalogue import read_model

    if (arguments.mask is None) == (arguments.at is None):
        raise InputError("Give the tumour's place: a MASK, or a point with --at; not both.")
    if arguments.at is None:
        unused = {"shapes": None, "shape": None, "diameter": None, "ras": False}
        refuse_ignored(arguments, "they are for --at.", **unused)
    elif arguments.shapes is None:
        raise InputError(
            "--at needs a library of shapes: make one with `lungsquad cohort shapes`, and give it "
            "with --shapes."
        )
    inputs = (arguments.ct, arguments.mask, arguments.replace, arguments.shapes)
    given = [path for path in inputs if path]
    check_distinct([arguments.out], given)
    model = read_model(arguments.model, kind="inpainter")
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        if arguments.at is None:
            mask = read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
        else:
            x, y, z = arguments.at
            mask = nodule_mask(
                ct,
                (-x, -y, z) if arguments.ras else (x, y, z),
                read_library(Path(arguments.shapes)),
                shape=arguments.shape or "any",
                diameter_mm=15.0 if arguments.diameter is None else arguments.diameter,
                seed=arguments.seed,
            )
        remove = read_mask(arguments.replace, ct) if arguments.replace else None
        inpainted = inpaint(
            model,
            ct,
            mask,
            hu=arguments.hu,
            label=arguments.kind,
            remove=remove,
            seed=arguments.seed,
            progress=progress,
        )
        described = write_inpainting(inpainted, ct, mask, folder=arguments.out, inputs=given)
    if arguments.json:
        print_json(described)
        return
    print(NOTICE)
    requested, measured = inpainted.requested, inpainted.measured
    rows = [("", "REQUESTED", "MEASURED")]
    for name, unit in (("hu", "HU"), ("volume_ml", "mL"), ("diameter_mm", "mm")):
        rows.append((unit, f"{requested[name]:.1f}", f"{measured[name]:.1f}"))
    print_table(rows)
    print_flags([flag for flag in described["flags"] if flag["code"] != "synthetic"])
    print(f"{arguments.out}/comparison.png")
