"""Samples of segmentation: cubes or slices, augmented, partly hidden, with simulated clicks.

Cut-out CT is unknown beyond its border, which often lies just beyond the tumour. So that the border
is no clue, the slices beyond the tumour's own are often made up, from the last of them without the
tumour, so that walls and vessels go on; and parts of all samples are hidden at random: slabs and
boxes, also across the tumour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...imaging.resample import AIR
from ...inference.segmentation_cubes import known_voxels, network_input
from ...models.inputs import InputSpec
from .options import SegmentationOptions

COMPLETE = 0.8  # share of known voxels from which a case has all its surroundings
EXTENDED = 0.6  # share of the cut-out cubes beyond which slices are made up
EXTENDED_NOISE_HU, EXTENDED_SHIFT = 15.0, 0.3  # of each of them: noise; probability of a shift
MOST_CORRECTIONS = 2  # further clicks inside, and outside
NEAR = 8.0  # voxels from the tumour within which clicks outside are
TISSUE_HU = -600.0

Hu = np.ndarray
MaskArray = np.ndarray


@dataclass(frozen=True)
class Augmentation:
    """How much samples are changed at random.

    Attributes:
        resized: share of the samples that are resized and turned; the others keep their voxels.
        voxels: range of the size of their voxels, relative to those of the data.
        shift: largest shift, relative to the sample's size.
        hidden, hidden_more: share of which a part is hidden, of complete cases and the rest.
        noise_hu, offset_hu: largest standard deviation of the noise; that of the offset.
    """

    resized: float
    voxels: tuple[float, float]
    shift: float
    hidden: float
    hidden_more: float
    noise_hu: float
    offset_hu: float


# Cubes are looked at with voxels of up to twice the size, and round any click; slices as they are.
CUBES = Augmentation(1.0, (0.7, 2.2), 0.25, hidden=0.6, hidden_more=0.3, noise_hu=15, offset_hu=10)
SLICES = Augmentation(0.3, (0.85, 1.2), 0.1, hidden=0.1, hidden_more=0.1, noise_hu=5, offset_hu=5)


@dataclass(frozen=True)
class Sample:
    """Channels (4, ...) of the network, mask and known voxels (...), float32."""

    x: np.ndarray
    mask: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class Samples:
    """Samples by the number of their case.

    Attributes:
        keys: hash of each case's content, on which its random numbers depend.
        read: returns HU and mask of a case by its number: a cube, or a slice that is drawn with the
            random generator, or without one the slice with the largest mask.
        spec: the network's input.
        options: of the training.
    """

    keys: Sequence[str]
    read: Callable[[int, np.random.Generator | None], tuple[Hu, MaskArray]]
    spec: InputSpec
    options: SegmentationOptions

    def plain(self, number: int) -> Sample:
        """Return a sample without augmentation, with one click."""
        random = self._random(number, -1)
        hu, mask = (central(array, self.spec.size) for array in self.read(number, None))
        hu, mask = hu.astype(np.float32), (mask != 0) & known_voxels(hu)
        return self._sample(hu, mask, [draw_voxel(mask, random)] if mask.any() else [], [])

    def augmented(self, number: int, draw: int) -> Sample:
        """Return one of the samples of a case, by the number of the draw."""
        random = self._random(number, draw)
        hu, mask = self.read(number, random)
        augmentation = CUBES if hu.ndim == 3 else SLICES
        complete = is_complete(hu, self.spec.size)
        hidden = augmentation.hidden if complete else augmentation.hidden_more
        if hu.ndim == 3 and not complete and random.random() < EXTENDED:
            hu = extended(hu, mask != 0, random)
        hu, mask = resampled(hu, mask, self.spec.size, augmentation, random)
        if random.random() < hidden:
            hu = np.where(kept_region(mask, random), hu, np.float32(AIR))
        known = known_voxels(hu)
        mask &= known
        noise = random.uniform(0, augmentation.noise_hu) * random.standard_normal(
            hu.shape, np.float32
        )
        changed = np.maximum(
            hu + noise + augmentation.offset_hu * random.standard_normal(), AIR + 1
        )
        hu = np.where(known, changed, np.float32(AIR)).astype(np.float32)
        inside, outside = self._clicks(hu, mask, random)
        return self._sample(hu, mask, inside, outside)

    def _clicks(
        self, hu: np.ndarray, mask: np.ndarray, random: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Simulate a first click, and corrections near the tumour's border."""
        if random.random() < self.options.without_click or not mask.any():
            return [], []
        inside, outside = [draw_voxel(mask, random)], []
        if random.random() < self.options.corrections:
            signed = signed_distance(mask)
            rim = mask & (signed > -2)
            near = ~mask & (signed < NEAR) & known_voxels(hu)
            tissue = near & (hu > TISSUE_HU)
            more, less = random.integers(0, MOST_CORRECTIONS + 1, 2).tolist()
            inside += [draw_voxel(rim if rim.any() else mask, random) for _ in range(more)]
            if near.any():
                where = tissue if tissue.any() else near
                outside += [draw_voxel(where, random) for _ in range(less)]
        return inside, outside

    def _sample(
        self,
        hu: np.ndarray,
        mask: np.ndarray,
        inside: Sequence[np.ndarray],
        outside: Sequence[np.ndarray],
    ) -> Sample:
        x = network_input(self.spec, hu, inside, outside)
        return Sample(x, mask.astype(np.float32), x[1])

    def _random(self, number: int, draw: int) -> np.random.Generator:
        key = int.from_bytes(hashlib.sha256(self.keys[number].encode()).digest()[:16], "big")
        return np.random.default_rng((self.options.seed, 7, draw + 1, key))


