"""Candidates of tumours in a whole CT: a segmenter without clicks on windows over the lung.

Experimental: the network has learnt what lies round tumours, and little of the rest of the lung.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Grid, Index, Point, point_of
from ..models.file import Model
from ..progress import Progress, Silent, step
from .segmentation import LUNG_HU, cube_of
from .segmentation_cubes import check_dimensions, logits_of, network_input

LUNG_STEP_MM = 3.0
LEAST_LUNG_ML = 100.0  # of a connected region
CLOSING_MM = 9.0  # vessels and tumours up to this radius are taken into the lung
LEAST_MM, MOST_MM = 3.0, 60.0  # diameters of a ball of a candidate's volume
_OVERLAP = 8  # voxels at a window's faces that belong to its neighbours


@dataclass(frozen=True)
class Candidate:
    """A place that may be a tumour.

    Attributes:
        position: of its middle, LPS mm.
        score: mean probability of the network in it.
        diameter_mm: of a ball of its volume.
        volume_ml: its volume.
    """

    position: Point
    score: float
    diameter_mm: float
    volume_ml: float

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON and tables."""
        return asdict(self)


def candidates(
    model: Model,
    ct: CT | sitk.Image,
    *,
    least_score: float = 0.5,
    progress: Progress | None = None,
) -> list[Candidate]:
    """Return the candidates of tumours in the lungs of a CT, the highest score first.

    Args:
        model: a segmenter of cubes.
        ct: HU, LPS mm.
        least_score: candidates with a lower one are left out.
        progress: gets the windows that are done; may cancel.

    Raises:
        InputError: the CT has no lung.
        ModelError: the model is no segmenter of cubes.
    """
    progress = progress or Silent()
    check_dimensions(model, 3)
    step(progress, 0.0, "Reading the CT")
    ct = as_ct(ct).loaded()
    step(progress, 0.05, "Segmenting the lungs")
    lung = lung_mask(ct)
    spec = model.card.image
    size = tuple(int(np.ceil(n * s / spec.spacing)) for n, s in zip(*_extent(ct.grid), strict=True))
    probability = np.zeros(size[::-1], np.float16)
    windows = list(_windows(lung, spec.size, spec.spacing, size))
    for number, start in enumerate(windows):
        done = 0.1 + 0.85 * number / len(windows)
        step(progress, done, f"Searching window {number + 1} of {len(windows)}")
        hu = cube_of(ct, start, spec.size, spacing=spec.spacing)
        logits = logits_of(model.network, network_input(spec, hu)[None])[0]
        _put(probability, 1 / (1 + np.exp(-np.maximum(logits, -30))), start)
    step(progress, 0.95, "Listing candidates")
    return _listed(probability, lung, ct.grid, spec.spacing, least_score)


def lung_mask(ct: CT) -> np.ndarray:
    """Return the lungs (z, y, x) on voxels of `LUNG_STEP_MM` from the CT's first voxel.

    Air within the body, closed so that vessels and tumours in the lung or at its wall are part of
    it.

    Raises:
        InputError: there is no lung.
    """
    size = tuple(int(np.ceil(n * s / LUNG_STEP_MM)) for n, s in zip(*_extent(ct.grid), strict=True))
    coarse = _coarse(ct, size)
    air = sitk.GetImageFromArray((coarse < LUNG_HU).astype(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(air))
    counts = np.bincount(labels.ravel())
    # Air round the body reaches the sides; lungs may reach the first and the last slice.
    outside = np.union1d(labels[:, (0, -1)], labels[:, :, (0, -1)])
    least = LEAST_LUNG_ML * 1000 / LUNG_STEP_MM**3
    kept = [n for n in range(1, len(counts)) if counts[n] >= least and n not in outside]
    lung = np.isin(labels, kept)
    if not lung.any():
        raise InputError("The CT has no lung in which tumours could be searched.")
    radius = round(CLOSING_MM / LUNG_STEP_MM)
    padded = sitk.GetImageFromArray(np.pad(lung, radius + 1).astype(np.uint8))
    closed = sitk.GetArrayFromImage(sitk.BinaryMorphologicalClosing(padded, [radius] * 3))
    inner = (slice(radius + 1, -radius - 1),) * 3
    result: np.ndarray = closed[inner] > 0
    return result


def _coarse(ct: CT, size: tuple[int, ...]) -> np.ndarray:
    """Return HU (z, y, x) at `LUNG_STEP_MM`, the nearest voxels; of all the CT."""
    hu = ct.hu(ct.grid.box)
    lines = []
    for axis, count in enumerate(size):
        index = np.rint(np.arange(count) * LUNG_STEP_MM / ct.grid.spacing[axis]).astype(int)
        lines.append(np.minimum(index, ct.grid.size[axis] - 1))
    return hu[np.ix_(lines[2], lines[1], lines[0])].astype(np.float32)


def _extent(grid: Grid) -> tuple[Index, Point]:
    return grid.size, grid.spacing


def _windows(lung: np.ndarray, side: int, spacing: float, size: tuple[int, ...]) -> Iterator[Index]:
    """Yield the first voxels x, y, z of windows whose middle parts cover the lung."""
    inner = side - 2 * _OVERLAP
    z, y, x = (np.arange(-_OVERLAP, n - _OVERLAP, inner) for n in size[::-1])
    for first in ((a, b, c) for c in z for b in y for a in x):
        low = [max(round((at + _OVERLAP) * spacing / LUNG_STEP_MM), 0) for at in first]
        high = [round((at + side - _OVERLAP) * spacing / LUNG_STEP_MM) for at in first]
        parts = tuple(slice(a, b + 1) for a, b in zip(low[::-1], high[::-1], strict=True))
        if lung[parts].any():
            yield (int(first[0]), int(first[1]), int(first[2]))


def _put(whole: np.ndarray, window: np.ndarray, start: Index) -> None:
    """Write the middle part of a window into the whole (z, y, x)."""
    inner = window[(slice(_OVERLAP, -_OVERLAP),) * 3]
    first = [at + _OVERLAP for at in start[::-1]]
    stop = [min(a + n, m) for a, n, m in zip(first, inner.shape, whole.shape, strict=True)]
    target = tuple(slice(a, b) for a, b in zip(first, stop, strict=True))
    source = tuple(slice(b - a) for a, b in zip(first, stop, strict=True))
    whole[target] = inner[source]


def _listed(
    probability: np.ndarray, lung: np.ndarray, grid: Grid, spacing: float, least_score: float
) -> list[Candidate]:
    image = sitk.GetImageFromArray((probability > 0.5).astype(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    voxels = np.argwhere(labels)
    values = labels[tuple(voxels.T)]
    counts = np.bincount(values, minlength=1)
    scores = np.bincount(values, probability[tuple(voxels.T)].astype(float))
    listed = []
    for label in range(1, len(counts)):
        volume = counts[label] * spacing**3
        diameter = float((6 * volume / np.pi) ** (1 / 3))
        score = float(scores[label] / counts[label])
        if not LEAST_MM <= diameter <= MOST_MM or score < least_score:
            continue
        middle = voxels[values == label].mean(axis=0)[::-1] * spacing
        at = np.minimum((middle / LUNG_STEP_MM).round().astype(int), np.array(lung.shape[::-1]) - 1)
        if lung[tuple(at[::-1])]:
            position = point_of(grid.to_lps(middle / np.array(grid.spacing)))
            listed.append(Candidate(position, score, diameter, volume / 1000))
    return sorted(listed, key=lambda candidate: -candidate.score)
