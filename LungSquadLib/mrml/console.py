"""Functions for Slicer's Python console and scripts: nodes in, the library's objects out."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ..imaging.crop import Crop
from ..imaging.crop import crop as crop_tumour
from ..imaging.ct import CT
from ..imaging.files.transfer import write_ct, write_mask
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..inference.prediction import Prediction
from ..models.catalogue import Entry, available, find, read_model
from ..progress import Part, Progress, Silent
from ..report.read_back import read_predictions
from ..worker.client import WorkerClient
from .hierarchy import remove, results_of
from .results import show_crop, show_prediction
from .scene import inside_slicer
from .segments import mask_on_ct
from .temporary_files import CaseFiles
from .tumour import CaseKey, Tumour
from .volumes import ct_of_volume

if TYPE_CHECKING:
    from ..inference.prediction import Prediction


def models() -> list[Entry]:
    """Return the models on this machine, as `lungsquad models list` shows them."""
    return available()


def crop(
    volume: Any,
    segmentation: Any,
    segment_id: str,
    *,
    size: int = 64,
    spacing: float = 1.0,
    centre_lps: Point | None = None,
    show: bool = False,
    progress: Progress | None = None,
) -> Crop:
    """Crop CT and mask round a segment to a cube; see `LungSquadLib.crop`.

    Args:
        volume: the CT's scalar volume node.
        segmentation: the segmentation node.
        segment_id: the segment's ID, not its name.
        size: voxels a side.
        spacing: mm.
        centre_lps: of the cube, LPS mm; without it the segment's centre of mass.
        show: add the crop's box to the scene, beside the CT.
        progress: receives the progress.

    Raises:
        InputError: as `ct_of_volume`, `mask_of_segment` and `LungSquadLib.crop`.
    """
    ct = ct_of_volume(volume)
    mask = mask_on_ct(segmentation, segment_id, volume, ct)
    result = crop_tumour(
        ct, mask, size=size, spacing=spacing, centre_lps=centre_lps, progress=progress
    )
    if show:
        show_crop(result, volume)
    return result


def predict(
    volume: Any,
    segmentation: Any,
    segment_id: str,
    *,
    model: str | os.PathLike[str],
    show: bool = False,
    device: str = "auto",
    seed: int = 0,
    centre_lps: Point | None = None,
    progress: Progress | None = None,
    predictor: Predictor | None = None,
) -> Prediction:
    """Predict with a model for a segment's tumour; see `LungSquadLib.predict`.

    Args:
        volume: the CT's scalar volume node.
        segmentation: the segmentation node.
        segment_id: the segment's ID, not its name.
        model: the name of one of `models`, or a .safetensors file.
        show: add table, saliency and crop box to the scene, beside the CT.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout samples that give the interval.
        centre_lps: of the crop, LPS mm; without it the segment's centre of mass.
        progress: receives the progress; may cancel.
        predictor: runs the network; by default a worker in Slicer, elsewhere this process.

    Raises:
        InputError: as `crop`.
        ModelError: there is no such model, or its file is broken.
        CancelledError: `progress` said so.
    """
    predictor = predictor or default_predictor()
    ct = ct_of_volume(volume)
    mask = mask_on_ct(segmentation, segment_id, volume, ct)
    prediction = predictor(
        ct, mask, model, device=device, seed=seed, centre_lps=centre_lps, progress=progress
    )
    if show:
        key = CaseKey.of(ct, mask, centre_lps)
        show_prediction(prediction, volume, tumour=Tumour(segmentation, segment_id, key))
    return prediction


def remove_results(volume: Any) -> None:
    """Remove all results of a volume from its scene."""
    remove(results_of(volume))


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
