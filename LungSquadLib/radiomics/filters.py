"""Names of convolutional filters, as options and settings have them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..errors import InputError, one_line
from .convolution import (
    LOW_PASS,
    gabor,
    gabor_radius,
    laplacian_of_gaussian,
    laws,
    mean_filter,
    wavelet,
)

_FORMS = {
    "mean": r"(?P<mm>\d+\.?\d*)(?P<plane>:2D)?",
    "log": r"(?P<mm>\d+\.?\d*)(?P<plane>:2D)?",
    "laws": r"(?P<kernels>(?:[LESWR]5){2,3}|(?:[LES]3){2,3})(?::(?P<mm>\d+\.?\d*))?",
    "gabor": r"(?P<mm>\d+\.?\d*):(?P<wave>\d+\.?\d*):(?P<gamma>\d+\.?\d*)(?P<plane>:2D)?",
    "wavelet": r"(?P<name>haar|db2|db3|coif1):(?P<bands>[LH]{2,3})(?::(?P<level>[1-4]))?",
}
HELP = (
    "filter before intensities are taken: mean:MM, log:SIGMA_MM, laws:L5S5E5 or laws:L5S5E5:MM "
    "(with energy), gabor:SIGMA_MM:WAVELENGTH_MM:GAMMA, wavelet:haar:LLH:LEVEL (or db2, db3, "
    "coif1); in axial slices mean:MM:2D, log:SIGMA_MM:2D, laws:L5S5, "
    "gabor:SIGMA_MM:WAVELENGTH_MM:GAMMA:2D, wavelet:haar:LH:LEVEL"
)
_LARGEST_RADIUS = 100  # voxels


@dataclass(frozen=True)
class ImageFilter:
    """A filter of an image (z, y, x) with voxels of equal sides.

    Attributes:
        respond: returns the response, of the image's size.
        radius: how far a response depends on the image, voxels.
        in_plane: whether it depends on the same axial slice alone.
    """

    respond: Callable[[np.ndarray], np.ndarray]
    radius: int
    in_plane: bool = False


def image_filter(text: str, spacing_mm: float) -> ImageFilter:
    """Return the filter that a text names; see `HELP`.

    Borders are mirrored. Responses to Laws' kernels are the largest, to other directed filters the
    mean, over all rotations by right angles; those of Gabor's over eight directions, and their
    opposites, in each of three planes. Filters of axial slices are rotated within these.

    Raises:
        InputError: the text names no filter, or one that is larger than `_LARGEST_RADIUS`.
    """
    kind, _, rest = text.partition(":")
    match = re.fullmatch(_FORMS.get(kind, r"(?!)"), rest)
    if match is None:
        raise InputError(f"'{one_line(text, most=60)}' is no filter. A {HELP}.")
    given = match.groupdict()
    size = float(given.get("mm") or 0) / spacing_mm
    level = int(given.get("level") or 1)
    in_plane = bool(given.get("plane")) or 2 in (
        len(given.get("kernels") or "") // 2,
        len(given.get("bands") or ""),
    )
    if kind == "mean":
        radius = int(size // 2)
        respond = partial(mean_filter, size=2 * radius + 1, padding="mirror", in_plane=in_plane)
    elif kind == "log":
        radius = int(np.floor(4 * size + 0.5))
        sigma = (0.0 if in_plane else size, size, size)
        respond = partial(laplacian_of_gaussian, sigma=sigma, padding="mirror")
    elif kind == "laws":
        kernels, energy = re.findall("..", given["kernels"]), round(size)
        radius = 2 + energy
        respond = partial(
            laws, kernels=kernels, padding="mirror", pooling="max", energy=energy or None
        )
    elif kind == "gabor":
        wave, gamma = float(given["wave"]) / spacing_mm, float(given["gamma"])
        radius = gabor_radius(size, gamma) if gamma else 0
        respond = partial(
            gabor,
            sigma=size,
            wavelength=wave,
            gamma=gamma,
            padding="mirror",
            directions=8,
            planes=not in_plane,
        )
    else:
        radius = len(LOW_PASS[given["name"]]) * 2**level
        respond = partial(
            wavelet,
            name=given["name"],
            bands=given["bands"],
            padding="mirror",
            level=level,
            rotations=True,
        )
    if not 0 < radius <= _LARGEST_RADIUS or (kind == "gabor" and wave == 0):
        raise InputError(
            f"The filter '{text}' has no size, or needs more than {_LARGEST_RADIUS} voxels on each "
            "side. Choose another size."
        )
    return ImageFilter(respond, radius, in_plane)
