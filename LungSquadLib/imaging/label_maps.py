"""Tumour voxels out of label maps, slice by slice: what is kept is the tumour's box alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line, parsing
from .files.volumes import VolumeFile
from .geometry import Box, span

LONGEST_NAME = 200  # of an ROI or segment; a DICOM name has at most 64 characters
LARGEST_MASK = 1 << 29  # voxels of the box round it

MEANING = (
    "A label is the value of the tumour's voxels in a label map, not the patient's class: leave it "
    "out if the map holds the tumour alone."
)
_ROUNDED = 0.01  # labels that went through floating point

# Slices that are not all zero, each with its number.
Planes: TypeAlias = Callable[[], Iterable[tuple[int, np.ndarray]]]


class MaskBlock(NamedTuple):
    """Mask voxels of one slice: where the first lies, and an array (y, x) of bool."""

    z: int
    y: int
    x: int
    inside: np.ndarray


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
        InputError: the label is not there or is 0, there are several and none was asked for, there
            is none at all, or the values are no labels; the message lists the labels there are.
    """
    blocks: list[MaskBlock] = []
    if label == 0:
        raise InputError(_which_label(planes, name, label))
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
            blocks.append(MaskBlock(number, rows.start + y.start, x.start, selected[y, x].copy()))
    if not blocks:
        raise InputError(_which_label(planes, name, label))
    return assembled(blocks, name)


def file_planes(file: VolumeFile, layer: int = 0) -> Planes:
    """The slices of a volume file's layer that are not all zero; `InputError` for fractions.

    Labels are what the file's slope and intercept make of its values; what is not a number is 0.
    """

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        nothing = bytes(file.slice_bytes) if file.intercept == 0 else None
        for number, data in enumerate(file.slices()):
            if data != nothing:
                array = file.array(data)
                plane = array if array.ndim == 2 else array[..., layer]
                yield number, _whole_numbers(plane, file.path, file.slope, file.intercept)

    return planes


def image_planes(image: sitk.Image) -> Planes:
    """The slices of an image in memory that are not all zero; `InputError` for fractions."""

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        for number, plane in enumerate(sitk.GetArrayViewFromImage(image)):
            if plane.max() or plane.min():  # three times faster than any()
                yield number, _whole_numbers(plane, "mask")

    return planes


def label_number(value: object) -> int:
    """A label as people and tables write it (1, 1.0, "1.0"): a whole number.

    Raises:
        InputError: it is none.
    """
    try:
        number = float(str(value))
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"The label '{one_line(value, most=40)}' is not a whole number. {MEANING}")


def count_labels(planes: Planes, *, most: int = 1 << 16) -> dict[int, int]:
    """Voxels of each label but 0; once there are more than `most` labels, counting ends."""
    counts: Counter[int] = Counter()
    for _, plane in planes():
        for value, count in zip(*np.unique(plane[plane != 0], return_counts=True), strict=True):
            counts[int(value)] += int(count)
        if len(counts) > most:
            break
    return dict(sorted(counts.items()))


_SEGMENT = re.compile(r"Segment([0-9]{1,6})_(?:ID|Name)")


def segments_of(file: VolumeFile) -> list[Segment]:
    """The segments that an NRRD written by Slicer (`.seg.nrrd`) names; none for other files.

    Files older than Slicer 4.11 have a layer a segment, and say neither layer nor label value.
    """
    numbers = {int(match[1]) for match in map(_SEGMENT.fullmatch, file.fields) if match}
    segments: list[Segment] = []
    for number in sorted(numbers):
        key = f"Segment{number}_"
        identifier = file.fields.get(key + "ID", "")
        layer = file.fields.get(key + "Layer", str(min(len(segments), file.components - 1)))
        label = file.fields.get(key + "LabelValue", "1")
        name = one_line(file.fields.get(key + "Name", identifier), most=LONGEST_NAME)
        with parsing(file.path, "a segmentation of Slicer"):
            value = int(float(label))
            segments.append(Segment(name, identifier, int(layer), value))
    for segment in segments:
        if not 0 <= segment.layer < file.components:
            raise InputError(
                f"'{file.path}' places the segment '{segment.name}' in layer {segment.layer} "
                f"and has {file.components}; save it again."
            )
    return segments


def assembled(blocks: list[MaskBlock], name: str) -> tuple[Box, np.ndarray]:
    """The box round all blocks, which are in the order of their slices, and its voxels (uint8).

    Raises:
        InputError: the box is larger than any tumour.
    """
    z0, z1 = blocks[0].z, blocks[-1].z + 1
    y0, x0 = min(block.y for block in blocks), min(block.x for block in blocks)
    y1 = max(block.y + block.inside.shape[0] for block in blocks)
    x1 = max(block.x + block.inside.shape[1] for block in blocks)
    box = Box((x0, y0, z0), (x1, y1, z1))
    if box.voxels > LARGEST_MASK:
        listed = " x ".join(map(str, box.size))
        raise InputError(f"The mask '{name}' extends over {listed} voxels: more than any tumour.")
    array = np.zeros((z1 - z0, y1 - y0, x1 - x0), np.uint8)
    for z, y, x, block in blocks:
        rows, columns = block.shape
        array[z - z0, y - y0 : y - y0 + rows, x - x0 : x - x0 + columns] |= block
    return box, array


def _whole_numbers(
    plane: np.ndarray, name: str, slope: float = 1.0, intercept: float = 0.0
) -> np.ndarray:
    """The plane's labels; `InputError` where they are no whole numbers.

    A label that was stored in steps of `slope` comes back as near to it as half a step.
    """
    if plane.dtype.kind in "iub" and slope == 1 and intercept == 0:
        return plane
    values = plane.astype(np.float64) * slope + intercept
    values[np.isnan(values)] = 0
    whole = np.rint(values)
    step = abs(slope) if plane.dtype.kind in "iub" else 0.0
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(values - whole) <= min(max(_ROUNDED, 0.51 * step), 0.25))
    if off.any():
        first = float(values[off][0])
        raise InputError(
            f"'{name}' holds fractions ({first:.3g}), as probability maps do, so it is no label "
            "map; threshold it first (1 in, 0 out)."
        )
    return whole


def _which_label(planes: Planes, name: str, label: int | None = None) -> str:
    counts = count_labels(planes)
    if not counts:
        return f"The mask '{name}' is empty: no voxel is marked."
    listed = ", ".join(f"{value} ({count} voxels)" for value, count in list(counts.items())[:40])
    if label is None:
        return f"'{name}' holds several labels; choose one with --label: {listed}."
    if label == 0:
        return f"The label 0 is the background of '{name}', which has {listed}. {MEANING}"
    return f"'{name}' has no voxel with the label {label}; it has {listed}. {MEANING}"
