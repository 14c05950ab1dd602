"""LungSquad: a lung tumour's crop, prediction and report from a CT and an outline.

    import LungSquadLib as ls

    ct = ls.open_ct("patient/CT")
    mask = ls.read_mask("patient/rtstruct.dcm", ct, roi="GTV-1")
    crop = ls.crop(ct, mask)
    prediction = ls.predict(ct, mask, ls.read_model("demo-histology"))

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
    "inspect": "imaging.inspect",
    "read_model": "models.catalogue",
    "predict": "prediction.predict",
    "Prediction": "prediction.prediction",
    "run_case": "report.case",
    "CaseInput": "report.case",
    "run_batch": "report.batch",
    "Phantom": "imaging.phantom.patient",
    "LungSquadError": "errors",
    "InputError": "errors",
}

__all__ = ["__version__", *_PLACES]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
