"""`lungsquad demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.options import add_threads, refuse_ignored
from .output import add_common, add_number, bar
from .predict import show
from .segment import lps_point

if TYPE_CHECKING:
    from ..models.file import Model
    from ..pipeline.case import More
    from ..pipeline.case_input import CaseInput
    from ..progress import Progress

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
    add_number(parser, "--seed", 7, "random seed of the phantom patient")
    parser.add_argument("--ct", metavar="CT", help="CT in place of the phantom's")
    parser.add_argument("--mask", metavar="MASK", help="mask of this CT")
    parser.add_argument(
        "--at",
        type=lps_point,
        metavar="X,Y,Z",
        help="point in the tumour of this CT, LPS in mm, in place of a mask; a negative one as "
        "--at=-57.1,131.3,-520.4",
    )
    add_common(parser, "--roi", "--label", "--series")


def run(arguments: argparse.Namespace) -> None:
    """Segment, describe and predict for a phantom patient or a CT, and print the results."""
    from ..pipeline.case import run_case
    from ..pipeline.real_case import write_synthetic
    from ..progress import Part

    _check(arguments)
    more, reason = _scene_writer()
    models = _models(arguments)
    out, is_phantom = Path(arguments.out), arguments.ct is None
    pictures: list[Path] = []
    with bar() as progress:
        case, sentence = _case(arguments, out, Part(progress, 0.0, 0.4))
        result = run_case(
            case, models, out / "result", more=more, progress=Part(progress, 0.4, 0.9)
        )
        if is_phantom:
            pictures = write_synthetic(case, out / "synthetic", progress=Part(progress, 0.9, 1.0))
    if sentence:
        print(sentence)
    if not result["predictions"]:
        print("No classifier on this machine learnt from patients, so nothing was predicted.")
    show(result, str(out / "result"))
    for picture in pictures:
        print(f"synthetic: {picture}")
    if more is None:
        print(f"No scene and no pictures were written. {reason}")
        return
    if "view-3d" not in result["files"]:
        print("No pictures of the scene were written: this machine cannot render them.")
    print(f"scene for 3D Slicer: {out / 'result' / result['files']['scene']}")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse arguments that do not go together."""
    from ..errors import InputError

    if (arguments.ct is None) != (arguments.mask is None and arguments.at is None):
        raise InputError("Give --ct with --mask or --at, or neither.")
    if arguments.mask is not None and arguments.at is not None:
        raise InputError("Give --mask or --at, not both: a point makes a mask of its own.")
    if arguments.ct is None:
        refuse_ignored(arguments, "they are about --ct.", roi=None, label=None, series=None)
    else:
        refuse_ignored(arguments, "it is about the phantom, and --ct replaces it.", seed=7)
    if arguments.at is not None:
        refuse_ignored(arguments, "they are about --mask.", roi=None, label=None)


def _models(arguments: argparse.Namespace) -> list[Model]:
    """Return descriptors and the demo models; for a point in a CT, real models alone."""
    from ..models.catalogue import read_model
    from ..pipeline.real_case import models_of

    describing = models_of("descriptor")
    if arguments.at is not None:
        return [*describing, *models_of("classifier")]
    return [*describing, *(read_model(name) for name in MODELS)]


def _case(arguments: argparse.Namespace, out: Path, progress: Progress) -> tuple[CaseInput, str]:
    """Return the files of the patient, and a sentence on the mask where a point made it."""
    from ..pipeline.case_input import CaseInput
    from ..pipeline.real_case import write_point_mask

    if arguments.mask is not None:
        return CaseInput(
            arguments.ct, arguments.mask, arguments.roi, arguments.label, arguments.series
        ), ""
    if arguments.ct is not None:
        case, method = write_point_mask(
            arguments.ct, arguments.at, out, series=arguments.series, progress=progress
        )
        return case, f"mask: by {method}; look at it ({case.mask})"
    from ..phantom.dicom import write_patient
    from ..phantom.patient import Phantom
    from ..progress import Part

    phantom = Phantom(arguments.seed)
    files = write_patient(phantom, out / "patient", progress=Part(progress, 0.0, 0.8))
    point = phantom.tumour.centre_lps
    clicked, method = write_point_mask(files.ct, point, out, progress=Part(progress, 0.8, 1.0))
    sentence = f"mask from a click: by {method} ({clicked.mask}); the results are of the phantom's"
    return CaseInput(files.ct, files.rtstruct), sentence


def _scene_writer() -> tuple[More | None, str]:
    """Return the writer of the scene and its pictures, or None and the reason."""
    from ..errors import MissingPackageError

    try:
        from ..mrml.case_scene import write_case_scene
    except MissingPackageError as error:
        return None, str(error)
    return write_case_scene, ""
