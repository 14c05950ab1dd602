"""Predictors, which run the network in this process or in a worker, behind one signature."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ..imaging.ct import CT
from ..imaging.files.transfer import write_ct, write_mask
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..models.catalogue import find, read_model
from ..progress import Part, Progress, Silent
from ..report.read_back import read_predictions
from ..worker.client import WorkerClient
from .scene import inside_slicer
from .temporary_files import CaseFiles

if TYPE_CHECKING:
    from ..inference.prediction import Prediction


class Predictor(Protocol):
    """Runs a model on the tumour in a mask."""

    def __call__(
        self,
        ct: CT,
        mask: Mask,
        model: str | os.PathLike[str],
        *,
        device: str,
        seed: int,
        centre_lps: Point | None,
        progress: Progress | None,
    ) -> Prediction:
        """Predict as `inference.classifier.predict`, with the model by name or file."""


def predict_in_process(
    ct: CT,
    mask: Mask,
    model: str | os.PathLike[str],
    *,
    device: str,
    seed: int,
    centre_lps: Point | None,
    progress: Progress | None,
) -> Prediction:
    """Predict in this process, which imports torch."""
    loaded = read_model(model, kind="classifier")  # its error says how to install torch
    from ..inference.classifier import predict

    return predict(
        ct, mask, loaded, device=device, seed=seed, centre_lps=centre_lps, progress=progress
    )


class WorkerPredictor:
    """Runs the network in a worker; this process needs no torch.

    The numbers of its predictions are rounded as `Prediction.to_dict` rounds them.
    """

    def __init__(self, worker: WorkerClient) -> None:
        self._worker = worker

    def __call__(
        self,
        ct: CT,
        mask: Mask,
        model: str | os.PathLike[str],
        *,
        device: str,
        seed: int,
        centre_lps: Point | None,
        progress: Progress | None,
    ) -> Prediction:
        """Write CT and mask, wait for the worker, read its results.

        Raises:
            WorkerError: the worker cannot be started, or died.
        """
        progress, file = progress or Silent(), find(model).absolute()
        with CaseFiles() as files:
            write_ct(ct, files.ct, Part(progress, 0.0, 0.1))
            write_mask(mask, files.mask)
            self._worker.request(
                "predict",
                ct=files.ct,
                mask=files.mask,
                models=[file],
                folder=files.results,
                device=device,
                seed=seed,
                centre_lps=centre_lps,
                progress=Part(progress, 0.1, 1.0),
            )
            (prediction,) = read_predictions(files.results, ct, mask, [file])
        return prediction


def default_predictor() -> Predictor:
    """Return the default predictor: in Slicer its worker, elsewhere this process."""
    return _shared_worker() if inside_slicer() else predict_in_process


@cache
def _shared_worker() -> Predictor:
    """Return one predictor for the whole process, since loading torch takes seconds."""
    return WorkerPredictor(WorkerClient())
