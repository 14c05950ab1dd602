"""LungSquad: a lung tumour's crop, prediction and report from a CT and an outline.

    import LungSquadLib as ls

    ct = ls.open_ct("patient/CT")
    mask = ls.read_mask("patient/rtstruct.dcm", ct, roi="GTV-1")
    crop = ls.crop(ct, mask)
    prediction = ls.predict(ct, mask, ls.read_model("demo-histology"))

Synthetic tumours, as slices with their masks or inpainted in a CT:

    images = ls.sample_images(ls.read_model("demo-generator"), 16, seed=0)
    inpainted = ls.inpaint(ls.read_model("demo-inpainting"), ct, mask, hu=20)

From a folder of patients to a trained network with an evaluation:

    ls.build_cohort("manifest.csv", "store")
    options = ls.ClassifierOptions("histology", init="demo-survival2y", freeze="trunk")
    run = ls.train_classifier("store", "run", options)
    evaluation = ls.evaluate_run(run)  # which run/evaluation/index.html shows

From molecular, clinical and image tables of the same patients:

    joined = ls.read_sources(["expression=E.csv", "clinical=C.csv"])
    run = ls.train_integration(joined, "run", ls.IntegrationOptions("histology"))
    report = ls.report_integration(run)  # which run/index.html shows

Names are imported when they are first used, so that importing the package is quick and never pulls
torch. Research software, not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "open_ct": "imaging.ct",
    "CT": "imaging.ct",
    "read_mask": "imaging.mask_files",
    "Mask": "imaging.masks",
    "propose_mask": "pipeline.propose:propose",
    "crop": "imaging.crop",
    "Crop": "imaging.crop",
    "tumour_slices": "imaging.slices",
    "size_stage": "imaging.stage",
    "radiomic_features": "radiomics.extract",
    "RadiomicsSettings": "radiomics.settings",
    "inspect": "imaging.inspect",
    "read_model": "models.catalogue",
    "fetch_model": "models.published",
    "predict": "inference.classifier",
    "Prediction": "inference.prediction",
    "read_profile": "data.tables.profile",
    "predict_profile": "inference.profile",
    "inpaint": "inference.inpaint_ct",
    "run_case": "pipeline.case",
    "CaseInput": "pipeline.case_input",
    "run_profile": "pipeline.molecular",
    "run_batch": "pipeline.batch",
    "stage_cohort": "pipeline.stage_cohort",
    "fetch_cohort": "cohorts.fetch",
    "FetchOptions": "cohorts.fetch",
    "build_cohort": "data.build",
    "open_store": "data.store",
    "make_slices": "data.slicing",
    "open_slices": "data.slice_set",
    "sample_images": "inference.generator:sample",
    "train_classifier": "training.classifier.experiment",
    "ClassifierOptions": "training.classifier.options",
    "train_gan": "training.gan.experiment",
    "GanOptions": "training.gan.options",
    "train_inpainting": "training.inpainting.experiment",
    "InpaintingOptions": "training.inpainting.options",
    "read_sources": "pipeline.sources",
    "train_integration": "training.integration.experiment",
    "IntegrationOptions": "training.integration.options",
    "report_integration": "pipeline.report_integration",
    "train_autoencoder": "training.autoencoder.experiment",
    "AutoencoderOptions": "training.autoencoder.options",
    "write_groups": "report.clusters.page",
    "assign_groups": "inference.groups",
    "audit_generator": "evaluation.generator.audit:audit",
    "evaluate_run": "pipeline.evaluate_run",
    "compare_runs": "evaluation.classifier.compare",
    "Phantom": "phantom.patient",
    "LungSquadError": "errors",
    "InputError": "errors",
}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        module, _, attribute = _MODULES[name].partition(":")
        return getattr(import_module(f".{module}", __name__), attribute or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
