"""Writes the phantom patient as two volumes, its CT and a segmentation of its tumour."""

from __future__ import annotations

import os
from pathlib import Path

from ..files import whole_folder
from ..imaging.ct import as_ct
from ..imaging.files.transfer import write_ct, write_mask
from ..imaging.masks import as_mask
from ..progress import Part, Progress, Silent, step
from .patient import Phantom

CT_FILE, MASK_FILE = "ct.mha", "tumour.seg.nrrd"


def write_patient_volumes(
    phantom: Phantom, folder: str | os.PathLike[str], *, progress: Progress | None = None
) -> tuple[Path, Path]:
    """Write `ct.mha`, the whole chest, and `tumour.seg.nrrd` into a folder; return their paths.

    Raises:
        CancelledError: `progress` said so; nothing is left behind.
    """
    progress = progress or Silent()
    grid = phantom.chest_grid()
    ct = as_ct(grid.image(phantom.ct(grid, Part(progress, 0.0, 0.9))))
    mask = as_mask(grid.image(phantom.mask(grid)), ct, name="Tumour", source="phantom")
    with whole_folder(folder, last=MASK_FILE) as temporary:
        write_ct(ct, temporary / CT_FILE, Part(progress, 0.9, 1.0))
        write_mask(mask, temporary / MASK_FILE)
    step(progress, 1.0, "The phantom patient is written")
    return Path(folder) / CT_FILE, Path(folder) / MASK_FILE
