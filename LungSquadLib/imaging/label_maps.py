"""Tumour voxels out of label maps, slice by slice: what is kept is the tumour's box alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from .geometry import Box, span
from .volume_files import VolumeFile

LONGEST_NAME = 200  # of an ROI or segment; a DICOM name has at most 64 characters
LARGEST_MASK = 1 << 29  # voxels of the box round it

# Slices that are not all zero, each with its number.
Planes: TypeAlias = Callable[[], Iterable[tuple[int, np.ndarray]]]


@dataclass(frozen=True)
class Segment:
    """A segment of a Slicer segmentation: `layer` and `label` say which voxels are its own."""

    name: str
    identifier: str
    layer: int
    label: int


def labelled_box(planes: Planes, label: int | None, name: str) -> tuple[Box, np.ndarray]:
    """The box around one label, and its voxels in it (uint8, z, y, x).

    Args:
        planes: gives the slices that hold anything; may be asked twice.
        label: the label, or None for the only one there is.
        name: of the mask, for messages.

    Raises:
        InputError: the label is not there, there are several and none was asked for, there is none
            at all, or the values are no labels; the message lists the labels there are.
    """
    blocks: list[tuple[int, int, int, np.ndarray]] = []
    wanted = label
    for number, whole in planes():
        rows = span(np.any(whole, axis=1))  # the others are not looked at again
        plane = whole[rows]
        if wanted is None:
            marked = np.flatnonzero(plane)
            if not len(marked):  # -0.0 is no mark
                continue
            wanted = int(plane.flat[marked[0]])
        selected = plane == wanted
        if label is None and np.count_nonzero(selected) != np.count_nonzero(plane):
            raise InputError(_which_label(planes, name))
        if selected.any():
            y, x = span(selected.any(axis=1)), span(selected.any(axis=0))
            blocks.append((number, rows.start + y.start, x.start, selected[y, x].copy()))
    if not blocks:
        raise InputError(_which_label(planes, name, label))
    return _assembled(blocks, name)


def file_planes(file: VolumeFile, layer: int = 0) -> Planes:
    """The slices of a volume file's layer that are not all zero; `InputError` for fractions."""

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        nothing = bytes(file.slice_bytes)
        for number, data in enumerate(file.slices()):
            if data != nothing:
                array = file.array(data)
                plane = array if array.ndim == 2 else array[..., layer]
                _check_whole_numbers(plane, file.path)
                yield number, plane

    return planes


def image_planes(image: sitk.Image) -> Planes:
    """The slices of an image in memory that are not all zero; `InputError` for fractions."""

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        for number, plane in enumerate(sitk.GetArrayViewFromImage(image)):
            if plane.max() or plane.min():  # three times faster than any()
                _check_whole_numbers(plane, "mask")
                yield number, plane

    return planes


def count_labels(planes: Planes, *, most: int = 1 << 16) -> dict[int, int]:
    """Voxels of each label but 0; once there are more than `most` labels, counting ends."""
    counts: Counter[int] = Counter()
    for _, plane in planes():
        for value, count in zip(*np.unique(plane[plane != 0], return_counts=True), strict=True):
            counts[int(value)] += int(count)
        if len(counts) > most:
            break
    return dict(sorted(counts.items()))


def segments_of(file: VolumeFile) -> list[Segment]:
    """The segments that an NRRD written by Slicer (`.seg.nrrd`) names; none for other files.

    Files older than Slicer 4.11 have a layer a segment, and say neither layer nor label value.
    """
    segments: list[Segment] = []
    while (
        f"Segment{len(segments)}_ID" in file.fields or f"Segment{len(segments)}_Name" in file.fields
    ):
        key = f"Segment{len(segments)}_"
        identifier = file.fields.get(key + "ID", "")
        layer = file.fields.get(key + "Layer", str(min(len(segments), file.components - 1)))
        label = file.fields.get(key + "LabelValue", "1")
        name = one_line(file.fields.get(key + "Name", identifier), most=LONGEST_NAME)
        with parsing(file.path, "a segmentation of Slicer"):
            segments.append(Segment(name, identifier, int(layer), int(label)))
    for segment in segments:
        if not 0 <= segment.layer < file.components:
            raise InputError(
                f"'{file.path}' places the segment '{segment.name}' in layer {segment.layer} "
                f"and has {file.components}; save it again."
            )
    return segments


def _assembled(blocks: list[tuple[int, int, int, np.ndarray]], name: str) -> tuple[Box, np.ndarray]:
    z0, z1 = blocks[0][0], blocks[-1][0] + 1
    y0, x0 = min(block[1] for block in blocks), min(block[2] for block in blocks)
    y1 = max(y + block.shape[0] for _, y, _, block in blocks)
    x1 = max(x + block.shape[1] for _, _, x, block in blocks)
    box = Box((x0, y0, z0), (x1, y1, z1))
    if box.voxels > LARGEST_MASK:
        listed = " x ".join(map(str, box.size))
        raise InputError(f"The mask '{name}' extends over {listed} voxels: more than any tumour.")
    array = np.zeros((z1 - z0, y1 - y0, x1 - x0), np.uint8)
    for z, y, x, block in blocks:
        rows, columns = block.shape
        array[z - z0, y - y0 : y - y0 + rows, x - x0 : x - x0 + columns] = block
    return box, array


def _check_whole_numbers(plane: np.ndarray, name: str) -> None:
    if plane.dtype.kind == "f" and not (
        np.isfinite(plane).all() and (plane == np.rint(plane)).all()
    ):
        raise InputError(
            f"'{name}' holds fractions, so it is no label map; threshold it first (1 in, 0 out)."
        )


def _which_label(planes: Planes, name: str, label: int | None = None) -> str:
    counts = count_labels(planes)
    if not counts:
        return f"The mask '{name}' is empty: no voxel is marked."
    listed = ", ".join(f"{value} ({count} voxels)" for value, count in list(counts.items())[:40])
    if label is None:
        return f"'{name}' holds several labels; choose one with --label: {listed}."
    return f"'{name}' has no voxel with the label {label}; it has {listed}."
