"""The files of a case; light, so that a worker reads requests before it has loaded torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..imaging.geometry import Point


@dataclass(frozen=True)
class CaseInput:
    """The files of a case, what to choose in them, and where to crop.

    Attributes:
        ct: a DICOM folder or a volume file.
        mask: of the tumour.
        roi, label: of the mask, where its file holds several.
        series: UID of the CT series, where the folder holds several.
        centre_lps: the crop's centre, LPS mm; without it the mask's centre of mass.
        profile: the same patient's expression.
    """

    ct: str | os.PathLike[str]
    mask: str | os.PathLike[str]
    roi: str | None = None
    label: int | None = None
    series: str | None = None
    centre_lps: Point | None = None
    profile: str | os.PathLike[str] | None = None
