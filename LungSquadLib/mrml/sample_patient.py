"""A computer-made sample patient, for which nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..imaging.ct import open_ct
from ..imaging.geometry import Box
from ..imaging.mask_files import read_mask
from ..imaging.masks import Mask
from ..imaging.pictures import WINDOWS
from ..phantom.patient import Phantom
from ..progress import Progress
from .segments import add_segment, add_segmentation
from .volumes import add_volume

NAME = "LungSquad phantom patient"
_SLICES_A_STEP = 8
_SEED = 7  # the patient of `lungsquad demo`


def load_sample_patient(
    scene: Any, ct: str | os.PathLike[str], mask: str | os.PathLike[str]
) -> Generator[float, None, tuple[Any, Any, str]]:
    """Add the patient that a worker made to a scene, in steps that keep a window responsive.

    Args:
        scene: the scene.
        ct: the CT's file, from the result of the worker's "sample".
        mask: the mask's file.

    Yields:
        The progress, 0 to 1.

    Returns:
        The volume node, the segmentation node, and the ID of the tumour's segment.
    """
    source = open_ct(ct)
    columns, rows, slices = source.grid.size
    hu = np.empty((slices, rows, columns), np.int16)
    for start in range(0, slices, _SLICES_A_STEP):
        stop = min(start + _SLICES_A_STEP, slices)
        hu[start:stop] = source.hu(Box((0, 0, start), (columns, rows, stop)))
        yield 0.8 * stop / slices
    image = source.grid.image(hu)
    yield 0.9
    return _add(scene, image, read_mask(mask, source))


def add_sample_patient(scene: Any, *, progress: Progress | None = None) -> tuple[Any, Any]:
    """Add a computer-made chest CT (512 x 512 x 124) and the outline of its tumour to a scene.

    This takes seconds, in the calling process.

    Args:
        scene: the scene.
        progress: receives the progress; may cancel.

    Returns:
        The volume node and the segmentation node, whose one segment is the tumour.

    Raises:
        CancelledError: `progress` said so; the scene is as it was.
    """
    phantom = Phantom(_SEED)
    grid = phantom.chest_grid()
    hu, mask = phantom.ct(grid, progress), phantom.mask(grid)
    return _add(scene, grid.image(hu), grid.image(mask))[:2]


def _add(scene: Any, ct: sitk.Image, mask: Mask | sitk.Image) -> tuple[Any, Any, str]:
    volume = add_volume(scene, ct, name=NAME, window=WINDOWS["lung"])
    segmentation = add_segmentation(scene, volume, name=f"{NAME}: tumour")
    return volume, segmentation, add_segment(segmentation, mask)