def is_complete(hu: np.ndarray, size: int) -> bool:
    """Return whether the surroundings of a case are known, not only a cut-out of them."""
    return float(known_voxels(central(hu, size)).mean()) >= COMPLETE


def central(array: np.ndarray, size: int) -> np.ndarray:
    """Return the middle `size` voxels along each axis."""
    starts = ((side - size) // 2 for side in array.shape)
    return array[tuple(slice(start, start + size) for start in starts)]


def draw_voxel(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the index of a voxel of a mask, all being equally likely."""
    flat = np.flatnonzero(mask)
    chosen = int(flat[random.integers(len(flat))])
    return np.array(np.unravel_index(chosen, mask.shape), float)


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Return the distance to a mask's border in voxels, negative inside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False)
    return sitk.GetArrayFromImage(distance)


def resampled(
    hu: np.ndarray,
    mask: np.ndarray,
    size: int,
    augmentation: Augmentation,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a sample with voxels of another size, mirrored, turned and shifted at random.

    Returns:
        HU, float32, `AIR` where it is not known; and the mask, bool.
    """
    dimensions = hu.ndim
    voxel = np.exp(random.uniform(*np.log(augmentation.voxels)))
    matrix = np.diag(random.choice([-1.0, 1.0], dimensions))  # x, y(, z)
    if random.random() < 0.5:
        matrix[[0, 1]] = matrix[[1, 0]]
    angle = np.deg2rad(random.uniform(-15, 15))
    shift = random.uniform(-augmentation.shift, augmentation.shift, dimensions) * size
    if augmentation.resized < 1 and random.random() >= augmentation.resized:
        voxel, angle = 1.0, 0.0
        shift = np.rint(shift) + (size - hu.shape[0]) % 2 / 2  # voxel on voxel
    matrix *= voxel
    turn = np.eye(dimensions)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = (np.array(hu.shape[::-1]) - 1) / 2
    transform = sitk.AffineTransform(dimensions)
    transform.SetMatrix((turn @ matrix).ravel().tolist())
    transform.SetTranslation(
        (middle + shift * voxel - turn @ matrix @ np.full(dimensions, (size - 1) / 2)).tolist()
    )
    channels = np.stack([hu, mask != 0, known_voxels(hu)], axis=-1).astype(np.float32)
    filter_ = sitk.ResampleImageFilter()
    filter_.SetNumberOfThreads(1)
    filter_.SetTransform(transform)
    filter_.SetSize((size,) * dimensions)
    filter_.SetInterpolator(sitk.sitkLinear)
    filter_.SetDefaultPixelValue(0.0)
    result = sitk.GetArrayFromImage(filter_.Execute(sitk.GetImageFromArray(channels, True)))
    known = result[..., 2] > 0.999
    return np.where(known, result[..., 0], np.float32(AIR)), (result[..., 1] >= 0.5) & known


def extended(hu: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a cut-out cube (z, y, x) with further slices: its last ones, without the tumour.

    Each goes on from the one before, with noise, and at times shifted by a voxel.
    """
    known = np.flatnonzero(known_voxels(hu).any(axis=(1, 2)))
    if not len(known):
        return hu
    result = hu.astype(np.float32)
    for last, direction in ((known[0], -1), (known[-1], 1)):
        room = last if direction < 0 else len(hu) - 1 - last
        plane = without_tumour(result[last], mask[last], random)
        for number in range(1, int(random.integers(room + 1)) + 1):
            if random.random() < EXTENDED_SHIFT:
                plane = np.roll(plane, int(random.choice([-1, 1])), axis=int(random.integers(2)))
            noise = EXTENDED_NOISE_HU * random.standard_normal(plane.shape, np.float32)
            noisy = np.where(known_voxels(plane), np.maximum(plane + noise, AIR + 1), AIR)
            result[last + direction * number] = noisy
    return result


def without_tumour(plane: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a slice (y, x) with HU from the lung around in place of its tumour."""
    if not mask.any():
        return plane
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    filled, near = (
        sitk.GetArrayFromImage(sitk.BinaryDilate(image, [voxels] * 2)) > 0 for voxels in (1, 6)
    )
    around = near & ~filled & known_voxels(plane)
    lung = around & (plane < TISSUE_HU)
    values = plane[lung if lung.any() else around]
    filled &= known_voxels(plane)
    if not len(values) or not filled.any():
        return plane
    result = plane.copy()
    drawn = np.zeros_like(plane)
    drawn[filled] = random.choice(values, int(filled.sum()))
    smooth = sitk.GetArrayFromImage(sitk.Mean(sitk.GetImageFromArray(drawn), [1, 1]))
    weight = sitk.GetArrayFromImage(
        sitk.Mean(sitk.GetImageFromArray(filled.astype(np.float32)), [1, 1])
    )
    result[filled] = smooth[filled] / weight[filled]
    return result


def kept_region(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a region (bool) that stays known: a box with faces near or across the tumour.

    Each face is moved in with a probability of one half, to 4 voxels within the tumour's extent at
    most, or to 12 beyond it.
    """
    kept = np.ones(mask.shape, bool)
    for axis in range(mask.ndim):
        across = tuple(other for other in range(mask.ndim) if other != axis)
        marked = np.flatnonzero(mask.any(axis=across))
        size = mask.shape[axis]
        first, last = (marked[0], marked[-1]) if len(marked) else (size // 4, size - size // 4)
        low, high = first - random.integers(-4, 13), last + random.integers(-4, 13)
        line = np.ones(size, bool)
        if random.random() < 0.5:
            line[: max(int(low), 0)] = False
        if random.random() < 0.5:
            line[min(int(high) + 1, size) :] = False
        kept &= np.expand_dims(line, across)
    return kept
