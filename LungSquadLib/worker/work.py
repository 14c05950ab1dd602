"""The work behind the verbs: the same functions that the command line calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..progress import Part, Progress, step
from .requests import (
    Batch,
    Export,
    Generate,
    ImportMask,
    Inpaint,
    Inspect,
    Models,
    Predict,
    Rois,
    Sample,
    Segment,
    Work,
)

if TYPE_CHECKING:
    from ..imaging.ct import CT
    from ..imaging.masks import Mask


def load() -> None:
    """Import all that a prediction needs, torch with it: seconds."""
    from ..pipeline import case  # noqa: F401


def do(request: Work, progress: Progress) -> Any:
    """Do what was asked and return what the answer says."""
    return _WORK[type(request)](request, progress)


def release() -> None:
    """Give back the graphics memory that torch keeps for later: Slicer draws with it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _models(_request: Models, _progress: Progress) -> list[dict[str, Any]]:
    from ..models.catalogue import available

    return [{**asdict(entry), "path": str(entry.path)} for entry in available()]


def _predict(request: Predict, progress: Progress) -> dict[str, Any]:
    from ..models.catalogue import read_predictor
    from ..pipeline.case import CaseInput, run_case
    from ..pipeline.options import PredictionOptions

    step(progress, 0.0, "Reading the model")
    models = [read_predictor(name) for name in request.models]
    case = CaseInput(
        request.ct,
        request.mask,
        request.roi,
        request.label,
        request.series,
        request.centre,
        request.profile,
    )
    how = PredictionOptions(request.device, request.seed, request.keep_identity)
    return run_case(case, models, request.folder, options=how, progress=progress)


def _inspect(request: Inspect, progress: Progress) -> dict[str, Any]:
    from ..imaging.inspect import inspect

    return inspect(request.path, progress)


def _rois(request: Rois, _progress: Progress) -> list[dict[str, Any]]:
    from ..imaging.masks import choices

    return [asdict(choice) for choice in choices(request.mask)]


def _import_mask(request: ImportMask, progress: Progress) -> dict[str, Any]:
    from ..imaging.ct import open_ct
    from ..imaging.files.transfer import write_mask
    from ..imaging.files.write import check_distinct
    from ..imaging.masks import read_mask

    check_distinct([request.out], [request.ct, request.mask])
    ct = open_ct(request.ct, series=request.series, progress=progress)
    step(progress, 0.3, "Reading the mask")
    mask = read_mask(request.mask, ct, roi=request.roi, label=request.label)
    step(progress, 0.9, "Writing the mask")
    write_mask(mask, request.out)
    return _described(mask, ct)


def _segment(request: Segment, progress: Progress) -> dict[str, Any]:
    from ..imaging.ct import open_ct
    from ..imaging.files.transfer import write_mask
    from ..imaging.files.write import check_distinct
    from ..imaging.region import propose_mask

    check_distinct([request.out], [request.ct])
    ct = open_ct(request.ct, series=request.series, progress=progress)
    mask = propose_mask(ct, request.point, progress=progress)
    step(progress, 0.9, "Writing the mask")
    write_mask(mask, request.out)
    return _described(mask, ct)


def _described(mask: Mask, ct: CT) -> dict[str, Any]:
    """What people should see of a mask before they take it."""
    import SimpleITK as sitk

    from ..imaging.crop import flags_of_case

    voxels = int(sitk.GetArrayViewFromImage(mask.image).sum())
    return {
        "name": mask.name,
        "source": mask.source,
        "volume_ml": voxels * ct.grid.voxel_volume / 1000,
        "flags": [flag.to_dict() for flag in flags_of_case(ct, mask)],
    }


def _sample(request: Sample, progress: Progress) -> dict[str, Any]:
    from ..phantom.patient import Phantom
    from ..phantom.volumes import write_patient_volumes

    phantom = Phantom(request.seed)
    ct, mask = write_patient_volumes(phantom, request.folder, progress=progress)
    return {"name": f"Phantom patient {request.seed}", "ct": str(ct), "mask": str(mask)}


def _export(request: Export, progress: Progress) -> dict[str, Any]:
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct
    from ..imaging.masks import read_mask
    from ..report.dicom_export import export_dicom

    check_distinct([request.folder], [request.source])
    ct = open_ct(request.ct)
    mask = read_mask(request.mask, ct)
    series = open_ct(request.source, series=request.series, progress=progress)
    seg, sr = export_dicom(
        request.results,
        ct,
        mask,
        series,
        request.folder,
        keep_identity=request.keep_identity,
        progress=progress,
    )
    return {"seg": str(seg), "sr": str(sr)}


def _batch(request: Batch, progress: Progress) -> dict[str, Any]:
    from ..models.catalogue import read_predictor
    from ..pipeline.batch import run_batch
    from ..pipeline.options import PredictionOptions

    step(progress, 0.0, "Reading the model")
    models = [read_predictor(name) for name in request.models]
    how = PredictionOptions(request.device, request.seed, request.keep_identity)
    summary = run_batch(
        request.manifest,
        models,
        request.folder,
        jobs=request.jobs,
        options=how,
        progress=progress,
    )
    return asdict(summary)


def _generate(request: Generate, progress: Progress) -> dict[str, Any]:
    from ..inference.generator import SAMPLES, sample, write_samples
    from ..models.catalogue import read_model

    step(progress, 0.0, "Reading the model")
    model = read_model(request.model, kind="generator")
    parameters = {name: getattr(request, name) for name in ("seed", "truncation", "label", "like")}
    step(progress, 0.2, "Drawing")
    images = sample(model, request.n, **parameters)
    step(progress, 0.8, "Writing the images")
    folder = write_samples(request.folder, images, model, **parameters)
    described: dict[str, Any] = json.loads((folder / SAMPLES).read_text(encoding="utf-8"))
    return described


def _inpaint(request: Inpaint, progress: Progress) -> dict[str, Any]:
    from ..imaging.ct import open_ct
    from ..imaging.files.write import check_distinct, write_volumes
    from ..imaging.masks import read_mask
    from ..inference.inpaint_ct import inpaint
    from ..models.catalogue import read_model

    check_distinct([request.out], [request.ct, request.mask])
    step(progress, 0.0, "Reading the model")
    model = read_model(request.model, kind="inpainter")
    ct = open_ct(request.ct)
    mask = read_mask(request.mask, ct)
    inpainted = inpaint(
        model,
        ct,
        mask,
        hu=request.hu,
        label=request.kind,
        seed=request.seed,
        progress=Part(progress, 0.0, 0.9),
    )
    step(progress, 0.9, "Writing what changed")
    x, y, z = (slice(*ends) for ends in zip(inpainted.box.start, inpainted.box.stop, strict=True))
    write_volumes({request.out: inpainted.ct[x, y, z]})
    return inpainted.to_dict()


_WORK: dict[type, Callable[[Any, Progress], Any]] = {
    Models: _models,
    Predict: _predict,
    Inspect: _inspect,
    Rois: _rois,
    ImportMask: _import_mask,
    Segment: _segment,
    Sample: _sample,
    Export: _export,
    Batch: _batch,
    Generate: _generate,
    Inpaint: _inpaint,
}
