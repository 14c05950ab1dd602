"""Which slices of a CT the planes of contours stand for: each a slab, half-way to its neighbours.

All heights are in slices of the CT, continuous; slice centres are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Contours whose heights differ by less than this part of a slice are drawn in one plane.
SAME_PLANE = 0.1
# Planes are missing, or the ROI has two pieces, where a step is longer than the usual one by this.
_LONGEST_STEP = 1.5
LONGEST_STEP_MM = 10.0  # no CT on which tumours are outlined has slices further apart
_TIE = 1e-3


@dataclass(frozen=True)
class Stack:
    """The slices that each plane fills, as (first, stop); `step` is the planes' usual distance."""

    slices: tuple[tuple[int, int], ...]
    step: float


def planes_of(heights: Sequence[float]) -> list[list[int]]:
    """The numbers of the contours that lie in one plane, plane by plane from below.

    Heights that follow each other closely all the way are a dense stack, not one plane.
    """
    order = np.argsort(heights, kind="stable")
    ordered = np.asarray(heights, float)[order]
    planes: list[list[int]] = []
    for run in np.split(np.arange(len(order)), np.flatnonzero(np.diff(ordered) > SAME_PLANE) + 1):
        width = SAME_PLANE if ordered[run[-1]] - ordered[run[0]] <= SAME_PLANE else _TIE
        for number in run:
            first = planes[-1][0] if planes and number != run[0] else None
            if first is not None and ordered[number] - heights[first] <= width:
                planes[-1].append(int(order[number]))
            else:
                planes.append([int(order[number])])
    return planes


def stack_of(heights: Sequence[float], slice_mm: float) -> Stack:
    """The slab of each plane, from half-way to the plane below to half-way to that above.

    At the ends, and beside a gap, a slab is as thick as the planes' usual distance (the lower
    median) or the distance to its other neighbour; a single plane is one slice. Slices within a
    gap belong to no plane. Where planes are so dense that none of them holds a slice's centre, the
    plane nearest to a centre takes that slice.

    Args:
        heights: of the planes, ascending.
        slice_mm: the distance of the CT's slices.
    """
    steps = np.diff(heights)
    usual = np.sort(steps[steps * slice_mm <= max(LONGEST_STEP_MM, slice_mm * _LONGEST_STEP)])
    step = float(usual[(len(usual) - 1) // 2]) if len(usual) else 1.0
    half = np.where(steps <= _LONGEST_STEP * step, steps, step) / 2
    ends = half if len(half) else np.array([step / 2])
    below, above = np.append(ends[:1], half), np.append(half, ends[-1:])
    first = np.ceil(np.asarray(heights) - below - _TIE).astype(int)
    stop = np.ceil(np.asarray(heights) + above - _TIE).astype(int)
    if not (stop > first).any():
        away = np.abs(np.asarray(heights) - np.rint(heights))
        nearest = int(away.argmin())
        first[nearest] = int(np.rint(heights[nearest]))
        stop[nearest] = first[nearest] + 1
    return Stack(tuple(zip(first.tolist(), stop.tolist(), strict=True)), step)
