"""`lungsquad demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.arguments import add_threads, refuse_ignored
from .output import add_label_argument, bar
from .predict import show

if TYPE_CHECKING:
    from ..pipeline.case import More

MODELS = ("demo-histology", "demo-survival2y")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument(
        "-o", "--out", default="lungsquad-demo", metavar="DIR", help="lungsquad-demo"
    )
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=7, help="which phantom patient (7)")
    parser.add_argument("--ct", metavar="CT", help="your own CT instead of a phantom")
    parser.add_argument("--mask", metavar="MASK", help="its mask")
    parser.add_argument("--roi", metavar="NAME", help="the ROI or segment of your own mask")
    add_label_argument(parser)
    parser.add_argument("--series", metavar="UID", help="the series of your own CT")


def run(options: argparse.Namespace) -> None:
    """Do the whole job, tell."""
    from ..errors import InputError
    from ..models.catalogue import read_model
    from ..pipeline.case import CaseInput, run_case
    from ..progress import Part

    if (options.ct is None) != (options.mask is None):
        raise InputError("Give --ct and --mask together, or neither.")
    if options.ct is None:
        refuse_ignored(
            options,
            "they are about your own CT (--ct and --mask).",
            roi=None,
            label=None,
            series=None,
        )
    else:
        refuse_ignored(options, "it is about the phantom, in whose place your CT is.", seed=7)
    more, left_out = _scene_writer()
    models = [read_model(name) for name in MODELS]
    out = Path(options.out)
    with bar() as progress:
        if options.ct is not None:
            case = CaseInput(options.ct, options.mask, options.roi, options.label, options.series)
            rest = Part(progress, 0.0, 1.0)
        else:
            from ..phantom.dicom import write_patient
            from ..phantom.patient import Phantom

            phantom = Phantom(options.seed)
            files = write_patient(phantom, out / "patient", progress=Part(progress, 0.0, 0.5))
            case = CaseInput(files.ct, files.rtstruct)
            rest = Part(progress, 0.5, 1.0)
        described = run_case(case, models, out / "result", more=more, progress=rest)
    show(described, str(out / "result"))
    if more is None:
        print(f"Scene and pictures were left out. {left_out}")
        return
    if "view-3d" not in described["files"]:
        print("Pictures of the scene were left out: this machine has nothing to draw them with.")
    print(f"scene for 3D Slicer: {out / 'result' / described['files']['scene']}")


def _scene_writer() -> tuple[More | None, str]:
    """What writes the scene and its pictures; None and the reason where it cannot be had."""
    from ..errors import MissingPackageError

    try:
        from ..mrml.case_scene import write_case_scene
    except MissingPackageError as error:
        return None, str(error)
    return write_case_scene, ""
