"""Closed contours and the mask of one slice: filling contours, and outlining a mask.

PS3.3 C.8.8.6.3 leaves open what several CLOSED_PLANAR contours of one slice mean together. Here a
contour inside another is a hole (and one inside that an island), contours that overlap are a union,
and a repeated contour counts once. CLOSEDPLANAR_XOR contours are combined by exclusive or.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..errors import InputError

# Outlines are often drawn from voxel centre to voxel centre and written as decimals: a point this
# near to a centre, in pixels, is on it.
_ON_CENTRE = 1e-3
_MOST_CROSSINGS = 1 << 22  # each needs memory

# In pixels. A hole may touch its rim, and both are rounded decimals.
_TOUCHES = 0.1
# A wall thinner than this on average is no tissue: it lies between two drawings of one outline.
THINNEST_WALL = 0.5
_SAME = 0.01
_STEP = 0.5  # between the points at which contours are compared
_MOST_CONTOURS = 2048
_MOST_COMPARISONS = 1 << 27
_DEEPEST = 64


def fill_even_odd(
    polygons: Sequence[np.ndarray],
    start: tuple[int, int],
    stop: tuple[int, int],
    *,
    edges: bool = True,
) -> tuple[int, int, np.ndarray]:
    """Fill closed polygons: mark the pixels whose centre lies in an odd number of them.

    Args:
        polygons: each (N, 2), points (x, y) in pixel indices; pixel centres are whole numbers.
        start: x and y of the first pixel that may be filled.
        stop: x and y of the first pixel beyond those; polygons may reach beyond it.
        edges: whether centres that lie on an edge are in or out.

    Returns:
        x and y of the first pixel of a block of the slice, and the block (y, x) of bool.

    Raises:
        InputError: the polygons cross rows or columns too often to be outlines.
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
    """Return rows and x where edges (x, y, x, y) cross rows y0 to y1, without upper ends."""
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
    """Return the boundaries of a mask as closed polygons.

    Args:
        mask2d: (rows, columns); not 0 in the mask.

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
    y, x, in_row, in_column = _corners(framed)
    corners = np.column_stack([x + (left - 0.5), y + (top - 0.5)])
    return [_clockwise(cycle, framed, x, y, corners) for cycle in _cycles(in_row, in_column)]


def _corners(framed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns of all corners, and the other ends of each corner's two edges.

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


def _cycles(in_row: np.ndarray, in_column: np.ndarray) -> list[list[int]]:
    """Corners in the order in which edges join them, each cycle from its topmost, leftmost one."""
    along, across = in_row.tolist(), in_column.tolist()
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


class Block(NamedTuple):
    """Pixels of a slice: x and y of the first, and an array (y, x) of bool."""

    x: int
    y: int
    inside: np.ndarray


@dataclass(frozen=True)
class SliceMask:
    """The mask of a slice, and the number of contours that repeat another: exactly, and nearly."""

    block: Block
    repeated: int
    nearly_repeated: int


def fill_contours(
    closed: Sequence[np.ndarray],
    exclusive: Sequence[np.ndarray],
    start: tuple[int, int],
    stop: tuple[int, int],
) -> SliceMask:
    """Fill the contours of one slice; points and pixels are as for `fill_even_odd`.

    Args:
        closed: contours of the kind CLOSED_PLANAR.
        exclusive: contours of the kind CLOSEDPLANAR_XOR.
        start: x and y of the first pixel that may be filled.
        stop: x and y of the first pixel beyond those.

    Raises:
        InputError: there are more contours, or more points in them, than an ROI can have.
    """
    if len(closed) > _MOST_CONTOURS:
        raise InputError(f"{len(closed)} contours lie in one slice; no ROI has that many.")
    contains, distance = _compared(closed)
    regions = _Regions(closed, _children(contains), start, stop)
    blocks = [regions.of(k) for k in np.flatnonzero(~contains.any(axis=0)).tolist()]
    mask = _joined(blocks, np.logical_or)
    if exclusive:
        mask = _joined([mask, Block(*fill_even_odd(exclusive, start, stop))], np.logical_xor)
    again = distance < THINNEST_WALL
    again &= ~(again.T & np.tri(len(closed), dtype=bool))  # of two alike, the later one repeats
    nearest = np.where(again, distance, np.inf).min(axis=0, initial=np.inf)
    exact = int(np.count_nonzero(nearest < _SAME))
    return SliceMask(mask, exact, int(np.count_nonzero(nearest < THINNEST_WALL)) - exact)


def _compared(polygons: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Whether contour i has contour j inside it [i, j], and how far apart the two are on average.

    The distance is infinite where j does not lie inside i.
    """
    count = len(polygons)
    contains, distance = np.zeros((count, count), bool), np.full((count, count), np.inf)
    if count < 2:
        return contains, distance
    low = np.array([polygon.min(axis=0) for polygon in polygons])
    high = np.array([polygon.max(axis=0) for polygon in polygons])
    within = (low[:, None] - _TOUCHES <= low).all(2) & (high <= high[:, None] + _TOUCHES).all(2)
    within &= ~np.eye(count, dtype=bool)
    points = [_points_along(polygon) for polygon in polygons]
    pairs = np.argwhere(within)
    if sum(len(points[j]) * len(polygons[i]) for i, j in pairs) > _MOST_COMPARISONS:
        raise InputError("The contours of one slice have more points than an ROI can have.")
    for i, j in pairs:
        if _lies_inside(points[j], polygons[i]):
            distance[i, j] = _distances(points[i], polygons[j]).mean()
            contains[i, j] = distance[i, j] >= THINNEST_WALL and not contains[j, i]
    return contains, distance


