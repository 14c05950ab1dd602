"""Polygons and masks of one slice, each out of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Outlines are often drawn from voxel centre to voxel centre and written as decimals: a point this
# near to a centre, in pixels, is on it.
_ON_CENTRE = 1e-3


def fill_even_odd(
    polygons: Sequence[np.ndarray], columns: int, rows: int
) -> tuple[int, int, np.ndarray]:
    """The pixels of a slice whose centre lies in an odd number of closed polygons, or on an edge.

    Args:
        polygons: each (N, 2), points (x, y) in pixel indices; pixel centres are whole numbers.
        columns: of the slice.
        rows: of the slice; polygons may reach beyond it.

    Returns:
        x and y of the first pixel of a block of the slice, and the block (y, x) of bool.
    """
    polygons = [np.where(np.abs(p - p.round()) < _ON_CENTRE, p.round(), p) for p in polygons]
    start = np.concatenate(polygons)
    end = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    x0, y0 = (int(n) for n in np.clip(np.floor(start.min(axis=0)), 0, (columns, rows)))
    x1, y1 = (int(n) for n in np.clip(np.floor(start.max(axis=0)) + 1, 0, (columns, rows)))
    # In every row that it crosses, an edge toggles all pixels from the crossing to the right.
    toggles = np.zeros((y1 - y0, x1 - x0 + 1), np.int32)
    edges = np.column_stack((start, end))
    y, x = _crossings(edges[start[:, 1] != end[:, 1]], y0, y1)
    upper = np.clip(np.ceil(x), x0, x1).astype(int)
    np.add.at(toggles, (y - y0, upper - x0), 1)
    inside = np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1
    _mark_edges(inside, edges, x0, y0)
    return x0, y0, inside


def _crossings(edges: np.ndarray, y0: int, y1: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and x where edges (x, y, x, y) cross the rows y0 to y1; upper ends do not count."""
    low, high = np.sort(edges[:, [1, 3]], axis=1).T
    first = np.clip(np.ceil(low), y0, y1).astype(int)
    count = np.clip(np.ceil(high), y0, y1).astype(int) - first
    edge = np.repeat(edges, count, axis=0)
    y = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    slope = (edge[:, 2] - edge[:, 0]) / (edge[:, 3] - edge[:, 1])
    return y, (edge[:, 0] + (y - edge[:, 1]) * slope).round(6)


def _mark_edges(inside: np.ndarray, edges: np.ndarray, x0: int, y0: int) -> None:
    """Mark the pixel centres that lie on an edge: swapped axes make level edges cross columns."""
    rows, columns = inside.shape
    y, x = _crossings(edges[edges[:, 1] != edges[:, 3]], y0, y0 + rows)
    level = edges[edges[:, 1] == edges[:, 3]]
    level = level[level[:, 0] != level[:, 2]]
    x_level, y_level = _crossings(level[:, [1, 0, 3, 2]], x0, x0 + columns)
    x = np.concatenate((x, x_level, edges[:, 0]))
    y = np.concatenate((y, y_level, edges[:, 1]))
    on = (x == np.rint(x)) & (y == np.rint(y))
    on &= (x >= x0) & (x < x0 + columns) & (y >= y0) & (y < y0 + rows)
    inside[y[on].astype(int) - y0, x[on].astype(int) - x0] = True
