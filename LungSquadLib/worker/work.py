"""The work behind the verbs: the same functions that the command line calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..progress import Progress, step
from .requests import Batch, Models, Predict, Work


def load() -> None:
    """Import all that a prediction needs, torch with it: seconds."""
    from ..report import case  # noqa: F401


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
    from ..models.catalogue import read_model
    from ..report.case import CaseInput, Options, run_case

    step(progress, 0.0, "Reading the model")
    models = [read_model(name) for name in request.models]
    case = CaseInput(request.ct, request.mask, request.roi, request.label, request.series)
    how = Options(request.device, request.seed, request.keep_identity)
    return run_case(case, models, request.folder, options=how, progress=progress)


def _batch(request: Batch, progress: Progress) -> dict[str, Any]:
    from ..models.catalogue import read_model
    from ..report.batch import run_batch
    from ..report.case import Options

    step(progress, 0.0, "Reading the model")
    models = [read_model(name) for name in request.models]
    how = Options(request.device, request.seed, request.keep_identity)
    summary = run_batch(
        request.manifest,
        models,
        request.folder,
        jobs=request.jobs,
        options=how,
        progress=progress,
    )
    return asdict(summary)


_WORK: dict[type, Callable[[Any, Progress], Any]] = {
    Models: _models,
    Predict: _predict,
    Batch: _batch,
}
