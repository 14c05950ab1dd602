"""Functions for Slicer's Python console and scripts: nodes in, the library's objects out."""

from __future__ import annotations

import os
from typing import Any

from ..imaging.crop import Crop
from ..imaging.crop import crop as crop_tumour
from ..imaging.geometry import Point
from ..inference.prediction import Prediction
from ..models.catalogue import Entry, available
from ..progress import Progress
from .hierarchy import remove, results_of
from .predictors import Predictor, default_predictor
from .results import show_crop, show_prediction
from .segments import mask_on_ct
from .tumour import CaseKey, Tumour
from .volumes import ct_of_volume


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
