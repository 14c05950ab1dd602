"""Who runs the network: this process, or one beside it. Callers do not see the difference."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ..errors import LungSquadError
from ..imaging.ct import CT
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..models.catalogue import read_model
from ..progress import Progress
from .embedded import inside_slicer

if TYPE_CHECKING:
    from ..prediction.prediction import Prediction


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
    found = read_model(model)  # says what to install where torch is missing
    from ..prediction.predict import predict

    return predict(
        ct, mask, found, device=device, seed=seed, centre_lps=centre_lps, progress=progress
    )


def usual_predictor() -> Predictor:
    """Who predicts where nobody was named.

    Raises:
        LungSquadError: this is Slicer, whose process must never import torch.
    """
    if inside_slicer():
        raise LungSquadError(
            "Inside Slicer a network runs in a process of its own: name who runs it with how=..."
        )
    return in_process
