"""The worker's verbs: the fields of each request, and its work.

The work is done by the functions that the command line calls. The fields have the names, types and
limits of these functions' arguments; a field that is a dataclass stands for its own fields.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..imaging.geometry import Point
from ..options import option
from ..pipeline.case_input import CaseInput
from ..pipeline.options import SEG_HELP, SEG_TYPES, PredictionOptions
from ..progress import Part, Progress, step
from .model_verbs import AddModel, FetchModel, Models
from .synthetic_verbs import Generate, Inpaint, Sample

if TYPE_CHECKING:
    from ..imaging.ct import CT
    from ..imaging.masks import Mask
    from ..inference.prediction import PointPrediction


class Reporter(Progress, Protocol):
    """A receiver of progress and of results that come before the last one."""

    def preliminary(self, result: dict[str, Any]) -> None:
        """Report a preliminary result, as JSON has it."""


class Work(Protocol):
    """A request that takes time."""

    def run(self, progress: Reporter) -> Any:
        """Do the work; return the result, as JSON has it."""


@dataclass(frozen=True)
class Ping:
    """Return versions, whether torch is loaded, and the number of requests."""


@dataclass(frozen=True)
class Cancel:
    """Cancel a request that is running or waiting."""

    request: int


@dataclass(frozen=True)
class Predict:
    """Predict for a case, as `lungsquad predict`."""

    case: CaseInput
    models: tuple[str, ...]
    folder: str | os.PathLike[str]
    options: PredictionOptions
    preliminary: str | os.PathLike[str] | None = None

    def run(self, progress: Reporter) -> dict[str, Any]:
        from ..models.catalogue import kept_predictor
        from ..pipeline.case import run_case

        step(progress, 0.0, "Reading the model")
        return run_case(
            self.case,
            [kept_predictor(name) for name in self.models],
            self.folder,
            options=self.options,
            preliminary=None if self.preliminary is None else partial(self._report, progress),
            progress=progress,
        )

    def _report(self, progress: Reporter, point: PointPrediction) -> None:
        """Write the saliency of a preliminary prediction, and report the prediction."""
        from ..imaging.files.write import write_volumes

        assert self.preliminary is not None  # noqa: S101 - or nothing is reported
        folder = Path(self.preliminary)
        folder.mkdir(exist_ok=True)  # not its parents: a client that cancelled removes them
        saliency = folder / f"saliency-{point.model.card.name}.nrrd"
        write_volumes({saliency: point.saliency})
        progress.preliminary({**point.to_dict(), "files": {"saliency": str(saliency)}})


@dataclass(frozen=True)
class Batch:
    """Predict for all cases of a manifest, as `lungsquad batch`."""

    manifest: str | os.PathLike[str]
    models: tuple[str, ...]
    folder: str | os.PathLike[str]
    options: PredictionOptions
    jobs: int = option(1, low=1, help="parallel processes")

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..models.catalogue import read_predictor
        from ..pipeline.batch import run_batch

        step(progress, 0.0, "Reading the model")
        models = [read_predictor(name) for name in self.models]
        summary = run_batch(
            self.manifest,
            models,
            self.folder,
            jobs=self.jobs,
            options=self.options,
            progress=progress,
        )
        return asdict(summary)


@dataclass(frozen=True)
class Plan:
    """Count the cases of a manifest, or of a folder of patients."""

    manifest: str | os.PathLike[str]

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..cohorts.patient_folders import manifest_of
        from ..data.manifest import read_manifest

        with manifest_of(self.manifest, progress) as (table, left_out):
            return {"cases": len(read_manifest(table)), "left_out": left_out}


@dataclass(frozen=True)
class Inspect:
    """Describe a folder or file, as `lungsquad inspect`."""

    path: str | os.PathLike[str]

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.inspect import inspect

        return inspect(self.path, progress)


@dataclass(frozen=True)
class Rois:
    """List the outlines in a mask file."""

    mask: str | os.PathLike[str]

    def run(self, _progress: Progress) -> list[dict[str, Any]]:
        from ..imaging.mask_files import choices

        return [asdict(choice) for choice in choices(self.mask)]


@dataclass(frozen=True)
class ImportMask:
    """Write a mask file's tumour on the CT's voxels."""

    ct: str | os.PathLike[str]
    mask: str | os.PathLike[str]
    out: str | os.PathLike[str]
    roi: str | None = None
    label: int | None = None
    series: str | None = None

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.ct import open_ct
        from ..imaging.files.transfer import write_mask
        from ..imaging.files.write import check_distinct
        from ..imaging.mask_files import read_mask

        check_distinct([self.out], [self.ct, self.mask])
        ct = open_ct(self.ct, series=self.series, progress=progress)
        step(progress, 0.3, "Reading the mask")
        mask = read_mask(self.mask, ct, roi=self.roi, label=self.label)
        step(progress, 0.9, "Writing the mask")
        write_mask(mask, self.out)
        return _described(mask, ct)


@dataclass(frozen=True)
class Segment:
    """Segment the tumour at points or in a box, as `lungsquad segment`, and write the mask."""

    ct: str | os.PathLike[str]
    out: str | os.PathLike[str]
    inside: tuple[Point, ...] | None = None
    outside: tuple[Point, ...] | None = None
    box: tuple[Point, ...] | None = None
    model: str | None = None
    series: str | None = None

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.ct import open_ct
        from ..imaging.files.transfer import write_mask
        from ..imaging.files.write import check_distinct
        from ..pipeline.propose import propose

        check_distinct([self.out], [self.ct])
        ct = open_ct(self.ct, series=self.series, progress=progress)
        mask = propose(
            ct,
            self.inside or (),
            self.outside or (),
            box=self.box or (),
            model=self.model,
            progress=Part(progress, 0.0, 0.9),
        )
        step(progress, 0.9, "Writing the mask")
        write_mask(mask, self.out)
        return _described(mask, ct)


@dataclass(frozen=True)
class Candidates:
    """List the candidates of tumours in a CT, as `lungsquad segment` without points."""

    ct: str | os.PathLike[str]
    model: str | None = None
    series: str | None = None

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.ct import open_ct
        from ..pipeline.propose import EXPERIMENTAL, find_candidates

        ct = open_ct(self.ct, series=self.series, progress=progress)
        listed = find_candidates(ct, model=self.model, progress=progress)
        described = [candidate.to_dict() for candidate in listed]
        return {"notice": EXPERIMENTAL, "candidates": described}


@dataclass(frozen=True)
class Radiomics:
    """Compute the radiomic features of a case, with the defaults of `lungsquad radiomics`."""

    ct: str | os.PathLike[str]
    mask: str | os.PathLike[str]
    robustness: str | os.PathLike[str] | None = None
    series: str | None = None

    def run(self, progress: Progress) -> list[dict[str, Any]]:
        from ..pipeline.radiomics import described_features

        case = CaseInput(self.ct, self.mask, series=self.series)
        return described_features(case, self.robustness, progress)


def _described(mask: Mask, ct: CT) -> dict[str, Any]:
    """Return a mask's name, source, volume and flags."""
    import SimpleITK as sitk

    from ..imaging.crop import flags_of_case

    voxels = int(sitk.GetArrayViewFromImage(mask.image).sum())
    return {
        "name": mask.name,
        "source": mask.source,
        "volume_ml": voxels * ct.grid.voxel_volume / 1000,
        "flags": [flag.to_dict() for flag in flags_of_case(ct, mask)],
    }


