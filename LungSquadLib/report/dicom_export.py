"""SEG and SR of a case that was made on a copy of a DICOM series: a volume of Slicer's, say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import whole_folder
from ..imaging.ct import CT, content_hash
from ..imaging.flags import Flag, merged
from ..imaging.geometry import Box, Grid
from ..imaging.masks import Mask, as_mask
from ..progress import Part, Progress, Silent, step
from .dicom_results import require_highdicom, write_dicom
from .identity import identity_of, patient_of
from .render import read_result

SEG, SR = "seg.dcm", "sr.dcm"
_SAME_HU = 0.01  # what other arithmetic makes of a rescale slope


def export_dicom(
    results: str | os.PathLike[str],
    ct: CT,
    mask: Mask,
    series: CT,
    folder: str | os.PathLike[str],
    *,
    keep_identity: bool = False,
    seg_type: str = "binary",
    progress: Progress | None = None,
) -> list[Path]:
    """Write `seg.dcm` and `sr.dcm`, as if the case had been made on the series itself.

    Args:
        results: the case's folder.
        ct: the CT that it was made on.
        mask: the mask that it was made on.
        series: the DICOM series that `ct` is a copy of, opened with `open_ct`.
        folder: where to write.
        keep_identity: take the patient's name, ID and dates over from the series.
        seg_type: as of `write_dicom`.
        progress: gets the state of the work; may cancel.

    Returns:
        The two files.

    Raises:
        InputError: the results were made on another CT or mask, or `ct` is no copy of the series.
        MissingPackageError: highdicom is not installed.
        CancelledError: `progress` said so; nothing is left behind.
    """
    require_highdicom()
    if series.dicom is None:
        raise InputError("SEG and SR belong to a DICOM series; the source given is none.")
    progress = progress or Silent()
    described = read_result(Path(results))
    _check_same_grid(ct.grid, series.grid)
    ct = ct.loaded(Part(progress, 0.0, 0.2))
    series = series.loaded(Part(progress, 0.2, 0.6))
    made_on = (described["ct"]["sha256"], described["mask"]["sha256"])
    if made_on != (ct.sha256, content_hash(mask.image)):
        raise InputError(f"'{results}' was made on another CT or mask; predict again.")
    _check_same_voxels(ct, series, Part(progress, 0.6, 0.8))
    mask = as_mask(mask.image, series, name=mask.name, source=mask.source)
    case = _case_of_series(described, series, mask, keep_identity)
    step(progress, 0.8, "Writing SEG and SR")
    with whole_folder(folder, last=SR) as temporary:
        write_dicom(case, series, mask, temporary, seg_type=seg_type)
    step(progress, 1.0, "SEG and SR are written")
    return [Path(folder) / SEG, Path(folder) / SR]


def _case_of_series(
    described: dict[str, Any], series: CT, mask: Mask, keep_identity: bool
) -> dict[str, Any]:
    """What `prediction.json` would say had the case been made on the series."""
    flags = merged([*series.flags, *map(Flag.of, described["flags"])])
    case = {
        **described,
        "patient": patient_of(series, keep=keep_identity),
        "ct": {**described["ct"], "sha256": series.sha256},
        "mask": {**described["mask"], "sha256": content_hash(mask.image)},
        "flags": [flag.to_dict() for flag in flags],
    }
    case.pop("identity", None)
    return case | identity_of(series, keep=keep_identity)


def _check_same_grid(copy: Grid, series: Grid) -> None:
    if copy.size != series.size or copy.offset_in(series) != (0, 0, 0):
        raise InputError(
            f"The CT is no copy of the DICOM series: it has {_described(copy)}, the series has "
            f"{_described(series)}. Take the series that it came from, or predict on the series "
            "itself."
        )


def _described(grid: Grid) -> str:
    def listed(values: tuple[float, ...]) -> str:
        return " x ".join(f"{value:g}" for value in values)

    x, y, z = grid.origin
    return f"{listed(grid.size)} voxels of {listed(grid.spacing)} mm from {x:g}, {y:g}, {z:g}"


def _check_same_voxels(copy: CT, series: CT, progress: Progress) -> None:
    columns, rows, slices = copy.grid.size
    for number in range(slices):
        step(progress, number / slices, "Comparing the CT with its DICOM series")
        box = Box((0, 0, number), (columns, rows, number + 1))
        if not np.allclose(copy.hu(box), series.hu(box), rtol=0, atol=_SAME_HU):
            raise InputError(
                f"The CT is no copy of the DICOM series: voxels of slice {number + 1} differ. It "
                "was changed, or is another reconstruction; predict on the series itself."
            )
