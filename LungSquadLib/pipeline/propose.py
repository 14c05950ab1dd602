"""A mask from clicks into a tumour, or candidates without clicks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import numpy as np

from ..errors import InputError
from ..imaging import region
from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Point
from ..models.catalogue import available, read_model

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..imaging.masks import Mask
    from ..inference.candidates import Candidate
    from ..progress import Progress

SEGMENTER = "nodule-segmenter"  # the model that is used where none is named
REGION_GROWING = "region-growing"
EXPERIMENTAL = (
    "Experimental: tumours may be missed, and candidates may be none. A person must look at each."
)


def default_method() -> str:
    """Return the name of the model for clicks if it and torch are installed, or region growing."""
    names = {entry.name for entry in available() if entry.card is not None}
    return SEGMENTER if SEGMENTER in names and find_spec("torch") else REGION_GROWING


def propose(
    ct: CT | sitk.Image,
    point: Point | Sequence[Point],
    outside: Sequence[Point] = (),
    *,
    model: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Mask:
    """Propose a mask of the tumour that was clicked into. A person must look at it.

    Args:
        ct: HU, LPS mm.
        point: in the tumour, LPS mm; or several such points, which a network takes.
        outside: points that the mask must leave out, which a network takes.
        model: name or file of a segmenter, or "region-growing"; without it `nodule-segmenter` if
            it is installed, and region growing otherwise.
        progress: receives the progress.

    Returns:
        A mask on voxels of the CT's grid. Its source names the method; its flags say where it may
        be wrong, and for a network how far region growing agrees. `CT.as_stored` gives its image
        the axes of the CT's file.

    Raises:
        InputError: a point lies outside the CT, no tumour is found there, or region growing is
            given more than one point.
        ModelError: there is no such model, or it is no segmenter of cubes.
    """
    inside, ct = _points(point), as_ct(ct)
    for each in (*inside, *outside):
        region.index_in(ct.grid, each)  # refuses a point outside the CT before a network is read
    method = default_method() if model is None else model
    if method != REGION_GROWING:
        from ..inference.segmentation import segment_clicks

        segmenter = read_model(method, kind="segmenter")
        return segment_clicks(segmenter, ct, inside, outside, progress=progress)
    if len(inside) != 1 or outside:
        raise InputError(
            "Region growing takes one point in the tumour and none to leave out. Give one point, "
            "or use a segmenter: `lungsquad models list` lists the models."
        )
    return region.propose_mask(ct, inside[0], progress=progress)


def find_candidates(
    ct: CT | sitk.Image,
    *,
    model: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[Candidate]:
    """Return the candidates of tumours in the lungs of a CT, the highest score first. Experimental.

    Args:
        ct: HU, LPS mm.
        model: name or file of a segmenter; without it `nodule-segmenter`.
        progress: receives the progress; may cancel.

    Raises:
        InputError: the CT has no lung, or the model is region growing, which needs a point.
        ModelError: there is no such model, or it is no segmenter of cubes.
    """
    if model == REGION_GROWING:
        raise InputError("Region growing finds no candidates: give a point, or use a segmenter.")
    segmenter = read_model(SEGMENTER if model is None else model, kind="segmenter")
    from ..inference.candidates import candidates

    return candidates(segmenter, ct, progress=progress)


def _points(point: Point | Sequence[Point]) -> list[Point]:
    """Return a list of points, of one point or several."""
    several = len(point) == 0 or np.ndim(point[0]) > 0
    return cast("list[Point]", list(point) if several else [point])
