"""Convolutional filters of the IBSI standard's second chapter.

Source: Depeursinge et al., arXiv:2006.05470, and Whybra et al., Radiology 2024;310:e231319.
Images are arrays (z, y, x); sizes and distances are in voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import permutations, product
from typing import Literal

import numpy as np

Padding = Literal["zero", "nearest", "periodic", "mirror"]
Pooling = Literal["max", "average"]
_PAD: dict[str, Literal["constant", "edge", "wrap", "symmetric"]] = {
    "zero": "constant",
    "nearest": "edge",
    "periodic": "wrap",
    "mirror": "symmetric",
}

_LAWS = {
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
}
# Low-pass filters of wavelets (Daubechies, Ten Lectures on Wavelets, tables 6.1 and 8.1).
_ROOT3, _ROOT7, _ROOT10 = 3**0.5, 7**0.5, 10**0.5
_ROOTS = (5 + 2 * _ROOT10) ** 0.5
LOW_PASS = {
    "haar": np.array([1, 1]) / 2**0.5,
    "db2": np.array([1 - _ROOT3, 3 - _ROOT3, 3 + _ROOT3, 1 + _ROOT3]) / (4 * 2**0.5),
    "db3": np.array(
        [
            1 + _ROOT10 - _ROOTS,
            5 + _ROOT10 - 3 * _ROOTS,
            10 - 2 * _ROOT10 - 2 * _ROOTS,
            10 - 2 * _ROOT10 + 2 * _ROOTS,
            5 + _ROOT10 + 3 * _ROOTS,
            1 + _ROOT10 + _ROOTS,
        ]
    )
    / (16 * 2**0.5),
    "coif1": np.array(
        [_ROOT7 - 3, 1 - _ROOT7, 14 - 2 * _ROOT7, 14 + 2 * _ROOT7, 5 + _ROOT7, 1 - _ROOT7]
    )
    / (16 * 2**0.5),
}


def convolved(
    image: np.ndarray, kernels: Sequence[np.ndarray | None], padding: Padding
) -> np.ndarray:
    """Return the convolution with the product of one kernel along each axis; None: none.

    The centre of a kernel of n values is number n // 2.
    """
    result = np.asarray(image, np.float64)
    for axis, kernel in enumerate(kernels):
        if kernel is None or (len(kernel) == 1 and kernel[0] == 1):
            continue
        after = len(kernel) // 2
        width = [(0, 0)] * result.ndim
        width[axis] = (len(kernel) - 1 - after, after)
        padded = np.pad(result, width, _PAD[padding])
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=axis)
        result = windows @ np.asarray(kernel, np.float64)[::-1]
    return result


def mean_filter(
    image: np.ndarray, size: int, padding: Padding, *, in_plane: bool = False
) -> np.ndarray:
    """Return the mean over `size` voxels, an odd number, along each axis, or of axial slices."""
    return convolved(image, _by_axis([np.full(size, 1 / size)] * (2 if in_plane else 3)), padding)


def laplacian_of_gaussian(
    image: np.ndarray, sigma: Sequence[float], padding: Padding, *, truncate: float = 4.0
) -> np.ndarray:
    """Return the response to a Laplacian of a Gaussian, cut off at `truncate` deviations.

    Args:
        image: (z, y, x).
        sigma: the standard deviation along each axis, voxels; 0 for an axis that is left out.
        padding: beyond the image.
        truncate: where the kernel ends.
    """
    used = [axis for axis, width in enumerate(sigma) if width > 0]
    gauss: list[np.ndarray | None] = [None] * 3
    second: list[np.ndarray] = [np.zeros(0)] * 3
    for axis in used:
        width = sigma[axis]
        radius = int(np.floor(truncate * width + 0.5))
        x = np.arange(-radius, radius + 1.0)
        bell = np.exp(-(x**2) / (2 * width**2)) / (np.sqrt(2 * np.pi) * width)
        gauss[axis], second[axis] = bell, (x**2 / width**2 - 1) / width**2 * bell
    response = np.zeros(np.shape(image))
    for axis in used:
        kernels = [second[n] if n == axis else gauss[n] for n in range(3)]
        response += convolved(image, kernels, padding)
    return response


def laws(
    image: np.ndarray,
    kernels: Sequence[str],
    padding: Padding,
    *,
    pooling: Pooling | None = None,
    energy: int | None = None,
) -> np.ndarray:
    """Return the response to Laws' kernels, of all rotations by right angles where they are pooled.

    Args:
        image: (z, y, x).
        kernels: names along x, y and z, as "L5"; two for axial slices.
        padding: beyond the image.
        pooling: of the responses to the rotated kernels; None: not rotated.
        energy: if given, the mean of absolute responses up to this distance along each axis.
    """
    chosen = [np.array(_LAWS[name], float) for name in kernels]
    by_axis = _by_axis([kernel / np.sqrt((kernel**2).sum()) for kernel in chosen])

    def respond(image: np.ndarray) -> np.ndarray:
        return convolved(image, by_axis, padding)

    response = respond(image) if pooling is None else _rotated(image, respond, by_axis, pooling)
    if energy is None:
        return response
    window = _by_axis([np.full(2 * energy + 1, 1 / (2 * energy + 1))] * len(kernels))
    return convolved(np.abs(response), window, padding)


def _by_axis(kernels: Sequence[np.ndarray]) -> list[np.ndarray | None]:
    """Return kernels along x, y and perhaps z in the order of the image's axes."""
    return [None] * (3 - len(kernels)) + list(reversed(kernels))


