"""Closed polygons and the mask of one slice, each out of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

# Outlines are often drawn from voxel centre to voxel centre and written as decimals: a point this
# near to a centre, in pixels, is on it.
_ON_CENTRE = 1e-3
_MOST_CROSSINGS = 1 << 22  # memory is taken for each


def fill_even_odd(
    polygons: Sequence[np.ndarray],
    start: tuple[int, int],
    stop: tuple[int, int],
    *,
    edges: bool = True,
) -> tuple[int, int, np.ndarray]:
    """The pixels of a slice whose centre lies in an odd number of closed polygons.

    Args:
        polygons: each (N, 2), points (x, y) in pixel indices; pixel centres are whole numbers.
        start: x and y of the first pixel that may be filled.
        stop: x and y of the first pixel beyond those; polygons may reach beyond it.
        edges: whether centres that lie on an edge are in or out.

    Returns:
        x and y of the first pixel of a block of the slice, and the block (y, x) of bool.

    Raises:
        InputError: they cross rows or columns so often that they are no outlines.
    """
    polygons = [np.where(np.abs(p - p.round()) < _ON_CENTRE, p.round(), p) for p in polygons]
    first = np.concatenate(polygons)
    second = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    x0, y0 = (int(n) for n in np.clip(np.floor(first.min(axis=0)), start, stop))
    x1, y1 = (int(n) for n in np.clip(np.floor(first.max(axis=0)) + 1, start, stop))
    # In every row that it crosses, an edge toggles all pixels from the crossing to the right.
    toggles = np.zeros((y1 - y0, x1 - x0 + 1), np.int32)
    lines = np.column_stack((first, second))
    y, x = _crossings(lines[first[:, 1] != second[:, 1]], y0, y1)
    upper = np.clip(np.ceil(x), x0, x1).astype(int)
    np.add.at(toggles, (y - y0, upper - x0), 1)
    inside = np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1
    _mark_edges(inside, lines, x0, y0, edges)
    return x0, y0, inside


def _crossings(edges: np.ndarray, y0: int, y1: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and x where edges (x, y, x, y) cross the rows y0 to y1; upper ends do not count."""
    low, high = np.sort(edges[:, [1, 3]], axis=1).T
    first = np.clip(np.ceil(low), y0, y1).astype(int)
    count = np.clip(np.ceil(high), y0, y1).astype(int) - first
    if count.sum() > _MOST_CROSSINGS:
        raise InputError(
            f"The contours of a slice cross its rows or columns more than {_MOST_CROSSINGS:,} "
            "times; no outline does. Draw them again."
        )
    edge = np.repeat(edges, count, axis=0)
    y = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    slope = (edge[:, 2] - edge[:, 0]) / (edge[:, 3] - edge[:, 1])
    return y, (edge[:, 0] + (y - edge[:, 1]) * slope).round(6)


def _mark_edges(inside: np.ndarray, edges: np.ndarray, x0: int, y0: int, mark: bool) -> None:
    """Set the pixel centres that lie on an edge: swapped axes make level edges cross columns."""
    rows, columns = inside.shape
    y, x = _crossings(edges[edges[:, 1] != edges[:, 3]], y0, y0 + rows)
    level = edges[edges[:, 1] == edges[:, 3]]
    level = level[level[:, 0] != level[:, 2]]
    x_level, y_level = _crossings(level[:, [1, 0, 3, 2]], x0, x0 + columns)
    x = np.concatenate((x, x_level, edges[:, 0]))
    y = np.concatenate((y, y_level, edges[:, 1]))
    on = (x == np.rint(x)) & (y == np.rint(y))
    on &= (x >= x0) & (x < x0 + columns) & (y >= y0) & (y < y0 + rows)
    inside[y[on].astype(int) - y0, x[on].astype(int) - x0] = mark


def outlines(mask2d: np.ndarray) -> list[np.ndarray]:
    """The boundaries of a mask as closed polygons.

    Args:
        mask2d: (rows, columns); what is not 0 belongs to the mask.

    Returns:
        Polygons (N, 2) of corners (x, y) in continuous pixel indices, so all at +-0.5 from a pixel
        centre; the last corner joins the first. Each boundary comes once: outer ones run clockwise
        as seen on a screen, those of holes the other way. Filling all of them together by the
        even-odd or the non-zero rule gives back the mask. Pixels that touch at a corner only
        belong to one outline (8-connected).
    """
    mask = np.asarray(mask2d) != 0
    if mask.ndim != 2:
        raise ValueError(f"A mask of rows and columns is needed, not one of shape {mask.shape}.")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    framed = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    y, x, beside, above = _corners(framed)
    corners = np.column_stack([x + (left - 0.5), y + (top - 0.5)])
    return [_clockwise(cycle, framed, x, y, corners) for cycle in _cycles(beside, above)]


def _corners(framed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of all corners, and for each the corner at the other end of its two edges.

    Where two pixels touch diagonally, two corners lie on one point. Along a row (or a column) of
    points the sorted corners are joined in pairs, because each is where an edge begins or ends.
    """
    a, b, c, d = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    crossing = (a == d) & (b == c) & (a != b)
    y, x = np.nonzero((a ^ b ^ c ^ d) | crossing)
    twice = crossing[y, x]
    y, x = np.repeat(y, 1 + twice), np.repeat(x, 1 + twice)
    # The first of two corners on a point ends the edge from the left. It goes on downwards if the
    # pixel at the upper left belongs to the mask, else upwards: so the two pixels stay together.
    second = np.zeros(len(y), bool)
    second[1:] = (y[1:] == y[:-1]) & (x[1:] == x[:-1])
    rank = np.where(a[y, x], ~second, second)
    down_the_columns = np.lexsort((rank, y, x))
    return y, x, _partners(np.arange(len(y))), _partners(down_the_columns)


def _partners(order: np.ndarray) -> np.ndarray:
    partners = np.empty_like(order)
    partners[order[::2]], partners[order[1::2]] = order[1::2], order[::2]
    return partners


def _cycles(beside: np.ndarray, above: np.ndarray) -> list[list[int]]:
    """Corners in the order in which edges join them, each cycle from its topmost, leftmost one."""
    along, across = beside.tolist(), above.tolist()
    seen, cycles = [False] * len(along), []
    for first in range(len(along)):
        cycle, at = [], first
        while not seen[at]:
            other = along[at]
            seen[at] = seen[other] = True
            cycle += [at, other]
            at = across[other]
        if cycle:
            cycles.append(cycle)
    return cycles


def _clockwise(
    cycle: list[int], framed: np.ndarray, x: np.ndarray, y: np.ndarray, corners: np.ndarray
) -> np.ndarray:
    """The polygon of a cycle; its first edge runs to the right, with the mask below it or above."""
    polygon = corners[cycle]
    below = framed[y[cycle[0]] + 1, x[cycle[0]] + 1]
    return polygon if below else polygon[::-1]
