"""A CT and a mask as files for another process, which finds in them what this one has, to the bit.

The CT is an uncompressed MetaImage, which states spacing and directions apart: an NRRD states their
product alone, and what is taken out of that again differs in the last bits. A crop's box could
then come out a voxel off.
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
from ..masks import FLAGS_FIELD, Mask
from .write import write_volumes

_PIECE = 1 << 20  # voxels written at once: a few milliseconds
_TYPES = {"<i2": "MET_SHORT", "<f4": "MET_FLOAT"}


def write_ct(ct: CT, path: str | os.PathLike[str], progress: Progress) -> None:
    """Write a CT in one go; see `ct_writer`.

    Raises:
        CancelledError: `progress` said so; nothing is left behind.
    """
    with closing(ct_writer(ct, path)) as writing:
        for fraction in writing:
            step(progress, fraction, "Writing the CT")


def ct_writer(ct: CT, path: str | os.PathLike[str]) -> Generator[float, None, None]:
    """Write a CT as `.mha`, a few slices with each step, so that an event loop can drive it.

    Its axes stay as it is stored, so that results come back on its own grid.

    When the iterator is at its end the file is there, whole. One that is closed before leaves
    nothing behind, and an older file untouched.

    Args:
        ct: read slice by slice, in the order of its slices.
        path: ends in ".mha".

    Yields:
        How much is done, 0 to 1.

    Raises:
        InputError: the CT's voxels cannot be read.
        OSError: the file cannot be written.
    """
    columns, rows, slices = ct.stored.size
    thick = max(_PIECE // (columns * rows), 1)
    # Not "wb": Linux writes what follows a truncation to the disk when the file is closed.
    with whole_file(path) as temporary, temporary.open("r+b") as file:
        for start in range(0, slices, thick):
            stop = min(start + thick, slices)
            hu = ct.stored_hu(Box((0, 0, start), (columns, rows, stop)))
            hu = hu.astype(hu.dtype.newbyteorder("<"), copy=False)
            if start == 0:
                file.write(_header(ct.stored, _TYPES[hu.dtype.str]).encode())
            file.write(hu.data)
            yield stop / slices


def write_mask(mask: Mask, path: str | os.PathLike[str]) -> None:
    """Write a mask as Slicer's segmentation of one segment, in the box that it has.

    `read_mask` finds its name and its flags in it again.

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
    """Numbers as text that gives back the same numbers; a row of the matrix is an axis."""

    def listed(values: object) -> str:
        return " ".join(map(repr, np.ravel(np.asarray(values)).tolist()))

    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": listed(np.reshape(grid.direction, (3, 3)).T),
        "Offset": listed(grid.origin),
        "ElementSpacing": listed(grid.spacing),
        "DimSize": listed(grid.size),
        "ElementType": kind,
        "ElementDataFile": "LOCAL",  # the last: voxels follow
    }
    return "".join(f"{name} = {value}\n" for name, value in fields.items())
