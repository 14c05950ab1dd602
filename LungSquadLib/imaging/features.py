"""Size, shape and HU features of a tumour, in 3D and slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from .diameter import axial_diameter

RIM_MM = 3.0  # how far around a tumour its surroundings are measured
_AT_ONCE = 64  # slices that are measured in one image

# The label and unit of each feature of a slice, and of a tumour.
_HU_FEATURES = {
    "hu_mean": "mean HU inside",
    "hu_sd": "standard deviation of HU inside",
    "hu_p10": "10th percentile of HU inside",
    "hu_p50": "median HU inside",
    "hu_p90": "90th percentile of HU inside",
    "hu_rim": f"mean HU in a rim of {RIM_MM:g} mm",
}
SLICE_FEATURES = {
    "area_mm2": "area, mm²",
    "equivalent_diameter_mm": "diameter of a disc of that area, mm",
    "largest_diameter_mm": "largest diameter, mm",
    "perimeter_mm": "perimeter, mm",
    "compactness": "compactness (1: a disc)",
    "components": "separate parts",
    "at_border": "touches the image's border",
    **_HU_FEATURES,
}
TUMOUR_FEATURES = {
    "equivalent_diameter_mm": "diameter of a ball of that volume, mm",
    "axial_diameter_mm": "largest diameter in an axial plane, mm",
    "surface_mm2": "surface, mm²",
    "sphericity": "sphericity (1: a ball)",
    "elongation": "second by first principal axis (1: a ball)",
    "flatness": "third by first principal axis (1: a ball)",
    "components": "separate parts",
    "at_border": "touches the crop's border",
    **_HU_FEATURES,
    "hu_skewness": "skewness of HU inside",
    "hu_kurtosis": "kurtosis of HU inside (3: normal)",
}


def slice_features(hu: np.ndarray, mask: np.ndarray, *, spacing_mm: float) -> dict[str, np.ndarray]:
    """Compute `SLICE_FEATURES` of slices, each (n,) float64; NaN throughout where a mask is empty.

    Perimeter after Lehmann and Legland, Insight Journal 2012; compactness is 4 pi times area by
    perimeter squared. Pixels that touch at a corner belong to one part. The rim is at least one
    pixel wide; where none of it is in the image, its HU are NaN.

    Args:
        hu: (n, y, x).
        mask: (n, y, x); what is not 0 is tumour.
        spacing_mm: between pixels.
    """
    if hu.shape != mask.shape or hu.ndim != 3:
        raise ValueError(f"slices {hu.shape} and masks {mask.shape} do not go together")
    rows: list[tuple[float, ...]] = []
    for start in range(0, len(hu), _AT_ONCE):
        stop = start + _AT_ONCE
        rows += _measured(hu[start:stop], mask[start:stop] != 0, spacing_mm)
    table = np.array(rows, np.float64).reshape(-1, len(SLICE_FEATURES))
    return dict(zip(SLICE_FEATURES, table.T, strict=True))


def _measured(hu: np.ndarray, masks: np.ndarray, spacing: float) -> Iterator[tuple[float, ...]]:
    """Yield the features of each slice, in the order of `SLICE_FEATURES`.

    The slices are stacked in one image, each tumour with its own label and further from the next
    than the rim is wide, so that ITK is called once and not for every slice.
    """
    rim_mm = max(RIM_MM, spacing) * (1 + 1e-6)
    frame = int(rim_mm / spacing) + 1
    labels = masks * np.arange(1, len(masks) + 1, dtype=np.uint16)[:, None, None]
    framed = np.pad(labels, ((0, 0), (frame, frame), (frame, frame)))
    picture = sitk.GetImageFromArray(framed.reshape(-1, framed.shape[2]))
    picture.SetSpacing((spacing, spacing))
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(picture)
    parts = _parts(picture, framed)
    distance = sitk.SignedMaurerDistanceMap(
        picture != 0, squaredDistance=False, useImageSpacing=True
    )
    outside = sitk.GetArrayViewFromImage(distance).reshape(framed.shape)
    outside = outside[:, frame:-frame, frame:-frame]
    rims = (outside > 0) & (outside <= rim_mm)
    for number, (slice_hu, mask, rim) in enumerate(zip(hu, masks, rims, strict=True)):
        if not mask.any():
            yield (math.nan,) * len(SLICE_FEATURES)
            continue
        perimeter = shapes.GetPerimeter(number + 1)
        yield (
            *_slice_shape(mask, spacing, perimeter, parts[number]),
            *intensity(slice_hu, mask, rim),
        )


def _parts(picture: sitk.Image, framed: np.ndarray) -> np.ndarray:
    """Count the connected parts (n,) of each slice's tumour."""
    connected = sitk.ConnectedComponent(picture != 0, True)
    part = sitk.GetArrayViewFromImage(connected).reshape(framed.shape)
    inside = part > 0
    of = np.zeros(part.max() + 1, int)
    of[part[inside]] = framed[inside]
    return np.bincount(of[1:], minlength=len(framed) + 1)[1:]


