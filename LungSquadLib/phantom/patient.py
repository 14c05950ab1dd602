"""The phantom patient: a computer-made chest CT with a lung tumour, on any grid, from a seed.

All of it is analytic: a point's HU is a function of where the point lies, so that a small block
round the tumour is fast and equals the same block of the whole chest to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..imaging.geometry import Box, Grid, Index, Point
from ..progress import Progress, Silent, step
from .anatomy import Anatomy, LungTrees
from .canvas import Canvas, texture
from .chest import AIR, paint_chest
from .tumour import HISTOLOGIES, Lesion, Tumour

_SLAB_VOXELS = 1 << 18  # computed at once: small enough for the processor's cache
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Kernel:
    """A reconstruction kernel of the scanner: the blur of edges, and the noise."""

    name: str
    softness: float  # mm over which an edge is spread
    noise_smoothing: float  # correlation length of the noise in steps of 0.5 mm
    noise: tuple[float, float]  # HU, standard deviation: least and most


KERNELS = (
    Kernel("soft", 1.7, 2.0, (6, 14)),
    Kernel("medium", 1.35, 1.5, (9, 20)),
    Kernel("sharp", 1.0, 1.0, (16, 36)),
)


class Phantom:
    """A simulated patient, generated from a seed.

    Args:
        seed: of the patient; the same seed gives the same CT, mask and ground truth.
        histology: "LUAD" or "LUSC"; drawn with equal probability if left out.

    Attributes:
        tumour: the ground truth.
        anatomy: the patient's surfaces.
        kernel: the reconstruction kernel.
        noise_hu: standard deviation of the noise.

    Example:
        >>> phantom = Phantom(7)
        >>> grid = phantom.tumour_grid(64)
        >>> ct, mask = phantom.ct(grid), phantom.mask(grid)
    """

    def __init__(self, seed: int, *, histology: str | None = None) -> None:
        if histology not in (None, *HISTOLOGIES):
            raise InputError(f"The histology is 'LUAD' or 'LUSC', not '{histology}'.")
        if not 0 <= seed < 1 << 63:
            raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
        self.seed = seed
        body, scanner, tumour, *later = np.random.default_rng(seed).spawn(5)
        self._shape_rng, self._tree_rng = later
        self.anatomy = Anatomy(body)
        self.tumour = Tumour.draw_in(self.anatomy, tumour, histology)
        self.kernel = KERNELS[int(scanner.integers(len(KERNELS)))]
        self.noise_hu = float(scanner.uniform(*self.kernel.noise))
        self._shifts: list[Index] = list(map(tuple, scanner.integers(0, 128, (2, 3)).tolist()))

    def chest_grid(self, size: int = 512, *, spacing: Point = (0.7, 0.7, 2.0)) -> Grid:
        """An axial grid of `size` by `size` pixels over all of both lungs."""
        x, y, bottom = self.anatomy.to_lps(np.array((0.0, 12.0, -160.0))).tolist()
        top = float(self.anatomy.to_lps(np.array((0.0, 12.0, 112.0)))[2])
        half = (size - 1) / 2
        origin = (x - half * spacing[0], y - half * spacing[1], bottom)
        slices = math.ceil((top - bottom) / spacing[2])
        return Grid((size, size, slices), spacing, _rounded(origin), _AXIAL)

    def tumour_grid(self, size: int = 64, *, spacing: float = 1.0) -> Grid:
        """An axial grid of `size` cubed voxels with the tumour in its middle."""
        half = spacing * (size - 1) / 2
        x, y, z = self.tumour.centre_lps
        origin = _rounded((x - half, y - half, z - half))
        return Grid((size,) * 3, (spacing,) * 3, origin, _AXIAL)

    def ct(self, grid: Grid, progress: Progress | None = None, *, noise: bool = True) -> np.ndarray:
        """The CT on any grid: int16 HU (z, y, x), -1024 to 3071.

        The HU of a point depend only on the point, noise included: a box of a grid equals that box
        of the whole grid.
        """
        hu = np.empty(grid.size[::-1], np.int16)
        for box, canvas in self._slabs(grid, progress or Silent(), "Making the CT"):
            self._paint(canvas)
            if noise:
                self._add_noise(canvas)
            hu[box.slices] = np.clip(np.rint(canvas.hu), -1024, 3071)
        return hu

    def mask(self, grid: Grid) -> np.ndarray:
        """The tumour on any grid: uint8 (z, y, x), 1 where a voxel's centre lies in it.

        Ground glass and a cavity belong to the tumour, spicules do not.
        """
        mask = np.zeros(grid.size[::-1], np.uint8)
        for box, canvas in self._slabs(grid, Silent(), ""):
            part = canvas.part(*self._lesion.box)
            if part is not None:
                mask[box.slices][part.window] = self._lesion.surface(part.position) < 0
        return mask

    @cached_property
    def _lesion(self) -> Lesion:
        return Lesion(self.tumour, self.anatomy, self._shape_rng)

    @cached_property
    def _trees(self) -> LungTrees:
        return LungTrees.grow(self.anatomy, self._tree_rng)

    def _slabs(self, grid: Grid, progress: Progress, message: str) -> Iterator[tuple[Box, Canvas]]:
        x, y, slices = grid.size
        thick = max(_SLAB_VOXELS // max(x * y, 1), 1)
        for start in range(0, slices, thick):
            step(progress, start / slices, message)
            box = Box((0, 0, start), (x, y, min(start + thick, slices)))
            yield box, Canvas.of(grid.part(box), fill=AIR, softness=self.kernel.softness)
        step(progress, 1.0, message)

    def _paint(self, canvas: Canvas) -> None:
        patient = canvas.moved(self.anatomy.offset, self.anatomy.scale)
        paint_chest(patient, self.anatomy, self._trees)
        self._lesion.paint(canvas)

    def _add_noise(self, canvas: Canvas) -> None:
        smoothing, level = self.kernel.noise_smoothing, self.noise_hu / 2**0.5
        for size, shift in zip((0.5, 0.67), self._shifts, strict=True):
            canvas.hu += level * texture(canvas, step=size, shift=shift, smoothing=smoothing)


def _rounded(point: Point) -> Point:
    """To a tenth of a mm, so that it survives being written as text."""
    x, y, z = point
    return (round(x, 1), round(y, 1), round(z, 1))
