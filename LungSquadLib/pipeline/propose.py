"""A mask from clicks into a tumour, or candidates without clicks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import numpy as np

from ..errors import InputError
from ..imaging import region
from ..imaging.ct import CT, as_ct
from ..imaging.dicom.boxes import read_boxes
from ..imaging.flags import Flag
from ..imaging.geometry import Grid, Point, point_of
from ..imaging.masks import Mask, as_mask
from ..models.catalogue import available, read_model

if TYPE_CHECKING:
    import SimpleITK as sitk

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
    point: Point | Sequence[Point] = (),
    outside: Sequence[Point] = (),
    *,
    box: Sequence[Point] = (),
    model: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Mask:
    """Propose a mask of the tumour that was clicked into, or boxed. A person must look at it.

    Args:
        ct: HU, LPS mm.
        point: in the tumour, LPS mm; or several such points, which a network takes.
        outside: points that the mask must leave out, which a network takes.
        box: two opposite corners of a box along the CT's axes, LPS mm, in which the mask lies; a
            network takes it, and needs no point then.
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
    middle = [point_of(np.mean(box, axis=0))] if len(box) else []
    for each in (*inside, *outside, *middle):
        region.index_in(ct.grid, each)  # refuses a point outside the CT before a network is read
    method = default_method() if model is None else model
    if method != REGION_GROWING:
        from ..inference.segmentation import segment_clicks

        segmenter = read_model(method, kind="segmenter")
        return segment_clicks(segmenter, ct, inside, outside, box=box, progress=progress)
    if len(inside) != 1 or outside or box:
        raise InputError(
            "Region growing takes one point in the tumour, and nothing else. Give one point, or "
            "use a segmenter: `lungsquad models list` lists the models."
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


def propose_in_box(
    ct: CT,
    report: str | os.PathLike[str],
    *,
    number: int | None = None,
    model: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Mask:
    """Propose a mask of the tumour in a box of a DICOM SR. A person must look at it.

    A network looks in the box, region growing from its middle; what lies beyond the box is cut off.

    Args:
        ct: a DICOM series.
        report: file of the SR.
        number: of the box, from 1; None where there is one.
        model: as for `propose`.
        progress: receives the progress.

    Raises:
        InputError: the report has no such box on the CT, or no tumour is found in it.
        ModelError: as `propose`.
    """
    import SimpleITK as sitk

    boxes = read_boxes(os.fspath(report), ct)
    if number is None and len(boxes) > 1:
        listed = "; ".join(
            f"{box.number}: centre {', '.join(f'{mm:.0f}' for mm in box.centre_lps)} mm"
            for box in boxes
        )
        raise InputError(f"'{report}' has {len(boxes)} boxes: choose one with --box ({listed}).")
    chosen = [box for box in boxes if number in (None, box.number)]
    if not chosen:
        raise InputError(f"'{report}' has no box {number}: it has {len(boxes)}.")
    (box,) = chosen
    if (default_method() if model is None else model) == REGION_GROWING:
        mask = propose(ct, box.centre_lps, model=model, progress=progress)
    else:
        corners = [point_of(ct.grid.to_lps(end)) for end in (box.low, box.high)]
        mask = propose(ct, box=corners, model=model, progress=progress)
    array = np.zeros(ct.grid.size[::-1], np.uint8)
    at = Grid.of(mask.image)
    offset = at.offset_in(ct.grid)
    if offset is None:
        raise AssertionError("a proposal lies on the CT's voxels")
    array[at.box.shifted(offset).slices] = sitk.GetArrayViewFromImage(mask.image)
    inside = array[box.voxels.slices]
    if not inside.any():
        raise InputError(f"No tumour is found in box {box.number} of '{report}': outline it.")
    cut = 1 - np.count_nonzero(inside) / np.count_nonzero(array)
    sentence = (
        f"The mask was proposed in box {box.number} of a report, and drawn by nobody; {cut:.0%} of "
        "the proposal lay beyond the box and was cut off. Look at it."
    )
    image = ct.grid.part(box.voxels).image(np.ascontiguousarray(inside))
    kept = as_mask(image, ct, name=f"box {box.number}", source=f"{mask.source}, in a box")
    return replace(kept, flags=(Flag("mask_proposed_in_box", "warning", sentence), *mask.flags))


def _points(point: Point | Sequence[Point]) -> list[Point]:
    """Return a list of points, of one point or several."""
    several = len(point) == 0 or np.ndim(point[0]) > 0
    return cast("list[Point]", list(point) if several else [point])
