"""What can be measured of a tumour in space: size, shape, HU inside and around."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from .diameter import axial_diameter
from .slice_features import RIM_MM, intensity

# What each feature is, for people, with its unit.
TUMOUR_FEATURES = {
    "equivalent_diameter_mm": "diameter of a ball of that volume, mm",
    "axial_diameter_mm": "largest diameter in an axial plane, mm",
    "surface_mm2": "surface, mm²",
    "sphericity": "sphericity (1: a ball)",
    "elongation": "second by first principal axis (1: a ball)",
    "flatness": "third by first principal axis (1: a ball)",
    "components": "separate parts",
    "at_border": "touches the crop's border",
    "hu_mean": "mean HU inside",
    "hu_sd": "standard deviation of HU inside",
    "hu_p10": "10th percentile of HU inside",
    "hu_p50": "median HU inside",
    "hu_p90": "90th percentile of HU inside",
    "hu_rim": f"mean HU in a rim of {RIM_MM:g} mm",
    "hu_skewness": "skewness of HU inside",
    "hu_kurtosis": "kurtosis of HU inside (3: normal)",
}


def tumour_features(hu: np.ndarray, mask: np.ndarray, *, spacing_mm: float) -> dict[str, float]:
    """`TUMOUR_FEATURES` of a tumour; NaN throughout where the mask is empty.

    Surface after Lehmann and Legland, Insight Journal 2012; sphericity, elongation and flatness as
    in the reference manual of the Image Biomarker Standardisation Initiative (Zwanenburg et al.
    2020), a voxel having its own extent. Voxels that touch at a corner belong to one part. Where
    no voxel round the tumour is in the image, the HU of the rim are NaN; where HU do not vary,
    skewness and kurtosis are.

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
    values = (*_shape(inside, spacing_mm), *_intensity(hu, inside, spacing_mm))
    return dict(zip(TUMOUR_FEATURES, values, strict=True))


def _shape(inside: np.ndarray, spacing: float) -> tuple[float, ...]:
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
    """Elongation and flatness."""
    points = np.argwhere(inside)
    spread = np.cov(points.T, bias=True) + np.eye(3) / 12
    third, second, first = np.linalg.eigvalsh(spread)
    return math.sqrt(second / first), math.sqrt(third / first)


def _intensity(hu: np.ndarray, inside: np.ndarray, spacing: float) -> tuple[float, ...]:
    outside = sitk.SignedMaurerDistanceMap(
        _image(inside, spacing), squaredDistance=False, useImageSpacing=True
    )
    away = sitk.GetArrayViewFromImage(outside)
    rim = (away > 0) & (away <= max(RIM_MM, spacing) * (1 + 1e-6))
    values = hu[inside].astype(np.float64)
    spread = float(values.std())
    scores = (values - values.mean()) / spread if spread else np.full(1, math.nan)
    return (*intensity(hu, inside, rim), float((scores**3).mean()), float((scores**4).mean()))


def _image(inside: np.ndarray, spacing: float) -> sitk.Image:
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing((spacing,) * 3)
    return image
