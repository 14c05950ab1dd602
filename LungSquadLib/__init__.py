"""LungSquad: a lung tumour's crop, prediction and report from a CT and an outline.

    import LungSquadLib as ls

    ct = ls.open_ct("patient/CT")
    mask = ls.read_mask("patient/rtstruct.dcm", ct, roi="GTV-1")
    crop = ls.crop(ct, mask)
    prediction = ls.predict(ct, mask, ls.read_model("demo-histology"))

Tumours that are made up, as slices with their masks or painted into a CT:

    images = ls.sample_images(ls.read_model("demo-generator"), 16, seed=0)
    made = ls.synthesise(ls.read_model("demo-translation"), ct, mask, hu=20)

And from a folder of patients to a network of one's own, with an evaluation:

    ls.build_cohort("manifest.csv", "store")
    options = ls.TrainingOptions("histology", init="demo-survival2y", freeze="trunk")
    run = ls.train_classifier("store", "run", options)
    evaluation = ls.evaluate_run(run)  # which run/evaluation/index.html shows

Or from tables of molecules, clinical facts and image features of the same patients:

    joined = ls.read_sources(["expression=E.csv", "clinical=C.csv"])
    run = ls.train_integration(joined, "run", ls.IntegrationOptions("histology"))
    found = ls.report_integration(run)  # which run/index.html shows

Names are imported when they are first used, so that importing the package is quick and never pulls
torch. Research software, not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "open_ct": "imaging.ct",
    "CT": "imaging.ct",
    "read_mask": "imaging.masks",
    "Mask": "imaging.masks",
    "propose_mask": "imaging.region",
    "crop": "imaging.crop",
    "Crop": "imaging.crop",
    "tumour_slices": "imaging.slices",
    "size_stage": "imaging.stage",
    "inspect": "imaging.inspect",
    "read_model": "models.catalogue",
    "predict": "prediction.predict",
    "Prediction": "prediction.prediction",
    "read_profile": "prediction.profile_file",
    "predict_profile": "prediction.profile",
    "synthesise": "generation.synthesis",
    "run_case": "report.case",
    "CaseInput": "report.case",
    "run_profile": "report.profile_case",
    "run_batch": "report.batch",
    "stage_cohort": "report.staging.cohort",
    "build_cohort": "cohort.build",
    "open_store": "cohort.store",
    "make_slices": "cohort.slicing",
    "open_slices": "cohort.slice_set",
    "sample_images": "generation.sampling:sample",
    "train_classifier": "training.run",
    "TrainingOptions": "training.options:Options",
    "Recipe": "training.classifier",
    "train_gan": "training.gan_run",
    "GanOptions": "training.gan_options",
    "train_translation": "training.translation_run",
    "TranslationOptions": "training.translation_run:Options",
    "read_sources": "training.sources",
    "train_integration": "training.integration_run",
    "IntegrationOptions": "training.integration_options",
    "report_integration": "report.integration.run",
    "train_autoencoder": "training.autoencoder_run",
    "AutoencoderOptions": "training.autoencoder_run",
    "write_groups": "report.groups.write",
    "assign_groups": "prediction.groups",
    "audit_generator": "report.audit.audit:audit",
    "evaluate_run": "report.evaluation.run",
    "compare_runs": "report.evaluation.compare",
    "Phantom": "imaging.phantom.patient",
    "LungSquadError": "errors",
    "InputError": "errors",
}

__all__ = ["__version__", *_PLACES]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        module, _, own = _PLACES[name].partition(":")
        return getattr(import_module(f".{module}", __name__), own or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
