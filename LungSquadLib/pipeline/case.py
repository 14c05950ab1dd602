"""A patient from files to a folder of results: crop, predictions, report, DICOM."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from .. import __version__
from ..data.tables.profile import Profile
from ..errors import InputError, MissingPackageError
from ..files import whole_folder, write_json
from ..imaging.crop import Crop, crop
from ..imaging.ct import CT, content_hash, open_ct
from ..imaging.files.write import check_distinct, write_volumes
from ..imaging.flags import Flag, merged
from ..imaging.mask_files import read_mask
from ..imaging.masks import Mask
from ..imaging.pictures import VIEWS, plane_through_tumour
from ..imaging.stage import SizeStage, size_stage
from ..inference.classifier import start
from ..inference.description import Description, describe
from ..inference.prediction import PointPrediction, Prediction
from ..inference.profile import ProfilePrediction
from ..models.catalogue import DESCRIBES, OF_IMAGES
from ..models.file import Model
from ..networks.devices import chosen_device
from ..progress import Part, Progress, Silent, step
from ..radiomics.extract import radiomic_features
from ..radiomics.settings import RadiomicsSettings
from ..report.dicom_results import write_dicom
from ..report.identity import identity_of, patient_of
from ..report.page import RESEARCH
from ..report.render import FORMAT_VERSION, PLANES, REPORT, RESULT, rendered, write_planes
from .case_input import CaseInput
from .molecular import molecular_flags, molecular_part, notices_of, predict_molecular, profile_for
from .options import PredictionOptions

# Height of the coronal and sagittal planes: the slices that the crops need, and one or two more. To
# decode all slices of a compressed CT would take longer than the rest of a prediction.
_PLANE_MM = 72.0

# Writes further files of a case into its folder, and returns their names by their kind.
More: TypeAlias = "Callable[[Results, Path], dict[str, str]]"


def run_case(
    case: CaseInput,
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    options: PredictionOptions | None = None,
    stamp: tuple[str, str] | None = None,
    more: More | None = None,
    preliminary: Callable[[PointPrediction], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict for one patient, write its folder, and return the content of `prediction.json`.

    Models of images predict from the tumour or describe it, models of tables predict from the
    profile, without and with the image.

    The folder gets `report.html`, `prediction.json`, the crop and its mask, a saliency volume for
    each model, the planes of the report's figures and, if the CT is DICOM and highdicom is
    installed, a SEG and an SR. They appear together at the end, `prediction.json` last, so that a
    folder with it is complete. `stamp` is the name and the content of one more text file; `more`
    writes further files. `preliminary` is called with the prediction of each classifier before the
    intervals, which take longer, are measured.

    Raises:
        InputError: as `open_ct`, `read_mask`, `crop`, `read_profile` and `predict_profile`; a model
            takes a profile and there is none, or the other way; an input would be written over.
        CancelledError: `progress` said so; nothing is left behind.
    """
    options, progress = options or PredictionOptions(), progress or Silent()
    chosen_device(options.device)  # a missing device is reported before the work
    inputs = [path for path in (case.ct, case.mask, case.profile) if path is not None]
    check_distinct([folder], inputs)
    profile = profile_for(models, case.profile)
    ct = open_ct(case.ct, series=case.series, progress=progress)
    mask = read_mask(case.mask, ct, roi=case.roi, label=case.label)
    ct = ct.read_once(Part(progress, 0.0, 0.2))
    cut = crop(ct, mask, centre_lps=case.centre_lps, progress=Part(progress, 0.2, 0.3))
    # Before the images, which take long: a profile that does not fit is reported at once.
    molecular = predict_molecular(
        models,
        profile,
        (ct, mask),
        device=options.device,
        seed=options.seed,
        centre_lps=case.centre_lps,
    )
    of_images = [model for model in models if model.card.kind in OF_IMAGES]
    started = []
    for model in of_images:
        step(progress, 0.3, f"{model.card.title}: probability")
        started.append(
            start(
                ct,
                mask,
                model,
                device=options.device,
                seed=options.seed,
                centre_lps=case.centre_lps,
            )
        )
        if preliminary is not None:
            preliminary(started[-1].point)
    share = 0.45 / max(len(of_images), 1)
    predictions = [
        each.finish(Part(progress, 0.35 + number * share, 0.35 + (number + 1) * share))
        for number, each in enumerate(started)
    ]
    descriptions = tuple(
        describe(model, ct, mask, device=options.device)
        for model in models
        if model.card.kind in DESCRIBES
    )
    step(progress, 0.8, "Writing the report")
    radiomics = radiomic_features(ct, mask) if options.radiomics else {}
    results = Results(
        ct,
        mask,
        cut,
        tuple(predictions),
        options,
        profile,
        tuple(molecular),
        descriptions,
        radiomics,
    )
    with whole_folder(folder, last=RESULT) as temporary:
        if stamp is not None:
            (temporary / stamp[0]).write_text(stamp[1] + "\n", encoding="utf-8")
        described = results.write(temporary, more)
        written = [Path(folder) / entry.name for entry in temporary.iterdir()]
        check_distinct(written, inputs)
    step(progress, 1.0, "Done")
    return described


