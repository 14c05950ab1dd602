"""Tumour voxels of label maps, read slice by slice; only the tumour's box is kept in memory."""

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
    """A segment of a Slicer segmentation: its voxels have the value `label` in layer `layer`."""

    name: str
    identifier: str
    layer: int
    label: int


def labelled_box(planes: Planes, label: int | None, name: str) -> tuple[Box, np.ndarray]:
    """Return the box around one label, and the label's voxels in it (uint8, z, y, x).

    Args:
        planes: iterates over the slices that are not empty; may be called twice.
        label: the label; None where the map holds only one.
        name: of the mask, for messages.

    Raises:
        InputError: no voxel has the label, it is 0, it is None and there are several labels or
            none, or the values are no labels; the message lists the labels.
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
    """Return an iterator over the slices of a layer that are not all zero.

    Labels are the values after slope and intercept; NaN is 0. Fractions raise `InputError`.
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
    """Return an iterator over the slices of an image that are not all zero; see `file_planes`."""

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        for number, plane in enumerate(sitk.GetArrayViewFromImage(image)):
            if plane.max() or plane.min():  # three times faster than any()
                yield number, _whole_numbers(plane, "mask")

    return planes


def label_number(value: object) -> int:
    """Parse a label as people and tables write it (1, 1.0, "1.0").

    Raises:
        InputError: it is not a whole number.
    """
    try:
        number = float(str(value))
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"The label '{one_line(value, most=40)}' is not a whole number. {MEANING}")


def count_labels(planes: Planes, *, most: int = 1 << 16) -> dict[int, int]:
    """Count the voxels of each label but 0; stop after `most` labels."""
    counts: Counter[int] = Counter()
    for _, plane in planes():
        for value, count in zip(*np.unique(plane[plane != 0], return_counts=True), strict=True):
            counts[int(value)] += int(count)
        if len(counts) > most:
            break
    return dict(sorted(counts.items()))


_SEGMENT = re.compile(r"Segment([0-9]{1,6})_(?:ID|Name)")


def segments_of(file: VolumeFile) -> list[Segment]:
    """Return the segments of a Slicer segmentation (`.seg.nrrd`); none for other files.

    Files older than Slicer 4.11 have one layer per segment, without layer and label value.
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
    """Join blocks, which are in the order of their slices: return their box and voxels (uint8).

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
    """Return the plane's labels; raise `InputError` where they are not whole numbers.

    A label that was stored in steps of `slope` is read back to within half a step.
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
