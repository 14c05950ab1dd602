"""The tumour that a result is of: its segment, and what it was made from, to notice a change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..fields import parsed_json
from ..imaging.crop import mask_box
from ..imaging.ct import CT
from ..imaging.geometry import Grid, Point
from ..imaging.masks import Mask

_CASE, _SEGMENT = "LungSquad.case", "LungSquad.segment"  # attributes of a result's nodes
_SEGMENTATION = "LungSquad.segmentation"  # reference
_SAME_MM = 0.001
_CORNERS = 12  # numbers: four corners


@dataclass(frozen=True)
class CaseKey:
    """What a result depends on: the tumour's voxels, and where CT, mask and crop lie.

    Attributes:
        voxels: SHA-256 of the mask, its place in the CT's voxels, and the CT's voxels there.
        positions: LPS mm of the CT's corners, in the world, and of the crop's chosen centre. They
            are compared with a tolerance: a scene that is saved and read changes their last digits.
    """

    voxels: str
    positions: tuple[float, ...]

    @classmethod
    def of(cls, ct: CT, mask: Mask, centre_lps: Point | None = None) -> CaseKey:
        """Return the key of a CT, a mask on its voxels, and the centre that the user chose."""
        box = mask_box(mask, ct.grid)
        digest = hashlib.sha256(repr([*map(int, (*box.start, *box.stop))]).encode())
        digest.update(sitk.GetArrayViewFromImage(mask.image).tobytes())
        digest.update(np.ascontiguousarray(ct.hu(box)).tobytes())
        return cls(digest.hexdigest(), (*_corners(ct.grid), *(centre_lps or ())))

    @property
    def of_outline(self) -> CaseKey:
        """The key without the crop's centre, on which descriptions do not depend."""
        return CaseKey(self.voxels, self.positions[:_CORNERS])

    def matches(self, other: CaseKey | None) -> bool:
        """Return whether another key is of the same voxels at the same positions."""
        return (
            other is not None
            and self.voxels == other.voxels
            and len(self.positions) == len(other.positions)
            and np.allclose(self.positions, other.positions, rtol=0, atol=_SAME_MM)
        )

    def to_text(self) -> str:
        """Return the key as JSON."""
        return json.dumps([self.voxels, self.positions])

    @classmethod
    def of_text(cls, text: str) -> CaseKey | None:
        """Return the key in a text, which may come from anywhere, or None."""
        try:
            voxels, positions = parsed_json(text)
            return cls(str(voxels), tuple(map(float, positions)))
        except (ValueError, TypeError, OverflowError):
            return None


@dataclass(frozen=True)
class Tumour:
    """A segment of a CT that results are of.

    Attributes:
        segmentation, segment: the segmentation's node and the segment's ID.
        key: what the results were made from; None where that is not known.
    """

    segmentation: Any
    segment: str
    key: CaseKey | None = None

    @property
    def name(self) -> str:
        """The segment's name; its ID where the segment is gone."""
        segment = self.segmentation.GetSegmentation().GetSegment(self.segment)
        return self.segment if segment is None else segment.GetName() or self.segment

    def is_segment(self, segmentation: Any, segment: str) -> bool:
        """Return whether this is a segment."""
        return self.segmentation is segmentation and self.segment == segment

    def mark(self, node: Any) -> None:
        """Note on a node that it is a result of this tumour."""
        node.SetNodeReferenceID(_SEGMENTATION, self.segmentation.GetID())
        node.SetAttribute(_SEGMENT, self.segment)
        if self.key is not None:
            node.SetAttribute(_CASE, self.key.to_text())


def segment_of(node: Any) -> tuple[Any, str | None]:
    """Return the segmentation and the segment that a node is a result of, (None, None) if unknown.

    A scene may come from anywhere, and the segmentation may be gone.
    """
    segmentation, segment = node.GetNodeReference(_SEGMENTATION), node.GetAttribute(_SEGMENT)
    known = segmentation is not None and segmentation.IsA("vtkMRMLSegmentationNode")
    return (segmentation, segment) if known and segment else (None, None)


def tumour_of(node: Any) -> Tumour | None:
    """Return the tumour that a node is a result of, or None as `segment_of`."""
    segmentation, segment = segment_of(node)
    if segment is None:
        return None
    return Tumour(segmentation, segment, CaseKey.of_text(node.GetAttribute(_CASE) or ""))


def _corners(grid: Grid) -> list[float]:
    """Return the positions of the first voxel and of the last one along each axis."""
    ends = np.diag(np.array(grid.size) - 1)
    return [value for index in ((0, 0, 0), *ends) for value in grid.to_lps(index).tolist()]
