"""Conversion of volume nodes to the library's CT and images, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData

from ..errors import InputError
from ..imaging.ct import CT, ArrayVoxels
from ..imaging.dicom import header as tags
from ..imaging.dicom.header import read_header
from ..imaging.geometry import Grid
from .coordinates import directions_ras, grid_in_world, to_ras
from .scene import new_node, slicer


def ct_of_volume(node: Any) -> CT:
    """Return the CT of a scalar volume node, in world LPS; the voxels are not copied.

    Raises:
        InputError: the node has no voxels or several values a voxel, a sheared grid, or a
            transform above it that is not linear.
    """
    return CT(grid_of_volume(node), ArrayVoxels(voxel_array(node.GetImageData(), node.GetName())))


def voxels_and_grid(node: Any) -> tuple[int, Grid | str]:
    """Return what changes with a volume's voxels, and its grid in world LPS or why it has none."""
    image = node.GetImageData()
    try:
        return (0 if image is None else image.GetMTime(), grid_of_volume(node))
    except InputError as error:
        return (0, str(error))


def image_of_volume(node: Any) -> sitk.Image:
    """Copy a scalar or label map volume node to an image, in world LPS, of the same scalar type.

    Raises:
        InputError: as `ct_of_volume`.
    """
    grid = grid_of_volume(node)
    return grid.image(voxel_array(node.GetImageData(), node.GetName()))


def add_volume(
    scene: Any, image: sitk.Image, *, name: str, window: tuple[float, float] | None = None
) -> Any:
    """Add a scalar volume node of an image, with a display node.

    Args:
        scene: the scene.
        image: in LPS mm.
        name: of the node.
        window: centre and width of the grey values; without it Slicer computes them from all
            voxels, which takes a third of a second for a CT.
    """
    grid = Grid.of(image)
    node = new_node(scene, "vtkMRMLScalarVolumeNode", name)
    node.SetSpacing(grid.spacing)
    node.SetOrigin(to_ras(grid.origin))
    node.SetIJKToRASDirections(directions_ras(grid))
    voxels = vtkImageData()
    voxels.SetDimensions(grid.size)
    set_voxels(voxels, sitk.GetArrayViewFromImage(image))
    if window is not None:
        node.CreateDefaultDisplayNodes()
        set_window(node, window)
    node.SetAndObserveImageData(voxels)
    node.CreateDefaultDisplayNodes()
    return node


def set_window(node: Any, window: tuple[float, float]) -> None:
    """Set the window of a volume, its centre and width."""
    centre, width = window
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(width, centre)


def dicom_source(node: Any) -> tuple[Path, str] | None:
    """Return folder and UID of the DICOM series that a volume node was loaded from.

    None where Slicer's DICOM database does not know it, and outside Slicer, which has none.

    Raises:
        InputError: the first of its files is damaged.
    """
    database = getattr(slicer, "dicomDatabase", None)
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    if database is None or not instances:
        return None
    file = Path(database.fileForInstance(instances[0]) or ".")
    header = read_header(file) if file.is_file() else None
    return None if header is None else (file.parent, header.text(tags.SERIES_UID))


def voxel_array(image: Any, name: str) -> np.ndarray:
    """Return the voxels of VTK image data (z, y, x), not a copy."""
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or not scalars.GetNumberOfTuples():
        raise InputError(f"'{name}' holds no voxels. Load it again, or choose another volume.")
    if scalars.GetNumberOfComponents() != 1 or scalars.GetDataTypeAsString() == "bit":
        raise InputError(
            f"'{name}' has several values for each voxel. Convert it to a scalar volume."
        )
    return np.reshape(vtk_to_numpy(scalars), image.GetDimensions()[::-1])


def set_voxels(image: Any, array: np.ndarray) -> None:
    """Copy an array (z, y, x) into VTK image data of the same size."""
    image.GetPointData().SetScalars(numpy_to_vtk(np.ravel(array), deep=True))


def set_colours(image: Any, pixels: np.ndarray) -> None:
    """Copy colour pixels (rows, columns, channels) into VTK image data."""
    flat = pixels.reshape(-1, pixels.shape[-1])
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))


def grid_of_volume(node: Any) -> Grid:
    """Return the grid of a volume node in world LPS; errors as `ct_of_volume`."""
    image = node.GetImageData()
    if image is None:
        raise InputError(
            f"The volume '{node.GetName()}' holds no voxels. Load it again, or choose another one."
        )
    directions = np.zeros((3, 3))
    node.GetIJKToRASDirections(directions)
    return grid_in_world(
        node,
        image.GetExtent(),
        spacing=node.GetSpacing(),
        origin=node.GetOrigin(),
        directions=directions,
    )
