"""The whole job on one nodule by the models on this machine: mask, description, prediction.

A point in the nodule becomes a mask, by the segmenter that ships or else by region growing. With it
`run_case` describes the nodule, and predicts by classifiers that learnt from patients.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..files import make_folder
from ..imaging.ct import open_ct
from ..imaging.files.transfer import write_mask
from ..imaging.geometry import Point
from ..imaging.mask_files import read_mask
from ..models.catalogue import available, is_demo
from ..models.file import Model, read_model_file
from ..progress import Part, Progress, Silent, step
from .case_input import CaseInput
from .propose import default_method, propose

MASK = "tumour.seg.nrrd"


def shipped_model(kind: str) -> Model | None:
    """Return the first model of a kind on this machine, a demo model last; None without any."""
    models = models_of(kind, demo=True)
    return models[0] if models else None


def models_of(kind: str, *, demo: bool = False) -> list[Model]:
    """Return the models of a kind on this machine; demo models only if they are asked for."""
    return [
        read_model_file(entry.path)
        for entry in available()
        if entry.card is not None
        and entry.card.kind == kind
        and not entry.shadowed
        and (demo or not is_demo(entry.name))
    ]


def write_point_mask(
    ct_path: str | os.PathLike[str],
    point: Point,
    folder: str | os.PathLike[str],
    *,
    series: str | None = None,
    progress: Progress | None = None,
) -> tuple[CaseInput, str]:
    """Write the mask of the tumour at a point, and return the case and the method's name."""
    progress = progress or Silent()
    ct = open_ct(ct_path, series=series, progress=progress)
    mask = propose(ct, point, progress=Part(progress, 0.2, 1.0))
    make_folder(Path(folder))
    write_mask(mask, Path(folder) / MASK)
    return CaseInput(ct_path, Path(folder) / MASK, series=series), default_method()


def write_synthetic(
    case: CaseInput, folder: str | os.PathLike[str], *, progress: Progress | None = None
) -> list[Path]:
    """Write synthetic slices, and the CT with a tumour inpainted in place of the patient's.

    Returns:
        The pictures, of the models that there are.
    """
    from ..inference.generator import sample, write_samples
    from ..inference.inpaint_ct import inpaint, write_inpainting

    progress, pictures = progress or Silent(), []
    generator = shipped_model("generator")
    if generator is not None:
        step(progress, 0.0, "Generating")
        images = sample(generator, 16, seed=0)
        parameters: dict[str, Any] = {"seed": 0, "truncation": 1.0, "label": None}
        written = write_samples(Path(folder) / "slices", images, generator, **parameters)
        pictures.append(written / "grid.png")
    inpainter = shipped_model("inpainter")
    if inpainter is not None:
        ct = open_ct(case.ct, series=case.series)
        mask = read_mask(case.mask, ct, roi=case.roi, label=case.label)
        inpainted = inpaint(inpainter, ct, mask, remove=mask, progress=Part(progress, 0.2, 1.0))
        target = Path(folder) / "inpainted"
        write_inpainting(inpainted, ct, mask, folder=target, inputs=[case.ct, case.mask])
        pictures.append(target / "comparison.png")
    return pictures
