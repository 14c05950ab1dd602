"""Errors of inpainted tumours, measured on held-out cases.

`HU_error`: mean of the inpainted tumour against the requested mean. `diameter_error_mm`: largest
diameter of the synthetic tumour against the mask's. `masked_region_error_HU`: voxels of the masked
region against the true ones. `texture_ratio`: standard deviation of HU in the inpainted tumour,
divided by the true tumour's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from ...imaging.diameter import axial_diameter
from ...inference.inpainting import (
    BAND_MM,
    LUNG_HU,
    InpaintingRequest,
    blended,
    dense_component,
    inpaint_cubes,
)
from ...models.card import Metric
from ...models.inputs import InputSpec
from ...networks.inpainting import Inpainter
from ...statistics.intervals import bootstrap

FILLED = "filled_"  # prefix of metrics of a constant tumour with noise, in place of the network's
TRUE = "true_"  # prefix of metrics of the true image


@dataclass(frozen=True)
class HeldOutCase:
    """HU and mask (z, y, x) of a case whose tumour is inpainted anew, its patient and class."""

    hu: np.ndarray
    mask: np.ndarray
    patient: str
    label: int


def inpainting_errors(
    network: Inpainter, spec: InputSpec, cases: Sequence[HeldOutCase], *, where: str
) -> dict[str, Metric]:
    """Return the card's metrics: means over cases, intervals over patients.

    Args:
        network: of inpainting.
        spec: its input.
        cases: of its size.
        where: what these are, in words.
    """
    rows = [_row(network, spec, case, seed) for seed, case in enumerate(cases)]
    patients = np.array([case.patient for case in cases])
    return {
        name: _metric(np.array([row[name] for row in rows]), patients, where) for name in rows[0]
    }


def _row(network: Inpainter, spec: InputSpec, case: HeldOutCase, seed: int) -> dict[str, float]:
    inside = case.mask != 0
    mean = float(case.hu[inside].mean())
    request = InpaintingRequest(case.hu, case.mask, mean, case.label)
    distance = request.distance(spec.spacing)
    inpainted = inpaint_cubes(network, spec, [request])[0]
    filled = np.where(inside, np.float32(mean), np.float32(LUNG_HU))
    region, row = distance < BAND_MM, dict[str, float]()
    for prefix, cube in (("", inpainted), (FILLED, filled)):
        hu = blended(case.hu, cube, distance, band_mm=BAND_MM, seed=seed)
        row |= {
            f"{prefix}HU_error": abs(float(hu[inside].mean()) - mean),
            f"{prefix}diameter_error_mm": _diameter_error(
                hu, case.mask, mean, region, spec.spacing
            ),
            f"{prefix}masked_region_error_HU": float(np.abs(cube - case.hu)[region].mean()),
            f"{prefix}texture_ratio": float(hu[inside].std() / max(case.hu[inside].std(), 1.0)),
        }
    true_error = _diameter_error(case.hu, case.mask, mean, region, spec.spacing)
    return row | {f"{TRUE}diameter_error_mm": true_error}


def _diameter_error(
    hu: np.ndarray, mask: np.ndarray, mean: float, region: np.ndarray, spacing: float
) -> float:
    """Return the absolute difference in mm of the diameters of dense component and mask."""
    component = dense_component(hu, mask, region, mean_hu=mean)
    return abs(_diameter(component, spacing) - _diameter(mask, spacing))


def _diameter(mask: np.ndarray, spacing: float) -> float:
    image = sitk.GetImageFromArray((mask != 0).astype(np.uint8))
    image.SetSpacing((spacing,) * 3)
    try:
        return axial_diameter(image).mm
    except InputError:  # the mask is empty
        return 0.0


def _metric(values: np.ndarray, patients: np.ndarray, where: str) -> Metric:
    mean: Callable[..., float] = lambda _, values: float(values.mean())  # noqa: E731
    estimate = bootstrap(mean, np.zeros(len(values)), values, groups=patients, stratify=False)
    return Metric.of(estimate, n=len(set(patients.tolist())), where=where)
