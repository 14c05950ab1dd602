"""The canvas of the phantom: a voxel grid with soft-edged shapes, and textures fixed in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np

from ..imaging.geometry import Grid, Index, Point

Coordinates: TypeAlias = Sequence[np.ndarray]  # x, y and z in mm, of shapes that broadcast

_TILE = (64, 128, 128)


@dataclass(frozen=True)
class Tubes:
    """N tapering rods with round ends: start and end points (N, 3), and the radii there."""

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray

    @classmethod
    def through(cls, points: Sequence[Point], radii: Sequence[float]) -> Tubes:
        """Return the rods that join consecutive points."""
        at, radius = np.array(points, float), np.array(radii, float)
        return cls(at[:-1], at[1:], radius[:-1], radius[1:])

    @classmethod
    def joined(cls, parts: Sequence[Tubes]) -> Tubes:
        """Return all rods of `parts`."""
        return cls(
            np.concatenate([part.start for part in parts]),
            np.concatenate([part.end for part in parts]),
            np.concatenate([part.start_radius for part in parts]),
            np.concatenate([part.end_radius for part in parts]),
        )


class Canvas:
    """HU (z, y, x) of a block of voxels, and where their centres lie.

    `position` is x, y and z in mm in the canvas's own frame, float32, each of a shape that
    broadcasts to `hu`: along a grid's axis that does not change a coordinate it has length 1, so
    that on a grid along the patient's axes most of the work is done on rows and columns.
    """

    def __init__(
        self,
        hu: np.ndarray,
        position: list[np.ndarray],
        axes: np.ndarray,
        origin: np.ndarray,
        *,
        softness: float,
        window: tuple[slice, ...] = (),
    ) -> None:
        self.hu, self.position = hu, position
        self.softness = softness  # mm over which every edge is blurred
        self.window = window  # its position in the canvas that it is a part of
        self._axes, self._origin, self._inverse = axes, origin, np.linalg.inv(axes)

    @classmethod
    def of(cls, grid: Grid, *, fill: float, softness: float) -> Canvas:
        """Return an empty canvas for all voxels of `grid`, in LPS."""
        hu = np.full(grid.size[::-1], fill, np.float32)
        return cls(hu, _coordinates(grid), grid.axes, np.array(grid.origin), softness=softness)

    def moved(self, offset: np.ndarray, scale: np.ndarray) -> Canvas:
        """Return the same voxels in a frame with origin `offset` and unit `scale`."""
        position = [
            (at - o) * (1 / s)
            for at, o, s in zip(self.position, offset.tolist(), scale.tolist(), strict=True)
        ]
        axes, origin = self._axes / scale[:, None], (self._origin - offset) / scale
        return Canvas(self.hu, position, axes, origin, softness=self.softness)

    def part(self, low: Point, high: Point) -> Canvas | None:
        """Return the voxels whose centres lie between two corners; None without any."""
        start, stop = (ends[0].tolist() for ends in self._span(np.array([low]), np.array([high])))
        window = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
        hu = self.hu[window]
        if not hu.size:
            return None
        position = [_cut(at, window) for at in self.position]
        origin = self._origin + self._axes @ start
        return Canvas(hu, position, self._axes, origin, softness=self.softness, window=window)

    def paint(self, value: np.ndarray | float, distance: np.ndarray) -> None:
        """Fill the inside of a surface, given by signed distances in mm, with `value`."""
        if distance.min() < self.softness / 2:
            self.blend(value, np.clip(0.5 - distance * (1 / self.softness), 0, 1))

    def blend(self, value: np.ndarray | float, weight: np.ndarray) -> None:
        """Blend `value` into the HU with a weight of 0 to 1."""
        self.hu += (value - self.hu) * weight

    def distance_to(self, tubes: Tubes, *, limit: float) -> np.ndarray | None:
        """Return the distance (z, y, x) to the nearest tube, exact up to `limit`; None if far."""
        distance = None
        for index, window in self._near(tubes, limit):
            if distance is None:
                distance = np.full(self.hu.shape, limit, np.float32)
            near = distance[window]
            at = [_cut(coordinate, window) for coordinate in self.position]
            ends = tubes.start[index].tolist(), tubes.end[index].tolist()
            radii = float(tubes.start_radius[index]), float(tubes.end_radius[index])
            np.minimum(near, cone(at, *ends, radii), out=near)
        return distance

    def _near(self, tubes: Tubes, limit: float) -> Iterator[tuple[int, tuple[slice, ...]]]:
        margin = np.maximum(tubes.start_radius, tubes.end_radius)[:, None] + limit
        start, stop = self._span(
            np.minimum(tubes.start, tubes.end) - margin, np.maximum(tubes.start, tubes.end) + margin
        )
        hit = np.flatnonzero((stop > start).all(axis=1))
        lows, highs = start[hit].tolist(), stop[hit].tolist()
        for index, (x0, y0, z0), (x1, y1, z1) in zip(hit.tolist(), lows, highs, strict=True):
            yield index, (slice(z0, z1), slice(y0, y1), slice(x0, x1))

    def _span(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centre = ((low + high) / 2 - self._origin) @ self._inverse.T
        half = (high - low) / 2 @ np.abs(self._inverse).T
        size = self.hu.shape[::-1]
        start = np.clip(np.ceil(centre - half), 0, size).astype(int)
        return start, np.clip(np.floor(centre + half) + 1, 0, size).astype(int)


def texture(canvas: Canvas, *, step: float, shift: Index, smoothing: float) -> np.ndarray:
    """Return smooth random numbers of mean 0 and deviation 1, fixed in the canvas's frame.

    They lie on a lattice of `step` mm, are correlated within about `smoothing` steps, and repeat
    after 128 steps (64 along z): two textures of unlike steps together do not repeat in a chest.
    """
    tile = _tile(smoothing)
    flat: np.ndarray | int = 0
    for at, size, offset in zip(canvas.position[::-1], _TILE, shift, strict=True):
        lattice = np.floor(at * (1 / step)).astype(np.int32) + offset
        flat = flat * size + (lattice & (size - 1))
    return tile.take(flat)


@cache
def _tile(smoothing: float) -> np.ndarray:
    noise = np.random.default_rng(20170614).standard_normal(_TILE)
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in _TILE), indexing="ij")
    squared = sum(f**2 for f in frequencies)
    smooth = np.fft.ifftn(np.fft.fftn(noise) * np.exp(-2 * (np.pi * smoothing) ** 2 * squared)).real
    return (smooth / smooth.std()).astype(np.float32).ravel()


def ellipsoid(at: Coordinates, centre: Point, radii: Point) -> np.ndarray:
    """Return the signed distance to an ellipsoid along the axes, exact near its surface."""
    x, y, z = ((a - c) * (1 / r) for a, c, r in zip(at, centre, radii, strict=True))
    return (np.sqrt(x * x + y * y + z * z) - 1) * min(radii)


def cone(
    at: Coordinates, start: Sequence[float], end: Sequence[float], radii: tuple[float, float]
) -> np.ndarray:
    """Return the signed distance to a tapering rod with round ends."""
    x, y, z = (a - s for a, s in zip(at, start, strict=True))
    u, v, w = (e - s for s, e in zip(start, end, strict=True))
    length2 = max(u * u + v * v + w * w, 1e-6)
    dot = x * u + y * v + z * w
    t = np.minimum(np.maximum(dot * (1 / length2), 0), 1)
    squared = x * x + y * y + z * z + t * (t * length2 - 2 * dot)
    return np.sqrt(np.maximum(squared, 0)) - (radii[0] + t * (radii[1] - radii[0]))


def union(a: np.ndarray, b: np.ndarray, roundness: float) -> np.ndarray:
    """Return the nearer of two surfaces, the crease between them filled over `roundness` mm."""
    near = np.maximum(roundness - np.abs(a - b), 0)
    return np.minimum(a, b) - near * near * (0.25 / roundness)


def _coordinates(grid: Grid) -> list[np.ndarray]:
    """Return x, y and z of the voxel centres; in float32 a box has those of the whole grid."""
    position = []
    for row, start in zip(grid.axes, grid.origin, strict=True):
        at = np.full((1, 1, 1), start)
        for axis, step in enumerate(row):
            if step != 0:
                shape = [1, 1, 1]
                shape[2 - axis] = -1
                at = at + (step * np.arange(grid.size[axis])).reshape(shape)
        position.append(at.astype(np.float32))
    return position


def _cut(at: np.ndarray, slices: tuple[slice, ...]) -> np.ndarray:
    return at[tuple(s if n > 1 else slice(None) for s, n in zip(slices, at.shape, strict=True))]
