"""External validation of a segmenter: its masks on a store or slices beside the readers'."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.overlap import model_overlap
from ..errors import InputError
from ..files import write_json
from ..inference.segmentation_cubes import check_dimensions
from ..models.file import Model
from ..progress import Progress, Silent
from ..training.experiment import write_rows
from ..training.segmentation.data import open_source
from ..training.segmentation.quality import CASES, RESULT, Quality, segmentation_quality


@dataclass(frozen=True)
class SegmentationValidation:
    """The Dice coefficients of a segmenter on a store or slices, and warnings for the user."""

    quality: Quality
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows, for JSON."""
        return {**self.quality.to_dict(), "warnings": list(self.warnings)}


def validate_segmentation(
    model: Model,
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    sets: Sequence[str] = (),
    fold: str | None = None,
    allow_overlap: bool = False,
    progress: Progress | None = None,
) -> SegmentationValidation:
    """Segment the cases of a store or of slices, and write `segmentation.csv` and `.json`.

    Args:
        model: a segmenter.
        source: store of `build_cohort`, or a set of slices.
        folder: where to write.
        sets: values of the column `set` whose cases are taken; empty: all cases.
        fold: value of the column `fold` whose cases are taken; None: all.
        allow_overlap: whether to continue if the model was trained on patients of the store.
        progress: gets the number of cases done; may cancel.

    Raises:
        InputError: the data do not fit the model, or no case is left; or the model was trained on
            patients, series or images of the store.
        ModelError: the model is no segmenter of such data.
    """
    opened, spec = open_source(source), model.card.image
    check_dimensions(model, opened.dimensions)
    if (Path(folder) / "run.json").exists():  # its results would be replaced
        raise InputError(f"'{folder}' holds a training: choose another folder.")
    if abs(opened.spacing / spec.spacing - 1) > 1e-6 or opened.side < spec.size:
        raise InputError(
            f"The data have {opened.side} voxels of {opened.spacing:g} mm a side, and the model "
            f"'{model.card.name}' takes {spec}: cut them again for it."
        )
    cases = [
        case
        for case in opened.cases
        if (not sets or case.columns.get("set") in sets)
        and (fold is None or case.columns.get("fold") == fold)
    ]
    if not cases:
        raise InputError(f"No case of '{source}' is of these sets and of this fold.")
    warnings = model_overlap(model.card, cases, allowed=allow_overlap)
    quality = segmentation_quality(
        model, opened, cases, where="external validation", progress=progress or Silent()
    )
    write_rows(Path(folder) / CASES, quality.rows)
    result = SegmentationValidation(quality, warnings)
    write_json(Path(folder) / RESULT, result.to_dict())
    return result
