"""CT and mask files for another process, which reads exactly the same voxels and grids.

The CT is an uncompressed MetaImage, which holds spacing and directions separately. An NRRD holds
only their product, and factors computed from it differ in the last bits: a crop's box could be off
by a voxel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import closing

import numpy as np
import SimpleITK as sitk

from ...errors import one_line
from ...files import whole_file
from ...progress import Progress, step
from ..ct import CT
from ..geometry import Box, Grid
from ..label_maps import LONGEST_NAME
from ..mask_files import FLAGS_FIELD
from ..masks import Mask
from .write import write_volumes

_VOXELS_A_STEP = 1 << 20  # a few milliseconds
_TYPES = {"<i2": "MET_SHORT", "<f4": "MET_FLOAT"}


def write_ct(ct: CT, path: str | os.PathLike[str], progress: Progress) -> None:
    """Write a CT at once; see `ct_writer`.

    Raises:
        CancelledError: `progress` was cancelled; no file is left behind.
    """
    with closing(ct_writer(ct, path)) as writing:
        for fraction in writing:
            step(progress, fraction, "Writing the CT")


def ct_writer(ct: CT, path: str | os.PathLike[str]) -> Generator[float, None, None]:
    """Write a CT as `.mha`, a few slices in each step, so that an event loop can run between them.

    The axes stay as they are stored, so that results have the same grid.

    The file appears, whole, at the end of the iterator. An iterator that is closed before leaves
    no file behind, and an older file untouched.

    Args:
        ct: read slice by slice, in the order of its slices.
        path: ends in ".mha".

    Yields:
        The progress, 0 to 1.

    Raises:
        InputError: the CT's voxels cannot be read.
        OSError: the file cannot be written.
    """
    columns, rows, slices = ct.stored.size
    thickness = max(_VOXELS_A_STEP // (columns * rows), 1)
    # Not "wb": Linux writes what follows a truncation to the disk when the file is closed.
    with whole_file(path) as temporary, temporary.open("r+b") as file:
        for start in range(0, slices, thickness):
            stop = min(start + thickness, slices)
            hu = ct.stored_hu(Box((0, 0, start), (columns, rows, stop)))
            hu = hu.astype(hu.dtype.newbyteorder("<"), copy=False)
            if start == 0:
                file.write(_header(ct.stored, _TYPES[hu.dtype.str]).encode())
            file.write(hu.data)
            yield stop / slices


def write_mask(mask: Mask, path: str | os.PathLike[str]) -> None:
    """Write a mask as a Slicer segmentation with one segment, in the mask's box.

    `read_mask` restores its name and its flags.

    Args:
        mask: of any CT.
        path: ends in ".seg.nrrd".

    Raises:
        OSError: the file cannot be written.
    """
    image = sitk.Image(mask.image)
    x, y, z = image.GetSize()
    for name, value in {
        "Segment0_ID": "tumour",
        "Segment0_Name": one_line(mask.name, most=LONGEST_NAME),
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segment0_Extent": f"0 {x - 1} 0 {y - 1} 0 {z - 1}",
        FLAGS_FIELD: json.dumps([flag.to_dict() for flag in mask.flags]),
    }.items():
        image.SetMetaData(name, value)
    write_volumes({path: image})


def _header(grid: Grid, kind: str) -> str:
    """Return the header, with numbers that are read back exactly; a matrix row is an axis."""

    def text(values: object) -> str:
        return " ".join(map(repr, np.ravel(np.asarray(values)).tolist()))

    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": text(np.reshape(grid.direction, (3, 3)).T),
        "Offset": text(grid.origin),
        "ElementSpacing": text(grid.spacing),
        "DimSize": text(grid.size),
        "ElementType": kind,
        "ElementDataFile": "LOCAL",  # must be last: voxels follow
    }
    return "".join(f"{name} = {value}\n" for name, value in fields.items())
