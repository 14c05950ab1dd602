"""`lungsquad inpaint`."""

from __future__ import annotations

import argparse

from ..pipeline.options import add_threads
from .output import (
    add_case_arguments,
    add_json_argument,
    add_out_argument,
    bar,
    print_flags,
    print_json,
    print_table,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inpaint`."""
    parser.add_argument(
        "model", metavar="MODEL", help="model of `lungsquad train inpainting`: its name, or a file"
    )
    add_case_arguments(parser)
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
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed of the noise (default: 0)"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Inpaint a tumour, write the result and print what was measured."""
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.mask_files import read_mask
    from ..inference.inpaint_ct import NOTICE, inpaint, write_inpainting
    from ..models.catalogue import read_model

    given = [path for path in (arguments.ct, arguments.mask, arguments.replace) if path]
    check_distinct([arguments.out], given)
    model = read_model(arguments.model, kind="inpainter")
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        mask = read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
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