@dataclass(frozen=True)
class ExportDicom:
    """Write SEG and SR of results that were made on a copy of a DICOM series."""

    results: str | os.PathLike[str]
    ct: str | os.PathLike[str]
    mask: str | os.PathLike[str]
    source: str | os.PathLike[str]
    folder: str | os.PathLike[str]
    series: str | None = None
    keep_identity: bool = False
    seg_type: str = option("binary", choices=SEG_TYPES, help=SEG_HELP)

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.ct import open_ct
        from ..imaging.files.write import check_distinct
        from ..imaging.mask_files import read_mask
        from ..report.dicom_results import export_dicom

        check_distinct([self.folder], [self.source])
        ct = open_ct(self.ct)
        mask = read_mask(self.mask, ct)
        series = open_ct(self.source, series=self.series, progress=progress)
        seg, sr = export_dicom(
            self.results,
            ct,
            mask,
            series,
            self.folder,
            keep_identity=self.keep_identity,
            seg_type=self.seg_type,
            progress=progress,
        )
        return {"seg": str(seg), "sr": str(sr)}


VERBS: dict[str, type] = {
    "ping": Ping,
    "models": Models,
    "fetch": FetchModel,
    "add": AddModel,
    "predict": Predict,
    "cancel": Cancel,
    "rois": Rois,
    "mask": ImportMask,
    "segment": Segment,
    "candidates": Candidates,
    "radiomics": Radiomics,
    "sample": Sample,
    "dicom": ExportDicom,
    "inspect": Inspect,
    "batch": Batch,
    "plan": Plan,
    "generate": Generate,
    "inpaint": Inpaint,
}


def load() -> None:
    """Import all that a prediction needs, with torch, which takes seconds."""
    from ..pipeline import case  # noqa: F401
