"""A patient to try things with, made on the spot: no download, no person."""

from __future__ import annotations

import os
from typing import Any

from ..imaging.ct import open_ct
from ..imaging.masks import read_mask
from ..imaging.phantom.patient import Phantom
from ..progress import Progress
from .segments import add_segment, add_segmentation
from .volumes import add_volume

NAME = "LungSquad phantom patient"
_SEED = 7  # the patient of `lungsquad demo`


def load_sample_patient(
    scene: Any, ct: str | os.PathLike[str], mask: str | os.PathLike[str]
) -> tuple[Any, Any, str]:
    """Add the patient that a worker made to a scene.

    Args:
        scene: the scene.
        ct: the file that the worker's "sample" names so.
        mask: the other one.

    Returns:
        The volume node, the segmentation node, and the ID of the tumour's segment.
    """
    opened = open_ct(ct)
    volume = add_volume(scene, opened.read(), name=NAME)
    segmentation = add_segmentation(scene, volume, name=f"{NAME}: tumour")
    return volume, segmentation, add_segment(segmentation, read_mask(mask, opened))


def add_sample_patient(scene: Any, *, progress: Progress | None = None) -> tuple[Any, Any]:
    """Add a computer-made chest CT (512 x 512 x 124) and the outline of its tumour to a scene.

    Takes seconds, in the process that calls it.

    Args:
        scene: the scene.
        progress: told how it goes; may cancel.

    Returns:
        The volume node and the segmentation node, whose one segment is the tumour.

    Raises:
        CancelledError: `progress` said so; the scene is as it was.
    """
    phantom = Phantom(_SEED)
    grid = phantom.chest_grid()
    hu, mask = phantom.ct(grid, progress), phantom.mask(grid)
    volume = add_volume(scene, grid.image(hu), name=NAME)
    segmentation = add_segmentation(scene, volume, name=f"{NAME}: tumour")
    add_segment(segmentation, grid.image(mask))
    return volume, segmentation
