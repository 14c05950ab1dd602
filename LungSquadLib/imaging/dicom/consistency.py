"""Whether the slices of a series belong together, and whether any of them is missing.

A Series Instance UID should stand for one scan of one patient. It does not where an archive merged
series, where a scanner puts several passes into one series, or where files were lost on the way.
Attributes are those of PS3.3 C.7.1.1 (Patient), C.7.6.1 (General Image) and C.8.2.1 (CT Image).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...errors import InputError
from ..flags import Flag
from . import header as tags
from .planes import Plane

# What differs between two acquisitions, or two reconstructions, of one patient. A contrast agent
# may be left out, which is a value like any other; elsewhere a missing value says nothing.
_ACQUISITION = {
    tags.ACQUISITION_NUMBER: "Acquisition Number",
    tags.TEMPORAL_POSITION: "Temporal Position Identifier",
    tags.CONTRAST_AGENT: "Contrast/Bolus Agent",
    tags.CONVOLUTION_KERNEL: "Convolution Kernel",
    tags.KVP: "KVP",
    tags.SLICE_THICKNESS: "Slice Thickness",
    tags.ACQUISITION_TIME: "Acquisition Time",
    tags.IMAGE_TYPE: "Image Type",
}
# These differ from slice to slice in many sound series; only their alternation tells something.
_VARIES = (tags.ACQUISITION_TIME, tags.IMAGE_TYPE)
_FEW = 4  # more acquisitions or times than this are the steps of one axial scan
GAP_WORTH_SAYING = 1.2  # slices this many thicknesses apart leave tissue between them unseen
_WHOLE = 0.1  # how near to a whole number a ratio must be


def check_one_patient(planes: Sequence[Plane]) -> None:
    """Refuse slices of several patients under one Series Instance UID.

    Raises:
        InputError: Patient ID, name or birth date differ; no value is shown.
    """
    for tag in (tags.PATIENT_ID, tags.PATIENT_NAME, tags.PATIENT_BIRTH_DATE):
        if len({_identity(plane, tag) for plane in planes} - {""}) > 1:
            raise InputError(
                "The series holds slices of several patients (Patient ID, name or birth date "
                "differ between its files). Separate them, or export the series again."
            )


def acquisition_flags(planes: Sequence[Plane]) -> list[Flag]:
    """What the acquisitions of slices in order along their normal are worth saying.

    Raises:
        InputError: the slices of several acquisitions or reconstructions lie between one another.
    """
    stacked, mixed = [], {}
    for tag, name in _ACQUISITION.items():
        values = [_acquisition(plane, tag) for plane in planes]
        if tag != tags.CONTRAST_AGENT:
            values = [value for value in values if value]
        runs = 1 + sum(a != b for a, b in pairwise(values))
        counts = Counter(values)
        if len(counts) < 2 or (tag == tags.ACQUISITION_TIME and len(counts) > _FEW):
            continue
        if runs > len(counts):
            mixed[name] = counts
        elif len(counts) <= _FEW < len(values) and tag not in _VARIES:
            stacked.append(name)
    if mixed:
        numbers = " and ".join(map(str, sorted(next(iter(mixed.values())).values(), reverse=True)))
        raise InputError(
            "The series holds several acquisitions or reconstructions whose slices lie between "
            f"one another ({numbers} slices; they differ in {', '.join(mixed)}). "
            "Put one of them into a folder of its own."
        )
    if len({plane.header.text(tags.STUDY_UID) for plane in planes} - {""}) > 1:
        stacked.append("Study Instance UID")
    if not stacked:
        return []
    sentence = (
        "The series is put together from several acquisitions or reconstructions, one above the "
        f"other ({', '.join(stacked)} differ): anatomy may jump where they meet."
    )
    return [Flag("several_acquisitions", "warning", sentence)]


def gap_flags(planes: Sequence[Plane], spacing: float) -> list[Flag]:
    """What lies between evenly spaced slices and was not imaged, or was lost.

    Spacing Between Slices and Slice Thickness say how far apart slices should be, Instance Numbers
    whether there were more of them. `spacing` is the distance that is found, in mm.

    Raises:
        InputError: both say that slices were left out between those that are there.
    """
    said = _nominal_spacing(planes)
    ratio = spacing / said if said else 0.0
    skip = _instance_step(planes)
    if skip > 1 and abs(ratio - skip) <= _WHOLE:
        raise InputError(
            f"Slices are missing: only every {_ordinal(skip)} is there (Instance Numbers rise by "
            f"{skip}, the slices are {spacing:g} mm apart and should be {said:g} mm). "
            "Find them, or export the series again."
        )
    if ratio > GAP_WORTH_SAYING:
        sentence = (
            f"The slices are {spacing:g} mm apart but, after the header, {said:g} mm: what lies "
            "between them was not imaged, or slices are missing."
        )
        return [Flag("gaps_between_slices", "warning", sentence)]
    if skip > 1 and not said:
        sentence = (
            f"Instance Numbers rise by {skip} from slice to slice: slices may be missing between "
            "those that are there."
        )
        return [Flag("gaps_between_slices", "warning", sentence)]
    return []


def _identity(plane: Plane, tag: int) -> str:
    """A patient's attribute without what spelling changes: case, blanks, separators."""
    return "".join(char for char in plane.header.decoded(tag).casefold() if char.isalnum())


def _acquisition(plane: Plane, tag: int) -> str:
    """The attribute as text that is equal where the values are."""
    if tag in plane.frame_values:
        return plane.frame_values[tag]
    text = plane.header.text(tag)
    if tag in (tags.KVP, tags.SLICE_THICKNESS, tags.ACQUISITION_NUMBER):
        return " ".join(f"{number:g}" for number in plane.header.decimals(tag))
    return text.casefold()


def _nominal_spacing(planes: Sequence[Plane]) -> float:
    """Distance of slices in mm after the header, or their thickness; 0 where it says neither."""
    for tag in (tags.SPACING_BETWEEN_SLICES, tags.SLICE_THICKNESS):
        said = {_number(plane, tag) for plane in planes}
        if len(said) == 1 and (value := abs(said.pop())) > 0:
            return value
    return 0.0


def _number(plane: Plane, tag: int) -> float:
    if tag in plane.frame_values:
        return float(plane.frame_values[tag] or 0)
    values = plane.header.decimals(tag)
    return values[0] if len(values) == 1 and np.isfinite(values[0]) else 0.0


def _instance_step(planes: Sequence[Plane]) -> int:
    """By how much Instance Numbers rise or fall from each slice to the next; 0 if unevenly."""
    steps = set(np.abs(np.diff([_number(plane, tags.INSTANCE_NUMBER) for plane in planes])))
    return int(steps.pop()) if len(steps) == 1 else 0


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")