def _slice_shape(
    mask: np.ndarray, spacing: float, perimeter: float, parts: int
) -> tuple[float, ...]:
    area = float(mask.sum()) * spacing**2
    plane = sitk.GetImageFromArray(mask[None].astype(np.uint8))
    plane.SetSpacing((spacing, spacing, 1))
    border = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    return (
        area,
        2 * math.sqrt(area / math.pi),
        axial_diameter(plane).mm,
        perimeter,
        4 * math.pi * area / perimeter**2,
        float(parts),
        float(border),
    )


def intensity(hu: np.ndarray, mask: np.ndarray, rim: np.ndarray) -> tuple[float, ...]:
    """Return mean, standard deviation, percentiles 10, 50, 90 of HU inside, and the rim's mean.

    Args:
        hu: of any shape.
        mask: bool, of that shape.
        rim: as `mask`; where it is empty, its mean is NaN.
    """
    inside = hu[mask].astype(np.float64)
    return (
        float(inside.mean()),
        float(inside.std()),
        *map(float, np.quantile(inside, (0.1, 0.5, 0.9))),
        float(hu[rim].mean()) if rim.any() else math.nan,
    )


def tumour_features(hu: np.ndarray, mask: np.ndarray, *, spacing_mm: float) -> dict[str, float]:
    """Compute `TUMOUR_FEATURES` of a tumour; NaN throughout where the mask is empty.

    Surface, and with it sphericity, after Lehmann and Legland, Insight Journal 2012; elongation and
    flatness are ratios of principal axes to which the extent of a voxel (1/12 of its side squared)
    is added. So they differ from the features of the same name of the Image Biomarker
    Standardisation Initiative, which the package `radiomics` computes. Voxels that touch at a
    corner belong to one part. Where no voxel round the tumour is in the image, the HU of the rim
    are NaN; where HU do not vary, skewness and kurtosis are.

    Args:
        hu: (z, y, x).
        mask: (z, y, x); what is not 0 is tumour.
        spacing_mm: between voxels, along each axis.
    """
    if hu.shape != mask.shape or hu.ndim != 3:
        raise ValueError(f"a volume {hu.shape} and a mask {mask.shape} do not go together")
    inside = mask != 0
    if not inside.any():
        return dict.fromkeys(TUMOUR_FEATURES, math.nan)
    values = (*_tumour_shape(inside, spacing_mm), *_tumour_intensity(hu, inside, spacing_mm))
    return dict(zip(TUMOUR_FEATURES, values, strict=True))


def _tumour_shape(inside: np.ndarray, spacing: float) -> tuple[float, ...]:
    volume = float(inside.sum()) * spacing**3
    image = _image(inside, spacing)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(image)
    surface = shapes.GetPerimeter(1)
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True)).max()
    borders = (inside.take((0, -1), axis).any() for axis in range(3))
    return (
        (6 * volume / math.pi) ** (1 / 3),
        axial_diameter(image).mm,
        surface,
        math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface,
        *_axes(inside),
        float(parts),
        float(any(borders)),
    )


def _axes(inside: np.ndarray) -> tuple[float, float]:
    """Return elongation and flatness."""
    points = np.argwhere(inside)
    covariance = np.cov(points.T, bias=True) + np.eye(3) / 12
    third, second, first = np.linalg.eigvalsh(covariance)
    return math.sqrt(second / first), math.sqrt(third / first)


def _tumour_intensity(hu: np.ndarray, inside: np.ndarray, spacing: float) -> tuple[float, ...]:
    outside = sitk.SignedMaurerDistanceMap(
        _image(inside, spacing), squaredDistance=False, useImageSpacing=True
    )
    away = sitk.GetArrayViewFromImage(outside)
    rim = (away > 0) & (away <= max(RIM_MM, spacing) * (1 + 1e-6))
    values = hu[inside].astype(np.float64)
    deviation = float(values.std())
    scores = (values - values.mean()) / deviation if deviation else np.full(1, math.nan)
    return (*intensity(hu, inside, rim), float((scores**3).mean()), float((scores**4).mean()))


def _image(inside: np.ndarray, spacing: float) -> sitk.Image:
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing((spacing,) * 3)
    return image
