"""Conversion of segments to the library's masks, and of masks to segments with coded terms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from vtkmodules.vtkCommonCore import mutable

from ..errors import InputError
from ..fields import parsed_json
from ..imaging.ct import CT
from ..imaging.flags import Flag
from ..imaging.geometry import Box, Grid, with_axes_of
from ..imaging.label_maps import labelled_box
from ..imaging.masks import Mask, as_mask
from .coordinates import grid_in_world, index_to_ras, matrix_of, matrix_to_world
from .scene import new_node, slicer
from .volumes import grid_of_volume, set_voxels, voxel_array

_FLAGS = "LungSquad.flags"  # tag of a segment: the flags of its mask's file
LABEL_MAP = "Binary labelmap"
SOURCE = "Slicer segmentation"

# Category, type and region in SNOMED CT, and the lists of Slicer that hold them; what stands
# between two ~ is a code, and one that is left out is ^^.
NEOPLASM_OF_LUNG = "~".join(
    (
        "Segmentation category and type - DICOM master list",
        "SCT^49755003^Morphologically Abnormal Structure",
        "SCT^108369006^Neoplasm",
        "^^",
        "Anatomic codes - DICOM master list",
        "SCT^39607008^Lung",
        "^^",
    )
)
# Of segments, distinct with any colour vision; the first is the report's, and none is the
# saliency's, the crop box's or the size measurement's.
_COLOURS = (
    (1.0, 0.69, 0.18),
    (0.0, 0.62, 0.45),
    (0.55, 0.45, 1.0),
    (0.84, 0.37, 0.0),
    (0.6, 0.9, 0.45),
    (0.9, 0.9, 0.9),
    (0.0, 0.45, 0.7),
    (0.6, 0.45, 0.3),
)


def segment_ids(node: Any) -> list[str]:
    """Return the IDs of a segmentation node's segments."""
    segmentation = node.GetSegmentation()
    numbers = range(segmentation.GetNumberOfSegments())
    return [str(segmentation.GetNthSegmentID(number)) for number in numbers]


def mask_of_segment(node: Any, segment_id: str, volume: Any) -> sitk.Image:
    """Return one segment's voxels (uint8, 1 inside) in their bounding box, in world LPS.

    Args:
        node: the segmentation node; it is not changed.
        segment_id: the segment's ID; its name would not do, since two segments may share it.
        volume: the CT's node, to whose voxels a segment that is only a surface is converted.

    Raises:
        InputError: the segment is missing or empty, or its grid cannot be used.
    """
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegment(segment_id)
    if segment is None:
        raise InputError(_unknown(node, segment_id))
    name = segment.GetName() or segment_id
    if segment.GetRepresentation(LABEL_MAP) is None:
        segment = _voxelised(segmentation, segment_id, node, volume)
    image = segment.GetRepresentation(LABEL_MAP) if segment is not None else None
    if image is None or image.IsEmpty():
        raise InputError(
            f"The segment '{name}' is empty. Draw the tumour, or choose another segment."
        )
    voxels, value = voxel_array(image, name), segment.GetLabelValue()

    def planes() -> Iterator[tuple[int, np.ndarray]]:
        for number, plane in enumerate(voxels):  # a layer may hold other segments' voxels, too
            marked = plane == value
            if marked.any():
                yield number, marked

    box, array = labelled_box(planes, None, name)
    return _grid(node, image).part(box).image(array)


def mask_on_ct(node: Any, segment_id: str, volume: Any, ct: CT) -> Mask:
    """Return one segment as the mask of a CT; see `mask_of_segment`.

    Raises:
        InputError: as `mask_of_segment`; or the segment lies outside the CT.
    """
    image = mask_of_segment(node, segment_id, volume)
    name = node.GetSegmentation().GetSegment(segment_id).GetName() or segment_id
    mask = as_mask(image, ct, name=name, source=SOURCE)
    imported = _imported_flags(node.GetSegmentation().GetSegment(segment_id))
    return replace(mask, flags=tuple(dict.fromkeys((*imported, *mask.flags))))


