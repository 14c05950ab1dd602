"""What Slicer's Python console and batch scripts call: nodes in, the library's objects out."""

from __future__ import annotations

import os
from typing import Any

from ..imaging.crop import Crop
from ..imaging.crop import crop as crop_of
from ..imaging.geometry import Point
from ..inference.prediction import Prediction
from ..models.catalogue import Entry, available
from ..progress import Progress
from .hierarchy import remove, results_of
from .predictors import Predictor, usual_predictor
from .results import show_crop, show_prediction
from .segments import mask_on_ct
from .volumes import ct_of_volume


def models() -> list[Entry]:
    """The models on this machine, as `lungsquad models list` shows them."""
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
    """Cut a cube of CT and mask round a segment; see `LungSquadLib.crop`.

    Args:
        volume: the CT's scalar volume node.
        segmentation: the segmentation node.
        segment_id: the segment's ID, not its name.
        size: voxels a side.
        spacing: mm.
        centre_lps: another centre than the segment's centre of mass, LPS mm.
        show: add the crop's box to the scene, beside the CT.
        progress: told how it goes.

    Raises:
        InputError: as `ct_of_volume`, `mask_of_segment` and `LungSquadLib.crop`.
    """
    ct = ct_of_volume(volume)
    mask = mask_on_ct(segmentation, segment_id, volume, ct)
    cut = crop_of(ct, mask, size=size, spacing=spacing, centre_lps=centre_lps, progress=progress)
    if show:
        show_crop(cut, volume)
    return cut


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
    how: Predictor | None = None,
) -> Prediction:
    """What a model says of a segment's tumour; see `LungSquadLib.predict`.

    Args:
        volume: the CT's scalar volume node.
        segmentation: the segmentation node.
        segment_id: the segment's ID, not its name.
        model: the name of one of `models`, or a .safetensors file.
        show: add table, saliency and crop box to the scene, beside the CT.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout that the interval is drawn from.
        centre_lps: of the crop, LPS mm, where it is not the segment's centre of mass.
        progress: told how it goes; may cancel.
        how: who runs the network; outside Slicer this process.

    Raises:
        InputError: as `crop`.
        ModelError: there is no such model, or its file is broken.
        CancelledError: `progress` said so.
    """
    how = how or usual_predictor()
    ct = ct_of_volume(volume)
    mask = mask_on_ct(segmentation, segment_id, volume, ct)
    prediction = how(
        ct, mask, model, device=device, seed=seed, centre_lps=centre_lps, progress=progress
    )
    if show:
        show_prediction(prediction, volume)
    return prediction


def remove_results(volume: Any) -> None:
    """Take all results of a volume out of its scene again."""
    remove(results_of(volume))
