"""The convex hull of points in space, exactly, for whole coordinates."""

from __future__ import annotations

import numpy as np


def hull_triangles(points: np.ndarray) -> np.ndarray:
    """Return the hull of points as triangles, by adding one point after the other.

    Args:
        points: (n, 3) whole numbers below 100,000, not all in one plane.

    Returns:
        (triangles, 3) numbers of points, counterclockwise as seen from outside.
    """
    points = points.astype(np.int64)
    first = _tetrahedron(points)
    triangles = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)])
    triangles = np.array(first)[triangles]
    normals, offsets = _planes(points, triangles)
    # The farthest come first: most of the rest then lie inside.
    distance = ((points - points.mean(0)) ** 2).sum(1)
    for number in np.argsort(-distance, kind="stable"):
        visible = normals @ points[number] > offsets
        if not visible.any():
            continue
        edges = [
            edge for a, b, c in triangles[visible].tolist() for edge in ((a, b), (b, c), (c, a))
        ]
        shared = set(edges)
        new = np.array([(a, b, number) for a, b in edges if (b, a) not in shared])
        new_normals, new_offsets = _planes(points, new)
        triangles = np.concatenate([triangles[~visible], new])
        normals = np.concatenate([normals[~visible], new_normals])
        offsets = np.concatenate([offsets[~visible], new_offsets])
    return triangles


def _planes(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outward normals of triangles, and their products with a point of each."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    normals = _cross(b - a, c - a)
    return normals, (normals * a).sum(1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross products (n, 3) of vectors; of few, in a quarter of numpy's time."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


def normals_and_areas(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the normals (n, 3) of triangles, twice as long as their areas, and the areas (n,)."""
    normals = _cross(b - a, c - a)
    return normals, np.sqrt((normals**2).sum(1)) / 2


def _tetrahedron(points: np.ndarray) -> list[int]:
    """Return four points that are not in one plane, the last above the first three."""
    first = int(np.lexsort(points.T)[0])
    away = points - points[first]
    second = int((away**2).sum(1).argmax())
    across = np.cross(away, away[second])
    third = int((across.astype(float) ** 2).sum(1).argmax())
    heights = away @ np.cross(away[second], away[third])
    fourth = int(np.abs(heights).argmax())
    if heights[fourth] == 0:
        raise ValueError("the points lie in one plane")
    return [first, second, third, fourth] if heights[fourth] > 0 else [first, third, second, fourth]


def hull_volume_and_area(points: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    """Return volume and surface of the hull of whole points (n, 3), each axis times its spacing."""
    a, b, c = (points[corner] * spacing for corner in hull_triangles(points).T)
    normals, areas = normals_and_areas(a, b, c)
    return float((a * normals).sum() / 6), float(areas.sum())