def _imported_flags(segment: Any) -> tuple[Flag, ...]:
    """Return the flags of the file that the segment came from; a scene may come from anywhere."""
    if not segment.HasTag(_FLAGS):
        return ()
    text = mutable("")
    segment.GetTag(_FLAGS, text)
    try:
        return tuple(Flag.of(value) for value in parsed_json(str(text)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def add_segmentation(scene: Any, volume: Any, *, name: str) -> Any:
    """Add an empty segmentation node for a volume, with a display node."""
    node = new_node(scene, "vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)  # the CT under it must stay visible
    display.SetSliceIntersectionThickness(3)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return node


def add_segment(
    node: Any, mask: Mask | sitk.Image, *, name: str = "tumour", label: int | None = None
) -> str:
    """Add a mask or label map, in world LPS, to a segmentation node as a neoplasm of the lung.

    Args:
        node: the segmentation node, under no transform.
        mask: on any grid; its axes are brought to the order of the node's reference volume.
        name: of the segment.
        label: the value inside, where a label map holds several.

    Returns:
        The new segment's ID.

    Raises:
        InputError: the mask is empty, or holds several labels and none was chosen.
    """
    image = mask.image if isinstance(mask, Mask) else mask
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    grid = None if reference is None else grid_of_volume(reference)
    image = image if grid is None else with_axes_of(image, grid)
    box, array = labelled_box(lambda: enumerate(sitk.GetArrayViewFromImage(image)), label, name)
    oriented = _on_reference(grid, Grid.of(image).part(box))
    set_voxels(oriented, array)
    segment_id = _add(node, oriented, name)
    if isinstance(mask, Mask) and mask.flags:
        text = json.dumps([flag.to_dict() for flag in mask.flags])
        node.GetSegmentation().GetSegment(segment_id).SetTag(_FLAGS, text)
    return segment_id


def add_empty_segment(node: Any, *, name: str = "tumour") -> str:
    """Add a segment for drawing to a segmentation node; return its ID."""
    return _add(node, slicer.vtkOrientedImageData(), name)


def _add(node: Any, oriented: Any, name: str) -> str:
    used = [node.GetSegmentation().GetSegment(each).GetColor() for each in segment_ids(node)]
    free = (colour for colour in _COLOURS if not any(np.allclose(colour, u) for u in used))
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*next(free, _COLOURS[len(used) % len(_COLOURS)]))
    segment.SetTag(segment.GetTerminologyEntryTagName(), NEOPLASM_OF_LUNG)
    segment.AddRepresentation(LABEL_MAP, oriented)
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(LABEL_MAP)
    segmentation.AddSegment(segment)
    return str(segmentation.GetSegmentIdBySegment(segment))


def _voxelised(segmentation: Any, segment_id: str, node: Any, volume: Any) -> Any:
    """Return a copy of a segment that is a surface, with voxels on the volume's grid."""
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    copy.CopySegmentFromSegmentation(segmentation, segment_id)
    grid = grid_of_volume(volume)
    to_local = np.linalg.inv(matrix_to_world(node))
    geometry = _oriented(to_local @ index_to_ras(grid), grid.box)
    converter = slicer.vtkSegmentationConverter
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(geometry),
    )
    copy.CreateRepresentation(LABEL_MAP)
    return copy.GetSegment(segment_id)


def _on_reference(reference: Grid | None, grid: Grid) -> Any:
    """Return an image of a grid, without voxels, in the reference's indices where they fit."""
    whole = grid if reference is None else reference
    offset = grid.offset_in(whole)
    if offset is None:
        whole, offset = grid, (0, 0, 0)
    return _oriented(index_to_ras(whole), grid.box.shifted(offset))


def _oriented(to_ras: np.ndarray, box: Box) -> Any:
    image = slicer.vtkOrientedImageData()
    (x0, y0, z0), (x1, y1, z1) = box.start, box.stop
    image.SetExtent(x0, x1 - 1, y0, y1 - 1, z0, z1 - 1)
    image.SetGeometryFromImageToWorldMatrix(matrix_of(to_ras))
    return image


def _grid(node: Any, image: Any) -> Grid:
    directions = np.zeros((3, 3))
    image.GetDirections(directions)
    return grid_in_world(
        node,
        image.GetExtent(),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        directions=directions,
    )


def _unknown(node: Any, segment_id: str) -> str:
    segmentation = node.GetSegmentation()
    segments = [
        f"'{each}' ({segmentation.GetSegment(each).GetName()})" for each in segment_ids(node)
    ]
    listed = f"it has {', '.join(segments)}" if segments else "it has none"
    return f"'{node.GetName()}' has no segment with the ID '{segment_id}': {listed}."
