"""Candidates of tumours in a whole CT: a segmenter without clicks on windows over the lung.

The windows have coarse voxels; then each candidate is looked at in fine ones, round its middle.

Experimental: the network has learnt what lies round tumours, and little of the rest of the lung.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Grid, Index, Point, point_of
from ..models.file import Model
from ..models.inputs import InputSpec
from ..progress import Progress, Silent, step
from .segmentation import LUNG_HU, NEAR
from .segmentation_cubes import check_dimensions, connected, cube_of, logits_of, network_input

WINDOW_MM = 2.0  # voxels of the windows, about: a multiple of the network's spacing
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
        score: mean probability of the network in it, the lower of those in coarse and fine voxels.
        diameter_mm: of a ball of its volume.
        volume_ml: its volume.
    """

    position: Point
    score: float
    diameter_mm: float
    volume_ml: float

    @property
    def is_plausible(self) -> bool:
        """Whether a tumour can have its size."""
        return LEAST_MM <= self.diameter_mm <= MOST_MM

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
    coarse = _search(model, ct, lung, progress)
    closer = []
    for number, candidate in enumerate(coarse):
        done = 0.7 + 0.3 * number / len(coarse)
        step(progress, done, f"Looking at candidate {number + 1} of {len(coarse)}")
        closer.append(_closer(model, ct, candidate))
    kept = [each for each in closer if each and each.is_plausible and each.score >= least_score]
    return sorted(_distinct(kept), key=lambda candidate: -candidate.score)


def _distinct(listed: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates, of those whose middles lie in one another the first."""
    kept: list[Candidate] = []
    for candidate in listed:
        if not any(
            np.linalg.norm(np.subtract(candidate.position, other.position))
            < max(candidate.diameter_mm, other.diameter_mm) / 2
            for other in kept
        ):
            kept.append(candidate)
    return kept


def _search(model: Model, ct: CT, lung: np.ndarray, progress: Progress) -> list[Candidate]:
    """Return the candidates in coarse windows over the lung."""
    spec = model.card.image
    factor = _window_factor(spec)
    spacing = spec.spacing * factor
    size = tuple(int(np.ceil(n * s / spacing)) for n, s in zip(*_extent(ct.grid), strict=True))
    probability = np.zeros(size[::-1], np.float16)
    windows = list(_windows(lung, spec.size, spacing, size))
    for number, start in enumerate(windows):
        done = 0.1 + 0.6 * number / len(windows)
        step(progress, done, f"Searching window {number + 1} of {len(windows)}")
        _put(probability, _probability(model, ct, start, factor), start)
    return _listed(probability, lung, ct.grid, spacing, factor)


def _window_factor(spec: InputSpec) -> int:
    """Return the size of the windows' voxels in voxels of the network's spacing."""
    return max(1, round(WINDOW_MM / spec.spacing))


def _probability(model: Model, ct: CT, start: Index, factor: int) -> np.ndarray:
    """Return the network's probability (z, y, x) of a tumour in a cube without clicks."""
    spec = model.card.image
    hu = cube_of(ct, start, spec.size, spacing=spec.spacing, factor=factor)
    logits = logits_of(model.network, network_input(spec, hu)[None])[0]
    probability: np.ndarray = 1 / (1 + np.exp(-np.maximum(logits, -30)))
    return probability


def _closer(model: Model, ct: CT, candidate: Candidate) -> Candidate | None:
    """Look at a candidate in the network's own voxels; None: nothing is there.

    One that is too large for the cube stays as it is.
    """
    spec = model.card.image
    if candidate.diameter_mm > spec.size * spec.spacing / 2:
        return candidate
    middle = ct.grid.to_index(candidate.position) * np.array(ct.grid.spacing) / spec.spacing
    x, y, z = (np.rint(middle).astype(int) - spec.size // 2).tolist()
    probability = _probability(model, ct, (x, y, z), 1)
    mask = connected(probability > 0.5, [(spec.size // 2,) * 3], near=NEAR)
    if not mask.any():
        return None
    at = np.add(np.argwhere(mask).mean(axis=0)[::-1], (x, y, z))
    position = point_of(ct.grid.to_lps(at * spec.spacing / np.array(ct.grid.spacing)))
    volume = np.count_nonzero(mask) * spec.spacing**3
    score = min(float(probability[mask].mean()), candidate.score)
    return _candidate(position, score, volume)


def _candidate(position: Point, score: float, volume: float) -> Candidate:
    """Return a candidate of a volume in mm3."""
    return Candidate(position, score, float((6 * volume / np.pi) ** (1 / 3)), volume / 1000)


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
    probability: np.ndarray, lung: np.ndarray, grid: Grid, spacing: float, factor: int
) -> list[Candidate]:
    image = sitk.GetImageFromArray((probability > 0.5).astype(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    voxels = np.argwhere(labels)
    values = labels[tuple(voxels.T)]
    counts = np.bincount(values, minlength=1)
    scores = np.bincount(values, probability[tuple(voxels.T)].astype(float))
    listed = []
    for label in range(1, len(counts)):
        score, volume = scores[label] / counts[label], counts[label] * spacing**3
        # A coarse voxel of an even factor has its middle half a fine voxel before its number's.
        middle = voxels[values == label].mean(axis=0)[::-1] - (0 if factor % 2 else 0.5 / factor)
        middle = middle * spacing
        position = point_of(grid.to_lps(middle / np.array(grid.spacing)))
        candidate = _candidate(position, float(score), float(volume))
        at = np.minimum((middle / LUNG_STEP_MM).round().astype(int), np.array(lung.shape[::-1]) - 1)
        if candidate.is_plausible and lung[tuple(at[::-1])]:
            listed.append(candidate)
    return listed
