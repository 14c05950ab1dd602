"""Augmentation in three dimensions: what is drawn for a case is a function of seed, epoch and case.

No generator's state is kept, so that neither the order of a batch, nor how many processes share
the work, nor where a killed run goes on changes what a network is shown.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..imaging.resample import AIR


@dataclass(frozen=True)
class Augmentation:
    """How much crops are changed, in physical terms.

    Attributes:
        flip_x: mirror left and right in half of the draws: a tumour may be in either lung.
        flip_y: mirror front and back. Off, for `quarter_turns` and `flip_x` give it already; on
            without them, it is as plausible as they are.
        flip_z: mirror head and feet. Off: vessels and bronchi branch away from the hilum and
            gravity leaves its marks, but none of it is known to matter; try it on small cohorts.
        quarter_turns: 0 to 3 turns of 90 degrees about the long (z) axis.
        shift_mm: largest shift along each axis, by whole voxels.
        resampled: share of the draws that are rotated and scaled. The others are cut out as they
            are, as sharp as what is predicted on later, and cost nothing.
        rotation_degrees: largest angle, about an axis of any direction.
        scale: largest relative change of size.
        noise_hu: largest standard deviation of noise in a draw.
        hu_shift: standard deviation of what is added to all voxels of a draw.
    """

    flip_x: bool = True
    flip_y: bool = False
    flip_z: bool = False
    quarter_turns: bool = True
    shift_mm: float = 10.0
    resampled: float = 0.5
    rotation_degrees: float = 10.0
    scale: float = 0.1
    noise_hu: float = 15.0
    hu_shift: float = 20.0


@dataclass(frozen=True)
class Drawn:
    """What is done to a crop in one draw; axes are z, y, x.

    Attributes:
        shift: voxels from the middle of the block to that of the crop.
        axis, degrees: how the tumour turns about the crop's middle, right-handed in (x, y, z).
        scale: of the tumour's size.
        turns: quarter turns about z, in `numpy.rot90`'s direction from y to x; then `flips`.
        noise_hu, noise_seed: standard deviation of the noise, and what it is drawn from.
        hu_shift: added to every voxel.
    """

    shift: tuple[int, int, int] = (0, 0, 0)
    axis: tuple[float, float, float] = (1.0, 0.0, 0.0)
    degrees: float = 0.0
    scale: float = 1.0
    turns: int = 0
    flips: tuple[bool, bool, bool] = (False, False, False)
    noise_hu: float = 0.0
    noise_seed: int = 0
    hu_shift: float = 0.0


def draw(
    augmentation: Augmentation, *, seed: int, epoch: int, case_key: str, spacing: float = 1.0
) -> Drawn:
    """What is done to a case in an epoch: the same for the same arguments, anywhere.

    Args:
        augmentation: how much.
        seed: of the run.
        epoch: or the number of a view.
        case_key: names the case, the same on every machine: the hash of its content.
        spacing: of the voxels, in mm.
    """
    key = int.from_bytes(hashlib.sha256(case_key.encode()).digest()[:16], "big")
    random = np.random.default_rng((seed, epoch, key))
    # All numbers are drawn whether they are used or not: one option leaves the others' draws alone.
    max_shift = int(augmentation.shift_mm / spacing)
    z, y, x = random.integers(-max_shift, max_shift, 3, endpoint=True).tolist()
    direction, angle = random.standard_normal(3), random.uniform(-1, 1)
    size, resampled = random.uniform(-1, 1), random.random() < augmentation.resampled
    turns, heads = int(random.integers(4)), random.random(3) < 0.5
    noise, brightness = random.random(), random.standard_normal()
    az, ay, ax = (direction / np.linalg.norm(direction)).tolist()
    return Drawn(
        shift=(z, y, x),
        axis=(az, ay, ax),
        degrees=augmentation.rotation_degrees * angle * resampled,
        scale=1 + augmentation.scale * size * resampled,
        turns=turns * augmentation.quarter_turns,
        flips=(
            bool(heads[0] and augmentation.flip_z),
            bool(heads[1] and augmentation.flip_y),
            bool(heads[2] and augmentation.flip_x),
        ),
        noise_hu=augmentation.noise_hu * noise,
        noise_seed=int(random.integers(2**63)),
        hu_shift=augmentation.hu_shift * brightness,
    )


def apply(hu: np.ndarray, drawn: Drawn, *, size: int) -> np.ndarray:
    """Cut an augmented crop out of a stored block.

    Where nothing is rotated or scaled, it is cut out, voxel by voxel; else there is one trilinear
    resampling. A shift is made smaller where the block would end; what still lies beyond it is air:
    nothing, with a margin of 12 voxels and the default augmentation.

    Args:
        hu: (side, side, side) int16, the crop with its margins.
        drawn: what to do.
        size: voxels along each axis of the result, at most `side`.

    Returns:
        (size, size, size) float32, HU.
    """
    if hu.shape[0] < size:
        raise ValueError(f"a block of {hu.shape[0]} voxels has no crop of {size}")
    if drawn.scale == 1 and drawn.degrees == 0:
        cut = _sliced(hu, drawn.shift, size)
    else:
        cut = _resampled(hu, drawn, size)
    cut = np.rot90(cut, drawn.turns, axes=(1, 2))
    cut = np.flip(cut, tuple(axis for axis in range(3) if drawn.flips[axis]))
    result = cut.astype(np.float32, order="C")
    if drawn.noise_hu:
        noise = np.random.default_rng(drawn.noise_seed).standard_normal(result.shape, np.float32)
        result += np.float32(drawn.noise_hu) * noise
    result += np.float32(drawn.hu_shift)
    return result


def _sliced(hu: np.ndarray, shift: tuple[int, int, int], size: int) -> np.ndarray:
    room = hu.shape[0] - size
    start = np.clip(np.add(room // 2, shift), 0, room)
    z, y, x = (slice(first, first + size) for first in start)
    return hu[z, y, x]


def _resampled(hu: np.ndarray, drawn: Drawn, size: int) -> np.ndarray:
    side = hu.shape[0]
    margin = (side - size) // 2
    centre = margin + (size - 1) / 2
    transform = sitk.Similarity3DTransform()  # from the crop's voxels to the block's
    transform.SetCenter((centre,) * 3)
    transform.SetRotation(drawn.axis[::-1], -np.deg2rad(drawn.degrees))
    transform.SetScale(1 / drawn.scale)
    half_extent = np.abs(np.reshape(transform.GetMatrix(), (3, 3))).sum(axis=1) * (size - 1) / 2
    room = np.maximum(min(centre, side - 1 - centre) - half_extent, 0)
    transform.SetTranslation(np.clip(drawn.shift[::-1], -room, room))
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)  # who trains has given the cores away already
    resampler.SetTransform(transform)
    resampler.SetSize((size,) * 3)
    resampler.SetOutputOrigin((margin,) * 3)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(AIR)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(resampler.Execute(sitk.GetImageFromArray(hu)))
