"""`lungsquad demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.options import add_threads, refuse_ignored
from .output import add_choice_arguments, bar
from .predict import show

if TYPE_CHECKING:
    from ..pipeline.case import More

MODELS = ("demo-histology", "demo-survival2y")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.add_argument(
        "-o",
        "--out",
        default="lungsquad-demo",
        metavar="DIR",
        help="output folder (default: lungsquad-demo)",
    )
    add_threads(parser)
    parser.add_argument(
        "--seed",
        type=int,
        default=7,
        metavar="N",
        help="random seed of the phantom patient (default: 7)",
    )
    parser.add_argument("--ct", metavar="CT", help="CT in place of the phantom's")
    parser.add_argument("--mask", metavar="MASK", help="mask of this CT")
    add_choice_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Predict for a phantom patient or a CT with its mask, and print the results."""
    from ..errors import InputError
    from ..models.catalogue import read_model
    from ..pipeline.case import run_case
    from ..pipeline.case_input import CaseInput
    from ..progress import Part

    if (arguments.ct is None) != (arguments.mask is None):
        raise InputError("Give --ct and --mask together, or neither.")
    if arguments.ct is None:
        refuse_ignored(
            arguments,
            "they are about --ct and --mask.",
            roi=None,
            label=None,
            series=None,
        )
    else:
        refuse_ignored(arguments, "it is about the phantom, and --ct replaces it.", seed=7)
    more, reason = _scene_writer()
    models = [read_model(name) for name in MODELS]
    out = Path(arguments.out)
    with bar() as progress:
        if arguments.ct is not None:
            case = CaseInput(
                arguments.ct, arguments.mask, arguments.roi, arguments.label, arguments.series
            )
            remaining = Part(progress, 0.0, 1.0)
        else:
            from ..phantom.dicom import write_patient
            from ..phantom.patient import Phantom

            phantom = Phantom(arguments.seed)
            files = write_patient(phantom, out / "patient", progress=Part(progress, 0.0, 0.5))
            case = CaseInput(files.ct, files.rtstruct)
            remaining = Part(progress, 0.5, 1.0)
        result = run_case(case, models, out / "result", more=more, progress=remaining)
    show(result, str(out / "result"))
    if more is None:
        print(f"No scene and no pictures were written. {reason}")
        return
    if "view-3d" not in result["files"]:
        print("No pictures of the scene were written: this machine cannot render them.")
    print(f"scene for 3D Slicer: {out / 'result' / result['files']['scene']}")


def _scene_writer() -> tuple[More | None, str]:
    """Return the writer of the scene and its pictures, or None and the reason."""
    from ..errors import MissingPackageError

    try:
        from ..mrml.case_scene import write_case_scene
    except MissingPackageError as error:
        return None, str(error)
    return write_case_scene, ""
