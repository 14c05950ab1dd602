"""What tests ask of a scene: files as Slicer itself reads them, and what a scene holds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4


def read_node(scene, kind: str, storage_kind: str, *files: Path):
    """A node of a file, or of a DICOM series' files, by Slicer's reader."""
    node = scene.AddNewNodeByClass(kind)
    storage = scene.AddNewNodeByClass(storage_kind)
    storage.SetFileName(str(files[0]))
    for file in files if len(files) > 1 else ():
        storage.AddFileName(str(file))
    assert storage.ReadData(node)
    scene.RemoveNode(storage)
    return node


def read_volume(scene, *files: Path):
    """A volume node as Slicer reads it."""
    return read_node(scene, "vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode", *files)


def read_segmentation(scene, file: Path):
    """A segmentation node as Slicer reads it."""
    return read_node(scene, "vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode", file)


def read_scene(scene, file: Path, folder: Path) -> None:
    """Add what a .mrb file holds to a scene."""
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    scene.SetURL(str(next(folder.rglob("*.mrml"))))
    assert scene.Import()


def segment_ids(segmentation) -> list[str]:
    """The IDs of a segmentation's segments."""
    inside = segmentation.GetSegmentation()
    return [inside.GetNthSegmentID(number) for number in range(inside.GetNumberOfSegments())]


def halve_segment(segmentation, segment: str) -> None:
    """Rub out half of a segment, as the Segment Editor does."""
    import slicer

    from LungSquadLib.mrml.segments import LABEL_MAP
    from LungSquadLib.mrml.volumes import voxel_array

    image = slicer.vtkOrientedImageData()
    inside = segmentation.GetSegmentation().GetSegment(segment)
    image.DeepCopy(inside.GetRepresentation(LABEL_MAP))
    array = voxel_array(image, segment)
    voxels = np.argwhere(array == inside.GetLabelValue())
    array[: int(np.median(voxels[:, 0]))] = 0
    image.Modified()
    slicer.modules.segmentations.logic().SetBinaryLabelmapToSegment(image, segmentation, segment)


def under_transform(scene, node, matrix):
    """Put a node under a linear transform (4x4, RAS)."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    to_parent = vtkMatrix4x4()
    to_parent.DeepCopy(np.ravel(matrix).tolist())
    transform.SetMatrixTransformToParent(to_parent)
    node.SetAndObserveTransformNodeID(transform.GetID())


def under_warp(scene, node):
    """Put a node under a transform that is not linear."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform

    source, target = vtkPoints(), vtkPoints()
    for point in np.ndindex(2, 2, 2):
        source.InsertNextPoint(*(100 * n for n in point))
        target.InsertNextPoint(*(100 * n + 20 * point[0] * point[1] for n in point))
    warp = vtkThinPlateSplineTransform()
    warp.SetBasisToR()
    warp.SetSourceLandmarks(source)
    warp.SetTargetLandmarks(target)
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Warped")
    transform.SetAndObserveTransformToParent(warp)
    node.SetAndObserveTransformNodeID(transform.GetID())


def contents(scene) -> list[str]:
    """All nodes of a scene, and all that a saved scene says of them and of their hierarchy."""
    nodes = [scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())]
    scene.SetSaveToXMLString(True)
    scene.Commit()
    scene.SetSaveToXMLString(False)
    return [*nodes, *scene.GetSceneXMLString().splitlines()]
