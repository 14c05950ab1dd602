"""Who runs the network: this process, or one beside it. Callers do not see the difference."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ..imaging.ct import CT
from ..imaging.files.transfer import write_ct
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..models.catalogue import find, read_model
from ..progress import Part, Progress, Silent
from ..worker.client import WorkerClient
from .scene import inside_slicer
from .temporary_files import Exchange, read_predictions, write_mask

if TYPE_CHECKING:
    from ..inference.prediction import Prediction


class Predictor(Protocol):
    """Something that asks a model about the tumour in a mask."""

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
        """As `prediction.predict.predict`; the model by name or file."""


def in_process(
    ct: CT,
    mask: Mask,
    model: str | os.PathLike[str],
    *,
    device: str,
    seed: int,
    centre_lps: Point | None,
    progress: Progress | None,
) -> Prediction:
    """Run the network here: this process imports torch."""
    found = read_model(model, kind="classifier")  # says what to install where torch is missing
    from ..inference.classifier import predict

    return predict(
        ct, mask, found, device=device, seed=seed, centre_lps=centre_lps, progress=progress
    )


class WorkerPredictor:
    """Runs the network in a worker; the process that asks needs no torch.

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
        """Hand CT and mask over, wait for the worker, read what it found.

        Raises:
            WorkerError: the worker cannot be started, or died.
        """
        progress, file = progress or Silent(), find(model).absolute()
        with Exchange() as exchange:
            write_ct(ct, exchange.ct, Part(progress, 0.0, 0.1))
            write_mask(mask, exchange.mask)
            self._worker.request(
                "predict",
                ct=exchange.ct,
                mask=exchange.mask,
                models=[file],
                folder=exchange.results,
                device=device,
                seed=seed,
                centre=centre_lps,
                progress=Part(progress, 0.1, 1.0),
            )
            (prediction,) = read_predictions(exchange.results, ct, mask, [file])
        return prediction


def usual_predictor() -> Predictor:
    """Who predicts where nobody was named: this process, or inside Slicer its worker."""
    return _slicers_worker() if inside_slicer() else in_process


@cache
def _slicers_worker() -> Predictor:
    """One worker for the whole process, which it ends with: loading torch takes seconds."""
    return WorkerPredictor(WorkerClient())
