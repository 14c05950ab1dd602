"""How good painted tumours are, measured on cases that the training has not seen.

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

FILLED = "filled_"  # before the same of a hole that is filled with what was asked, and with noise
TRUE = "true_"  # before the same of the true image


@dataclass(frozen=True)
class Tested:
    """A case in which the tumour is painted anew: HU and mask (z, y, x), whose, which class."""

    hu: np.ndarray
    mask: np.ndarray
    patient: str
    label: int


def measured(
    network: Inpainter, spec: InputSpec, cases: Sequence[Tested], *, where: str
) -> dict[str, Metric]:
    """The card's metrics: means over cases, intervals over patients.

    Args:
        network: what paints.
        spec: its input.
        cases: of its size.
        where: what these are, in words.
    """
    rows = [_row(network, spec, case, seed) for seed, case in enumerate(cases)]
    patients = np.array([case.patient for case in cases])
    return {
        name: _metric(np.array([row[name] for row in rows]), patients, where) for name in rows[0]
    }


def _row(network: Inpainter, spec: InputSpec, case: Tested, seed: int) -> dict[str, float]:
    inside = case.mask != 0
    asked = float(case.hu[inside].mean())
    order = InpaintingRequest(case.hu, case.mask, asked, case.label)
    distance = order.distance(spec.spacing)
    painted = inpaint_cubes(network, spec, [order])[0]
    filled = np.where(inside, np.float32(asked), np.float32(LUNG_HU))
    hole, row = distance < BAND_MM, dict[str, float]()
    for prefix, paints in (("", painted), (FILLED, filled)):
        hu = blended(case.hu, paints, distance, band_mm=BAND_MM, seed=seed)
        row |= {
            f"{prefix}HU_error": abs(float(hu[inside].mean()) - asked),
            f"{prefix}diameter_error_mm": _diameter_error(hu, case.mask, asked, hole, spec.spacing),
            f"{prefix}masked_region_error_HU": float(np.abs(paints - case.hu)[hole].mean()),
            f"{prefix}texture_ratio": float(hu[inside].std() / max(case.hu[inside].std(), 1.0)),
        }
    true = _diameter_error(case.hu, case.mask, asked, hole, spec.spacing)
    return row | {f"{TRUE}diameter_error_mm": true}


def _diameter_error(
    hu: np.ndarray, mask: np.ndarray, asked: float, hole: np.ndarray, spacing: float
) -> float:
    """How far the diameter of what came out dense is from the mask's, mm."""
    piece = dense_component(hu, mask, hole, mean_hu=asked)
    return abs(_diameter(piece, spacing) - _diameter(mask, spacing))


def _diameter(mask: np.ndarray, spacing: float) -> float:
    image = sitk.GetImageFromArray((mask != 0).astype(np.uint8))
    image.SetSpacing((spacing,) * 3)
    try:
        return axial_diameter(image).mm
    except InputError:  # there is nothing
        return 0.0


def _metric(values: np.ndarray, patients: np.ndarray, where: str) -> Metric:
    mean: Callable[..., float] = lambda _, values: float(values.mean())  # noqa: E731
    estimate = bootstrap(mean, np.zeros(len(values)), values, groups=patients, stratify=False)
    return Metric.of(estimate, n=len(set(patients.tolist())), where=where)
