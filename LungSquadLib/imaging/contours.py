"""Closed outlines of a mask along its pixels' edges, for RTSTRUCT contours and SVG figures."""

from __future__ import annotations

import numpy as np


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
