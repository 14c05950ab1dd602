"""Coordinates of the library (LPS) and of Slicer (RAS), with the transforms above a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from ..errors import InputError
from ..imaging.files.grids import checked_grid
from ..imaging.geometry import Grid

_FLIP = np.array([-1.0, -1.0, 1.0])  # from RAS to LPS, and back


def grid_in_world(
    node: Any,
    extent: Sequence[int],
    *,
    spacing: Sequence[float],
    origin: Sequence[float],
    directions: np.ndarray,
) -> Grid:
    """Return the grid of an image that belongs to a node, in world coordinates, LPS mm.

    Args:
        node: a transformable node; linear transforms above it are applied.
        extent: first and last index along i, j and k, as VTK has it.
        spacing: mm.
        origin: of index 0, RAS mm.
        directions: 3x3; column i is the direction of index axis i in RAS.

    Raises:
        InputError: the grid is sheared, or a transform above the node is not linear.
    """
    steps, position = np.array(spacing, float), np.array(origin, float)
    if node.GetParentTransformNode() is not None:
        matrix = matrix_to_world(node)
        directions = matrix[:3, :3] @ directions
        lengths = np.linalg.norm(directions, axis=0)
        position = matrix[:3, :3] @ position + matrix[:3, 3]
        steps, directions = steps * lengths, directions / np.where(lengths > 0, lengths, 1.0)
    first = np.array(extent[::2])
    position = position + directions @ (steps * first)
    size = [b - a + 1 for a, b in zip(extent[::2], extent[1::2], strict=True)]
    return checked_grid(
        node.GetName(), size, steps.tolist(), _FLIP * position, _FLIP[:, None] * directions
    )


def matrix_to_world(node: Any) -> np.ndarray:
    """Return the 4x4 matrix from a node's RAS to the world's, the identity without a transform.

    Raises:
        InputError: the transform is not linear.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise InputError(
            f"'{node.GetName()}' lies under the transform '{transform.GetName()}', which is not "
            "linear. Harden the transform, or move the node out of it."
        )
    matrix = vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def index_to_ras(grid: Grid) -> np.ndarray:
    """Return the 4x4 matrix from indices of a grid to RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = _FLIP[:, None] * grid.axes
    matrix[:3, 3] = _FLIP * np.array(grid.origin)
    return matrix


def directions_ras(grid: Grid) -> np.ndarray:
    """Return a 3x3 matrix whose column i is the direction of index axis i in RAS."""
    return _FLIP[:, None] * np.array(grid.direction).reshape(3, 3)


def to_ras(point: Sequence[float] | np.ndarray) -> np.ndarray:
    """Convert a point from LPS mm to RAS mm."""
    return _FLIP * np.asarray(point, float)


def matrix_of(array: np.ndarray) -> vtkMatrix4x4:
    """Convert a 4x4 array to a VTK matrix."""
    matrix = vtkMatrix4x4()
    matrix.DeepCopy(array.ravel().tolist())
    return matrix
