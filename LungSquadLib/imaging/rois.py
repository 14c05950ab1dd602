"""Choosing one ROI or segment of several, by a name or number that people type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError, one_line
from .label_maps import LONGEST_NAME


@dataclass(frozen=True)
class Roi:
    """Something in a mask file that can be chosen with --roi or --label."""

    name: str
    number: int
    identifier: str = ""
    empty: bool = False


def choose(rois: Sequence[Roi], wanted: str | None, path: str) -> Roi:
    """The ROI called `wanted`, or the only one there is.

    Raises:
        InputError: there is none of that name, there are several, or there is none at all.
    """
    if not rois:
        raise InputError(f"'{path}' holds no ROI or segment.")
    if wanted is None:
        if len(rois) == 1:
            return rois[0]
        raise InputError(
            f"'{path}' holds {len(rois)} ROIs; choose one with --roi: {_listed(rois)}."
        )
    named = one_line(wanted, most=LONGEST_NAME)
    for fits in (
        lambda roi: roi.name and roi.name == named,
        lambda roi: roi.name and roi.name.casefold() == named.casefold(),
        lambda roi: wanted in (roi.identifier, str(roi.number), _by_number(roi)),
    ):
        fitting = [roi for roi in rois if fits(roi)]
        if len({roi.number for roi in fitting}) == 1:
            return fitting[0]
        if fitting:
            numbers = ", ".join(str(roi.number) for roi in fitting)
            raise InputError(
                f"'{path}' holds {len(fitting)} ROIs called '{named}'; "
                f"choose by number with --roi: {numbers}."
            )
    raise InputError(f"'{path}' holds no ROI called '{named}'; it holds {_listed(rois)}.")


def offers(rois: Sequence[Roi]) -> list[str]:
    """For each ROI the --roi that takes it: its name, or a number where that is no name of one.

    A name is taken before a number, so where an ROI is called "2" the other is "number 2".
    """
    names = Counter(roi.name for roi in rois)
    folded = {roi.name.casefold() for roi in rois}
    return [
        roi.name
        if roi.name and names[roi.name] == 1
        else str(roi.number)
        if str(roi.number) not in folded
        else _by_number(roi)
        for roi in rois
    ]


def _by_number(roi: Roi) -> str:
    return f"number {roi.number}"


def _listed(rois: Sequence[Roi]) -> str:
    usable = [roi for roi in rois if not roi.empty]
    listed = [
        f"'{offer}'" if offer == roi.name else f"'{offer}' ({roi.name or 'without a name'})"
        for roi, offer in zip(usable, offers(usable), strict=True)
    ]
    more = f" and {len(usable) - 40} more" if len(usable) > 40 else ""
    empty = len(rois) - len(usable)
    return ", ".join(listed[:40]) + more + (f"; {empty} more are empty" if empty else "")
