"""The T stage by size: measurement of a tumour's diameter, and the stage it gives alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, one_line
from .diameter import Diameter, axial_diameter, largest_diameter
from .flags import Flag
from .geometry import Box, Grid, in_lps

EDITION = "8"  # the default
Rule: TypeAlias = Literal["largest", "axial"]
RULES: tuple[Rule, ...] = get_args(Rule)
GROUPS = ("T1", "T2", "T3", "T4")

_EIGHTH = (("T1a", 10), ("T1b", 20), ("T1c", 30), ("T2a", 40), ("T2b", 50), ("T3", 70))
# The largest size of each stage, mm, and the stage above them all. The 7th edition: Goldstraw et
# al., J Thorac Oncol 2007;2:706-714; the 8th: Rami-Porta et al., 2015;10:990-1003, whose T the 9th
# keeps: Rami-Porta et al., 2024;19:1007-1027.
_LIMITS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "7": (("T1a", 20), ("T1b", 30), ("T2a", 50), ("T2b", 70), ("T3", np.inf)),
    "8": (*_EIGHTH, ("T4", np.inf)),
    "9": (*_EIGHTH, ("T4", np.inf)),
}
EDITIONS = tuple(_LIMITS)
LIMITS = (
    "By size alone: invasion, separate nodules and atelectasis, which may raise the stage, are not "
    "visible in a size, and a part-solid tumour is staged by its solid part."
)
_REPORTED = re.compile(r"[yra]*[cp]?T([1-4])(mi|[abc])?(?:\([^)]{1,9}\))?", re.IGNORECASE)


@dataclass(frozen=True)
class SizeStage:
    """The size measurement of a tumour, and its T stage by size.

    Attributes:
        largest: the longest line in any direction.
        axial: the longest line in an axial plane.
        rule: which of the two diameters is staged.
        edition: of the AJCC's and UICC's staging of lung cancer, one of `EDITIONS`.
        resolution_mm: the diagonal of a voxel, in 3D or in its axial plane as `rule` has it: by so
            much an outline one voxel off changes the size.
        pieces: how many separate pieces the mask has; both lines are of one of them.
    """

    largest: Diameter
    axial: Diameter
    rule: Rule
    edition: str
    resolution_mm: float
    pieces: int

    @property
    def mm(self) -> float:
        """The size that is staged, to 0.1 mm: the number that is shown is the one that decides."""
        return round((self.largest if self.rule == "largest" else self.axial).mm, 1)

    @property
    def stage(self) -> str:
        """T1a to T4."""
        return stage_of(self.mm, self.edition)

    @property
    def borders(self) -> tuple[str, ...]:
        """The stages, other than its own, that a size one voxel off would have."""
        near = (self.mm - self.resolution_mm, self.mm + self.resolution_mm)
        stages = dict.fromkeys(stage_of(mm, self.edition) for mm in near)
        return tuple(stage for stage in stages if stage != self.stage)

    @property
    def words(self) -> str:
        """The stage, and what it borders on: "T1c, on the border to T2a"."""
        border = f", on the border to {' and '.join(self.borders)}" if self.borders else ""
        return self.stage + border

    @property
    def sentence(self) -> str:
        """The stage for people, with both diameters."""
        staged = "the largest" if self.rule == "largest" else "the axial one"
        return (
            f"{self.words} by size ({self.edition}th edition; {staged} counts): largest diameter "
            f"{self.largest.mm:.1f} mm, largest axial diameter {self.axial.mm:.1f} mm."
        )

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Findings that limit the stage."""
        flags = []
        if self.borders:
            sentence = (
                f"The T stage by size is {self.words}: an outline one voxel "
                f"({self.resolution_mm:.1f} mm) off would change it."
            )
            flags.append(Flag("t_stage_border", "info", sentence))
        if self.pieces > 1:
            sentence = (
                f"The mask has {self.pieces} separate pieces: the diameters are those of the "
                "longest piece. What separate nodules mean for the T stage is not by size."
            )
            flags.append(Flag("t_stage_pieces", "warning", sentence))
        return tuple(flags)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; `editions` is the stage by each edition."""
        return {
            "stage": self.stage,
            "group": group_of(self.stage),
            "borders_on": list(self.borders),
            "edition": self.edition,
            "rule": self.rule,
            "size_mm": self.mm,
            "resolution_mm": round(self.resolution_mm, 2),
            "largest_diameter": _line(self.largest),
            "axial_diameter": _line(self.axial),
            "pieces": self.pieces,
            "editions": {edition: stage_of(self.mm, edition) for edition in EDITIONS},
            "sentence": self.sentence,
            "limits": LIMITS,
            "flags": [flag.to_dict() for flag in self.flags],
        }


def size_stage(mask: sitk.Image, *, edition: str = EDITION, rule: Rule = "largest") -> SizeStage:
    """Measure a tumour and stage it by size.

    AJCC and UICC stage by the greatest dimension of the tumour, which on CT is looked for in every
    plane that can be reconstructed (Travis et al., J Thorac Oncol 2016;11:1204-1223): hence the
    `largest` rule. Many reports give the axial diameter, so that `axial` compares with them.

    Where the mask has several pieces (connected by faces, edges or corners), both diameters are of
    the one that is longest, never across the gap.

    Args:
        mask: what is not 0 is tumour, LPS mm.
        edition: of the staging rules.
        rule: which diameter is staged.

    Raises:
        InputError: the mask is empty, or there is no such edition.
    """
    if edition not in EDITIONS:
        raise InputError(f"There is no edition '{edition}'; there are {', '.join(EDITIONS)}.")
    mask = in_lps(mask)
    piece, largest, pieces = _longest_piece(mask)
    steps = np.array(mask.GetSpacing())
    if rule == "axial":
        steps[2] = 0.0
    resolution = float(np.linalg.norm(steps))
    return SizeStage(largest, axial_diameter(piece), rule, edition, resolution, pieces)


def stage_of(mm: float, edition: str = EDITION) -> str:
    """Return the T stage of a size to 0.1 mm: 30.0 mm is T1c in the 8th edition, 30.1 mm T2a."""
    return next(stage for stage, limit in _LIMITS[edition] if round(mm, 1) <= limit)


def group_of(stage: str) -> str:
    """Return T1 to T4 for a stage of `stage_of` or `reported_stage`."""
    return stage[:2]


def reported_stage(text: str) -> str:
    """Return a reported stage without its prefix: "pT2a" is T2a, "cT1" is T1.

    Raises:
        InputError: it is none of T1 to T4, the stages by size.
    """
    match = _REPORTED.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"'{one_line(text)}' is no T stage that a size can be compared with: it must be T1 to "
            "T4, as in pT2a or cT1."
        )
    return f"T{match[1]}{(match[2] or '').lower()}"


def _longest_piece(mask: sitk.Image) -> tuple[sitk.Image, Diameter, int]:
    """Return the mask's piece with the largest diameter, the diameter, and the number of pieces.

    Args:
        mask: what is not 0 is tumour.
    """
    grid, labels = Grid.of(mask), sitk.ConnectedComponent(mask != 0, True)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    array, boxes = sitk.GetArrayViewFromImage(labels), {}
    for label in shapes.GetLabels():
        x, y, z, *size = shapes.GetBoundingBox(label)
        boxes[label] = Box((x, y, z), (x + size[0], y + size[1], z + size[2]))
    best: tuple[sitk.Image, Diameter] | None = None
    for label, box in sorted(boxes.items(), key=lambda item: -_diagonal(item[1], grid)):
        if best is not None and _diagonal(box, grid) <= best[1].mm:
            break
        piece = grid.part(box).image((array[box.slices] == label).astype(np.uint8))
        diameter = largest_diameter(piece)
        if best is None or diameter.mm > best[1].mm:
            best = piece, diameter
    if best is None:
        return mask, largest_diameter(mask), 0  # which raises InputError
    return *best, len(boxes)


def _diagonal(box: Box, grid: Grid) -> float:
    """Return the diagonal of a box in mm; no line between its border points is longer."""
    return float(np.linalg.norm(np.array(box.size) * grid.spacing))


def _line(diameter: Diameter) -> dict[str, Any]:
    start, end = ([round(value, 2) for value in p] for p in (diameter.start_lps, diameter.end_lps))
    return {"mm": round(diameter.mm, 2), "start_lps": start, "end_lps": end}