def _children(contains: np.ndarray) -> list[np.ndarray]:
    """Return for each contour its children: those inside it with no other contour between."""
    between = contains.astype(np.float32) @ contains.astype(np.float32) > 0
    return [np.flatnonzero(row) for row in contains & ~between]


@dataclass
class _Regions:
    """The area of each contour without its holes, but with the islands in them."""

    polygons: Sequence[np.ndarray]
    children: list[np.ndarray]
    start: tuple[int, int]
    stop: tuple[int, int]
    known: dict[tuple[int, bool], Block] = field(default_factory=dict)

    def of(self, number: int, *, edges: bool = True, depth: int = 0) -> Block:
        """`edges` is for centres on the contour: they belong to the tissue on either side."""
        if depth > _DEEPEST:
            raise InputError(f"Contours of one slice are nested more than {_DEEPEST} deep.")
        if (number, edges) not in self.known:
            filled = fill_even_odd([self.polygons[number]], self.start, self.stop, edges=edges)
            block = Block(*filled)
            for child in self.children[number]:
                hole = self.of(child, edges=not edges, depth=depth + 1)
                block = _joined([block, hole], _without, crop=True)
            self.known[number, edges] = block
        return self.known[number, edges]


def _without(mask: np.ndarray, hole: np.ndarray, out: np.ndarray) -> None:
    np.logical_and(mask, ~hole, out=out)


def _joined(blocks: Sequence[Block], combine: object, *, crop: bool = False) -> Block:
    """The blocks combined one after another; within the first one alone if `crop`."""
    if not blocks:
        return Block(0, 0, np.zeros((0, 0), bool))
    spanned = blocks[:1] if crop else [block for block in blocks if block.inside.size] or blocks[:1]
    x0, y0 = min(block.x for block in spanned), min(block.y for block in spanned)
    x1 = max(block.x + block.inside.shape[1] for block in spanned)
    y1 = max(block.y + block.inside.shape[0] for block in spanned)
    mask = np.zeros((y1 - y0, x1 - x0), bool)
    for number, (x, y, inside) in enumerate(blocks):
        left, top = max(x, x0), max(y, y0)
        right = min(x + inside.shape[1], x1)
        bottom = min(y + inside.shape[0], y1)
        if left >= right or top >= bottom:
            continue
        part = mask[top - y0 : bottom - y0, left - x0 : right - x0]
        added = inside[top - y : bottom - y, left - x : right - x]
        if number == 0:
            part[:] = added
        else:
            combine(part, added, out=part)  # type: ignore[operator]
    return Block(x0, y0, mask)


def _points_along(polygon: np.ndarray) -> np.ndarray:
    """Return vertices and points between, at most `_STEP` apart (coarser for huge polygons)."""
    ends = np.roll(polygon, -1, axis=0)
    lengths = np.hypot(*(ends - polygon).T)
    step = max(_STEP, lengths.sum() / 4096)
    parts = np.minimum(np.maximum(np.ceil(lengths / step), 1), 4096).astype(int)
    edge = np.repeat(np.arange(len(polygon)), parts)
    fraction = (np.arange(len(edge)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[edge]
    return polygon[edge] + (ends - polygon)[edge] * fraction[:, None]


def _lies_inside(points: np.ndarray, polygon: np.ndarray) -> bool:
    """Whether all points lie in a polygon (even-odd) or within `_TOUCHES` of its boundary."""
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    for some in np.array_split(points, 1 + len(points) // 256):
        x, y = some[:, :1], some[:, 1:]
        crosses = (y0 <= y) != (y1 <= y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            beyond = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        outside = (crosses & beyond).sum(axis=1) % 2 == 0
        if outside.any() and _distances(some[outside], polygon).max() > _TOUCHES:
            return False
    return True


def _distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return each point's distance to a polygon's boundary."""
    along = np.roll(polygon, -1, axis=0) - polygon
    squared = np.maximum((along**2).sum(axis=1), 1e-30)
    distances = []
    for some in np.array_split(points, 1 + len(points) // 256):
        away = some[:, None] - polygon
        fraction = np.clip((away * along).sum(axis=2) / squared, 0, 1)
        distances.append(
            np.sqrt(((away - fraction[..., None] * along) ** 2).sum(axis=2).min(axis=1))
        )
    return np.concatenate(distances)
