"""Morphology: size, shape and position of the tumour."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..imaging.diameter import hull_candidates, largest_diameter
from .hull import hull_volume_and_area
from .mesh import mesh_volume_and_area
from .region import Region
from .spatial import autocorrelation

_TERMS = 20  # of the series for the ellipsoid's area, as in the reference manual


def morphology(region: Region) -> tuple[float, ...]:
    """Return the features of the family "morph", in the standard's order.

    A feature whose formula divides by zero is NaN: those of principal axes where the tumour has one
    voxel or is flat, and autocorrelation where HU do not vary.
    """
    volume, area = mesh_volume_and_area(region.shape, region.spacing)
    mask = sitk.GetImageFromArray(region.shape.astype(np.uint8))
    mask.SetSpacing(region.spacing[::-1])
    major, minor, least = principal_axes(region)
    size = np.array([np.ptp(indices) + 1 for indices in np.nonzero(region.shape)]) * region.spacing
    candidates = np.rint(2 * hull_candidates(mask)).astype(np.int64)
    hull_volume, hull_area = hull_volume_and_area(candidates, np.array(region.spacing[::-1]) / 2)
    sphericity = (36 * math.pi * volume**2) ** (1 / 3) / area
    ellipsoid = math.pi / 6 * major * minor * least
    moran, geary = autocorrelation(region)
    return (
        volume,
        float(region.shape.sum()) * region.voxel_mm3,
        area,
        area / volume,
        volume / (math.sqrt(math.pi) * area**1.5),
        sphericity**3,
        1 / sphericity,
        sphericity,
        1 / sphericity - 1,
        centre_shift(region),
        largest_diameter(mask).mm,
        major,
        minor,
        least,
        _ratio(minor, major),
        _ratio(least, major),
        volume / float(size.prod()),
        area / (2 * float(size[0] * size[1] + size[0] * size[2] + size[1] * size[2])),
        _ratio(volume, ellipsoid),
        _ratio(area, ellipsoid_area(major / 2, minor / 2, least / 2)),
        volume / hull_volume,
        area / hull_area,
        float(region.values.mean()) * volume,
        moran,
        geary,
    )


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else math.nan


def principal_axes(region: Region) -> tuple[float, float, float]:
    """Return the lengths of the major, minor and least axis, mm; NaN of a single voxel."""
    points = np.argwhere(region.shape) * region.spacing
    if len(points) == 1:
        return math.nan, math.nan, math.nan
    least, minor, major = 4 * np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(points.T)), 0))
    return float(major), float(minor), float(least)


def centre_shift(region: Region) -> float:
    """Return the distance between the mask's centre and that of its HU, mm.

    NaN where HU sum up to 0.
    """
    total = float(region.values.sum())
    if total == 0:
        return math.nan
    of_shape = np.argwhere(region.shape).mean(0)
    of_hu = (np.argwhere(region.inside) * region.values[:, None]).sum(0) / total
    return float(np.linalg.norm((of_shape - of_hu) * region.spacing))


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Return the standard's approximation of the surface of an ellipsoid, semi-axes a >= b >= c.

    The standard takes both eccentricities relative to the major axis, so that only a ball has its
    true surface. The recurrence of Legendre's polynomials is used for the polynomials times a power
    of the eccentricities' product, so that a ball and a spheroid divide by nothing.
    """
    if not c > 0:
        return math.nan
    alpha, beta = 1 - (b / a) ** 2, 1 - (c / a) ** 2  # squares of the eccentricities
    before, term, series = 0.0, 1.0, 1.0
    for degree in range(_TERMS):
        following = (
            (2 * degree + 1) * (alpha + beta) / 2 * term - degree * alpha * beta * before
        ) / (degree + 1)
        before, term = term, following
        series += term / (1 - 4 * (degree + 1) ** 2)
    return 4 * math.pi * a * b * series
