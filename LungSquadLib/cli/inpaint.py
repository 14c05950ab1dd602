"""`lungsquad inpaint`."""

from __future__ import annotations

import argparse

from ..pipeline.arguments import add_threads
from .output import add_case_arguments, add_json_argument, bar, print_flags, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inpaint`."""
    parser.add_argument(
        "model", metavar="MODEL", help="of `lungsquad train inpainting`: its name, or a file"
    )
    add_case_arguments(parser)
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--hu", type=float, metavar="HU", help="mean of the tumour (the median of the training)"
    )
    parser.add_argument("--class", dest="kind", metavar="CODE", help="of the tumour (any)")
    parser.add_argument(
        "--replace", metavar="MASK2", help="mask of a tumour that is replaced by lung"
    )
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (0)")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Inpaint a tumour, write the result and print what was measured."""
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.masks import read_mask
    from ..inference.inpaint_ct import NOTICE, inpaint, write_inpainting
    from ..models.catalogue import read_model

    given = [path for path in (options.ct, options.mask, options.replace) if path]
    check_distinct([options.out], given)
    model = read_model(options.model, kind="inpainter")
    with bar() as progress:
        ct = open_ct(options.ct, series=options.series, progress=progress)
        mask = read_mask(options.mask, ct, roi=options.roi, label=options.label)
        remove = read_mask(options.replace, ct) if options.replace else None
        inpainted = inpaint(
            model,
            ct,
            mask,
            hu=options.hu,
            label=options.kind,
            remove=remove,
            seed=options.seed,
            progress=progress,
        )
        described = write_inpainting(inpainted, ct, mask, folder=options.out, inputs=given)
    if options.json:
        print_json(described)
        return
    print(NOTICE)
    requested, measured = inpainted.requested, inpainted.measured
    rows = [("", "REQUESTED", "MEASURED")]
    for name, unit in (("hu", "HU"), ("volume_ml", "mL"), ("diameter_mm", "mm")):
        rows.append((unit, f"{requested[name]:.1f}", f"{measured[name]:.1f}"))
    print_table(rows)
    print_flags([flag for flag in described["flags"] if flag["code"] != "synthetic"])
    print(f"{options.out}/comparison.png")