@dataclass(frozen=True)
class Results:
    """The results of a case, and how they are written."""

    ct: CT
    mask: Mask
    crop: Crop
    predictions: tuple[Prediction, ...]
    options: PredictionOptions
    profile: Profile | None = None
    molecular: tuple[ProfilePrediction, ...] = ()
    descriptions: tuple[Description, ...] = ()
    radiomics: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def t_stage(self) -> SizeStage:
        """The T stage by the tumour's size."""
        return size_stage(self.mask.image)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `prediction.json`, the same for the same inputs."""
        keep = self.options.keep_identity
        return {
            "format_version": FORMAT_VERSION,
            "lungsquad": __version__,
            "notice": RESEARCH,
            "notices": notices_of([*self.predictions, *self.molecular, *self.descriptions]),
            "patient": patient_of(self.ct, keep=keep),
            "ct": {
                "source": "DICOM series" if self.ct.dicom else "volume file",
                "size": list(self.ct.grid.size),
                "spacing_mm": list(self.ct.grid.spacing),
                "origin_lps": list(self.ct.grid.origin),
                "direction": list(self.ct.grid.direction),
                "sha256": self.ct.sha256,
            },
            "mask": {
                "name": self.mask.name,
                "source": self.mask.source,
                "sha256": content_hash(self.mask.image),
            },
            "crop": self.crop.to_dict(),
            "t_stage": self.t_stage.to_dict(),
            "flags": [flag.to_dict() for flag in self._flags()],
            "predictions": [prediction.to_dict() for prediction in self.predictions],
            "descriptions": [description.to_dict() for description in self.descriptions],
            **molecular_part(self.profile, self.molecular),
            **self._radiomics(),
            "files": {},
            **identity_of(self.ct, keep=keep),
        }

    def _radiomics(self) -> dict[str, Any]:
        """Return the radiomic features and their settings; nothing where there are none."""
        if not self.radiomics:
            return {}
        known = {n: None if math.isnan(value) else value for n, value in self.radiomics.items()}
        return {"radiomics": {"settings": RadiomicsSettings().to_dict(), "features": known}}

    def write(self, folder: Path, more: More | None = None) -> dict[str, Any]:
        """Write all files of the case into a folder; `prediction.json` last."""
        described = self.to_dict()
        files: dict[str, str] = described["files"]
        volumes = {"crop": self.crop.ct, "crop_mask": self.crop.mask}
        for prediction in self.predictions:
            volumes[f"saliency-{prediction.model.card.name}"] = prediction.saliency
        write_volumes({folder / f"{name}.nrrd": image for name, image in volumes.items()})
        files.update({name: f"{name}.nrrd" for name in volumes})
        if self.ct.dicom is not None:
            try:
                written = write_dicom(
                    described, self.ct, self.mask, folder, seg_type=self.options.seg_type
                )
            except (MissingPackageError, InputError) as error:
                flag = Flag("dicom_not_written", "info", self._why_no_dicom(error))
                described["flags"].append(flag.to_dict())
            else:
                files.update({Path(name).stem: name for name in written})
        largest = self.t_stage.largest
        line = (largest.start_lps, largest.end_lps)
        planes = [
            plane_through_tumour(self.ct, self.mask, view, line_lps=line, height_mm=_PLANE_MM)
            for view in VIEWS
        ]
        write_planes(folder / PLANES, planes)
        files.update({"planes": PLANES, "report": REPORT})
        if more is not None:
            files.update(more(self, folder))
        write_json(folder / RESULT, described)
        (folder / REPORT).write_text(rendered(folder), encoding="utf-8")
        return described

    def _why_no_dicom(self, error: MissingPackageError | InputError) -> str:
        if isinstance(error, MissingPackageError):
            return str(error)
        reason = f" {error}" if self.options.keep_identity else ""  # it may quote the header
        return f"SEG and SR were not written: the CT's headers lack what they need.{reason}"

    def _flags(self) -> tuple[Flag, ...]:
        """Flags of the images, of the T stage and of the models; see `merged`."""
        of_images = [
            *((each.model.card.title, each.flags) for each in self.predictions),
            *((each.model.card.title, each.flags) for each in self.descriptions),
        ]
        shared = (*self.crop.flags, *self.t_stage.flags)
        return merged(shared, [*of_images, *molecular_flags(self.molecular)])