def _rotated(
    image: np.ndarray,
    respond: Callable[[np.ndarray], np.ndarray],
    kernels: Sequence[np.ndarray | None],
    pooling: Pooling,
) -> np.ndarray:
    """Return the pooled responses to an image after all rotations by right angles, turned back."""

    def responses() -> Iterator[np.ndarray]:
        for order, flipped in _rotations(kernels):
            turned = np.flip(np.transpose(image, order), flipped)
            yield np.transpose(np.flip(respond(turned), flipped), np.argsort(order))

    return pooled(responses(), pooling)


def _rotations(
    kernels: Sequence[np.ndarray | None],
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield rotations, as orders of axes and axes to flip, that kernels can tell from each other.

    Axes without a kernel stay as they are.
    """
    used = [axis for axis, kernel in enumerate(kernels) if kernel is not None]
    seen = set()
    for turned in permutations(used):
        order = [turned[used.index(axis)] if axis in used else axis for axis in range(len(kernels))]
        parity = np.linalg.det(np.eye(len(kernels))[order])
        for signs in product((1, -1), repeat=len(used)):
            if parity * np.prod(signs) < 0:
                continue
            key = [b""] * len(kernels)
            for axis, sign in zip(used, signs, strict=True):
                kernel = np.asarray(kernels[axis])
                # A kernel of even length has its centre elsewhere when it is flipped.
                moved = str(sign).encode() if len(kernel) % 2 == 0 else b""
                key[order[axis]] = kernel[::sign].tobytes() + moved
            if tuple(key) not in seen:
                seen.add(tuple(key))
                flips = (axis for axis, sign in zip(used, signs, strict=True) if sign < 0)
                yield tuple(order), tuple(flips)


def pooled(responses: Iterable[np.ndarray], pooling: Pooling) -> np.ndarray:
    """Return the largest response of each voxel, or their mean."""
    total, count = None, 0
    for response in responses:
        count += 1
        if total is None:
            total = np.array(response)
        else:
            total = np.maximum(total, response) if pooling == "max" else total + response
    assert total is not None  # noqa: S101 - there is a response
    return total / count if pooling == "average" else total


def wavelet(
    image: np.ndarray,
    name: str,
    bands: str,
    padding: Padding,
    *,
    level: int = 1,
    rotations: bool = False,
) -> np.ndarray:
    """Return the response to a separable, undecimated wavelet.

    Args:
        image: (z, y, x).
        name: "haar", "db2", "db3" or "coif1".
        bands: "L" or "H" along x, y and z, as "LLH", of the last level; those before are low; two
            for axial slices.
        padding: beyond the image.
        level: of the decomposition.
        rotations: whether to average over all rotations by right angles.
    """
    low = LOW_PASS[name]
    high = -low[::-1] * (-1.0) ** np.arange(len(low))
    last = _by_axis([low if band == "L" else high for band in bands])

    def respond(image: np.ndarray) -> np.ndarray:
        for number in range(level):
            kernels = last if number == level - 1 else _by_axis([low] * len(bands))
            widened = [
                None if kernel is None else _dilated(kernel, 2**number) for kernel in kernels
            ]
            image = convolved(image, widened, padding)
        return image

    return _rotated(image, respond, last, "average") if rotations else respond(image)


def _dilated(kernel: np.ndarray, step: int) -> np.ndarray:
    """Return a kernel with zeros after each of its values."""
    widened = np.zeros(len(kernel) * step)
    widened[::step] = kernel
    return widened


def gabor(
    image: np.ndarray,
    *,
    sigma: float,
    wavelength: float,
    gamma: float,
    padding: Padding,
    theta: float = 0.0,
    directions: int = 1,
    planes: bool = False,
) -> np.ndarray:
    """Return the modulus of the response to a two-dimensional Gabor filter.

    Args:
        image: (z, y, x).
        sigma: deviation of the Gaussian envelope along the wave, voxels.
        wavelength: of the wave, voxels.
        gamma: ratio of the envelope's widths along and across the wave.
        padding: beyond the image.
        theta: direction of the wave in the plane, radians.
        directions: that divide half a turn, over which responses are averaged.
        planes: whether to average over the three orthogonal planes, not only axial slices.
    """
    radius = gabor_radius(sigma, gamma)

    def in_plane(first: int, second: int) -> np.ndarray:
        moved = np.moveaxis(image, (first, second), (1, 2))
        # Opposite directions have the same modulus.
        angles = (theta + np.pi * n / directions for n in range(directions))
        kernels = (_gabor_kernel(radius, sigma, wavelength, gamma, a) for a in angles)
        response = pooled((_modulus(moved, kernel, padding) for kernel in kernels), "average")
        return np.moveaxis(response, (1, 2), (first, second))

    chosen = [(1, 2), (0, 2), (0, 1)] if planes else [(1, 2)]
    return pooled((in_plane(*axes) for axes in chosen), "average")


def gabor_radius(sigma: float, gamma: float) -> int:
    """Return where the envelope is negligible, voxels."""
    return int(np.floor(5 * sigma / min(gamma, 1) + 0.5))


def _gabor_kernel(
    radius: int, sigma: float, wavelength: float, gamma: float, angle: float
) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    envelope = np.exp(-(along**2 + gamma**2 * across**2) / (2 * sigma**2))
    return np.asarray(envelope * np.exp(2j * np.pi * along / wavelength))


def _modulus(image: np.ndarray, kernel: np.ndarray, padding: Padding) -> np.ndarray:
    """Return the modulus of the convolution of each slice (n, y, x) with a kernel (m, m)."""
    radius = len(kernel) // 2
    height, width = image.shape[1:]
    shape = (height + 4 * radius, width + 4 * radius)
    transform = np.fft.fft2(kernel, shape)
    result = np.zeros(image.shape)
    for number, plane in enumerate(image):  # one by one: transforms of all take much memory
        padded = np.pad(plane, radius, _PAD[padding])
        full = np.fft.ifft2(np.fft.fft2(padded, shape) * transform)
        result[number] = np.abs(full[2 * radius :, 2 * radius :][:height, :width])
    return result
