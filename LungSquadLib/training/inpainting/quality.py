"""Errors of inpainted tumours, measured on held-out cases.

Each tumour is inpainted anew in its own place, where the network sees neither it nor what is within
`BAND_MM` of it, except vessels and soft tissue if the network keeps these; metrics with the prefix
`hidden_` are without that exception.

`HU_error`: mean of the inpainted tumour against the requested mean. `diameter_error_mm`: largest
diameter of the synthetic tumour against the mask's. `masked_region_error_HU`: voxels of the masked
region against the true ones. `texture_ratio`: standard deviation of HU in the inpainted tumour,
divided by the true tumour's. In the shell from 1 mm to `BAND_MM` round the tumour: `rim_HU`: mean
of inpainted minus true HU where there is soft tissue (below 0: a dark rim); `dense_share`: share
of voxels above -600 HU, which are vessels and soft tissue; `lung_texture_ratio`: standard deviation
of HU where there is lung, divided by the true one. A case counts where it has `_FEWEST` such
voxels. Of some there are the means by largest axial diameter, with names such as
`HU_error.below_10_mm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ...data.case_file import Content
from ...errors import InputError
from ...imaging.blending import distance_mm
from ...imaging.crop import central_cube
from ...imaging.diameter import axial_diameter
from ...imaging.resample import AIR
from ...inference.inpainting import (
    BAND_MM,
    LUNG_HU,
    MOSTLY,
    TISSUE_HU,
    InpaintingRequest,
    blended,
    dense_component,
    inpaint_cubes,
    region_to_fill,
    weights_of,
)
from ...models.card import Metric
from ...models.inputs import InputSpec
from ...networks.inpainting import Inpainter
from ...statistics.intervals import bootstrap

HIDDEN = "hidden_"  # prefix of metrics without any tissue that is kept
SIZES = {"below_10_mm": (0.0, 10.0), "10_to_20_mm": (10.0, 20.0), "above_20_mm": (20.0, np.inf)}
BY_SIZE = ("HU_error", "diameter_error_mm", "masked_region_error_HU", "rim_HU", "dense_share")
SOFT_HU = -200.0
_EDGE_MM = 1.0  # nearer to the mask, the edge of the tumour itself counts
_FEWEST = 30  # voxels of a case
FILLED = "filled_"  # prefix of metrics of a constant tumour with noise, in place of the network's
TRUE = "true_"  # prefix of metrics of the true image


@dataclass(frozen=True)
class HeldOutCase:
    """HU and mask (z, y, x) of a case whose tumour is inpainted anew, its patient and class."""

    hu: np.ndarray
    mask: np.ndarray
    patient: str
    label: int

    @classmethod
    def of(cls, content: Content, size: int, *, patient: str, label: int = -1) -> HeldOutCase:
        """Return the middle of a stored case, `size` voxels a side."""
        hu, mask = (central_cube(array, size) for array in (content.hu, content.mask))
        return cls(hu.astype(np.int16), mask.astype(np.uint8), patient, label)


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
    metrics = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        counted = np.isfinite(values)
        if counted.any():
            metrics[name] = _metric(values[counted], patients[counted], where)
    diameters = np.array([_diameter(case.mask, spec.spacing) for case in cases])
    for size, (low, high) in SIZES.items():
        for name in BY_SIZE:
            values = np.array([row[name] for row in rows])
            counted = np.isfinite(values) & (diameters >= low) & (diameters < high)
            if counted.any():
                metrics[f"{name}.{size}"] = _metric(values[counted], patients[counted], where)
    return metrics


def _row(network: Inpainter, spec: InputSpec, case: HeldOutCase, seed: int) -> dict[str, float]:
    mean = float(case.hu[case.mask != 0].mean())
    request = InpaintingRequest(case.hu, case.mask, mean, case.label)
    keeps = network.surroundings
    measure = _Measure(case, spec.spacing, mean, seed)
    row = measure.errors("", inpaint_cubes(network, spec, [request])[0], keeps=keeps)
    if keeps:
        hidden = inpaint_cubes(network, spec, [request], keeps_tissue=False)[0]
        row |= measure.errors(HIDDEN, hidden, keeps=False)
    filled = np.where(case.mask != 0, np.float32(mean), np.float32(LUNG_HU))
    row |= measure.errors(FILLED, filled, keeps=False)
    row[f"{TRUE}diameter_error_mm"] = measure.diameter_error(case.hu, keeps=keeps)
    row[f"{TRUE}dense_share"] = measure.dense_share(case.hu)
    return row


@dataclass(frozen=True)
class _Measure:
    """What is measured in one case; `mean` is the requested mean HU."""

    case: HeldOutCase
    spacing: float
    mean: float
    seed: int

    def errors(self, prefix: str, cube: np.ndarray, *, keeps: bool) -> dict[str, float]:
        """Return all measures of a cube as a network gives it, before it is blended."""
        true, inside = self.case.hu, self.case.mask != 0
        region = region_to_fill(true, self.distance, band_mm=BAND_MM, keeps_tissue=keeps)
        hu = blended(true, cube, self.distance, band_mm=BAND_MM, keeps_tissue=keeps, seed=self.seed)
        soft, lung = self.shell & (true > SOFT_HU), self.shell & (true < TISSUE_HU[0])
        rim = float((hu - true.astype(np.float32))[soft].mean()) if _enough(soft) else math.nan
        texture = hu[lung].std() / max(true[lung].std(), 1.0) if _enough(lung) else math.nan
        measures = {
            "HU_error": abs(float(hu[inside].mean()) - self.mean),
            "diameter_error_mm": self.diameter_error(hu, keeps=keeps),
            "masked_region_error_HU": float(np.abs(cube - true)[region].mean()),
            "texture_ratio": float(hu[inside].std() / max(true[inside].std(), 1.0)),
            "rim_HU": rim,
            "dense_share": self.dense_share(hu),
            "lung_texture_ratio": float(texture),
        }
        return {f"{prefix}{name}": value for name, value in measures.items()}

    @cached_property
    def distance(self) -> np.ndarray:
        """The distance (z, y, x) in mm from the mask."""
        return distance_mm(self.case.mask, (self.spacing,) * 3)

    @cached_property
    def shell(self) -> np.ndarray:
        """The voxels (z, y, x) round the tumour that are compared."""
        return (self.distance > _EDGE_MM) & (self.distance < BAND_MM) & (self.case.hu > AIR)

    def dense_share(self, hu: np.ndarray) -> float:
        """Return the share of vessels and soft tissue among the voxels of the shell."""
        return float((hu[self.shell] > TISSUE_HU[1]).mean()) if self.shell.any() else math.nan

    def diameter_error(self, hu: np.ndarray, *, keeps: bool) -> float:
        """Return the absolute difference in mm of the diameters of dense component and mask."""
        weights = weights_of(self.case.hu, self.distance, band_mm=BAND_MM, keeps_tissue=keeps)
        component = dense_component(hu, self.case.mask, weights > MOSTLY, mean_hu=self.mean)
        return abs(_diameter(component, self.spacing) - _diameter(self.case.mask, self.spacing))


def _enough(voxels: np.ndarray) -> bool:
    return int(np.count_nonzero(voxels)) >= _FEWEST


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
