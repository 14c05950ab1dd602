"""Volume and surface of the mesh round a mask, by marching cubes at the level one half.

Lorensen and Cline, SIGGRAPH 1987. A cube of eight voxels has one of 256 patterns; the triangles of
each are made from the rule for its faces, so the mesh is closed. Where a face has two voxels of the
mask in opposite corners, they are kept apart. A polygon of more than three corners that is not flat
is cut into the triangles of largest area, as the published tables do.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .hull import normals_and_areas

_CORNERS = np.array([(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)])


def mesh_volume_and_area(
    mask: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the volume in mm³ and the surface in mm² of the mesh of a mask (z, y, x)."""
    patterns = _patterns(np.pad(mask, 1))
    counts = np.bincount(patterns.ravel(), minlength=256)
    along_z = np.repeat(np.arange(len(patterns)), patterns[0].size)
    sums = np.bincount(patterns.ravel(), along_z, minlength=256)
    present = np.flatnonzero(counts)
    of_patterns = [_triangles(int(pattern)) for pattern in present]
    pattern = np.repeat(present, [len(triangles) for triangles in of_patterns])
    triangles = np.concatenate(of_patterns) * spacing
    normals, areas = normals_and_areas(*triangles.swapaxes(0, 1))
    # By Gauss's theorem, with the field (z, 0, 0).
    heights = counts[pattern] * triangles[:, :, 0].mean(1) + sums[pattern] * spacing[0]
    volume = abs(float((normals[:, 0] * heights).sum())) / 2
    return volume, float((counts[pattern] * areas).sum())


def _patterns(mask: np.ndarray) -> np.ndarray:
    """Return for each cube of eight voxels which of them are in the mask, as bits."""
    size = np.array(mask.shape) - 1
    patterns = np.zeros(size, np.uint8)
    for bit, (z, y, x) in enumerate(_CORNERS):
        part = mask[z : z + size[0], y : y + size[1], x : x + size[2]]
        patterns |= part.astype(np.uint8) << bit
    return patterns


@cache
def _triangles(pattern: int) -> np.ndarray:
    """Return the triangles (n, 3 corners, 3 axes) of a pattern, all seen from outside alike."""
    following: dict[frozenset[int], frozenset[int]] = {}
    for corners in _faces():
        inside = [bool(pattern >> corner & 1) for corner in corners]
        for start in range(4):
            if not inside[start] or inside[(start + 1) % 4]:
                continue
            back = start
            while inside[back - 1]:
                back -= 1
            leaving = frozenset((corners[start], corners[(start + 1) % 4]))
            following[leaving] = frozenset((corners[back - 1], corners[back]))
    triangles = []
    while following:
        edge, nearest = following.popitem()
        loop = [edge]
        while nearest != loop[0]:
            loop.append(nearest)
            nearest = following.pop(nearest)
        points = np.array([_CORNERS[list(edge)].mean(0) for edge in loop])
        fans = [_fan(np.roll(points, -start, 0)) for start in range(len(points))]
        triangles.append(max(fans, key=lambda fan: round(_area(fan), 9)))
    return np.concatenate(triangles) if triangles else np.zeros((0, 3, 3))


def _fan(points: np.ndarray) -> np.ndarray:
    """Return the triangles (n - 2, 3, 3) between the first of n points and each side."""
    first = np.broadcast_to(points[0], points[2:].shape)
    return np.stack([first, points[1:-1], points[2:]], 1)


def _area(triangles: np.ndarray) -> float:
    return float(normals_and_areas(*triangles.swapaxes(0, 1))[1].sum())


@cache
def _faces() -> tuple[tuple[int, ...], ...]:
    """Return the corners of a cube's six faces, each in the same sense as seen from outside."""
    faces = []
    for axis in range(3):
        for side in (0, 1):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            around = [(0, 0), (1, 0), (1, 1), (0, 1)][:: 1 if side else -1]
            faces.append(
                tuple(
                    sum(
                        value << (2 - which)
                        for which, value in ((axis, side), (first, a), (second, b))
                    )
                    for a, b in around
                )
            )
    return tuple(faces)
