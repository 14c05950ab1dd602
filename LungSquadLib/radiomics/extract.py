"""Radiomic features of a tumour, from its CT and its mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import SimpleITK as sitk

from ..imaging.ct import CT
from ..imaging.masks import Mask
from ..progress import Progress
from . import matrices, texture
from .intensity import histogram, statistics, volume_histogram
from .matrices import Entries
from .morphology import morphology
from .names import FEATURES, aggregations
from .region import Region, box_of, region_of
from .settings import RadiomicsSettings
from .spatial import intensity_peaks


def radiomic_features(
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    settings: RadiomicsSettings | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Compute the features of the IBSI standard for a tumour.

    Args:
        ct: HU, LPS mm.
        mask: on any grid that overlaps the CT; what is not 0 is tumour.
        settings: of processing and features; `RadiomicsSettings()` where they are left out.
        progress: receives the progress of reading.

    Returns:
        The value of each feature by its name in the standard, as `morph_volume` or
        `cm_contrast_3D_avg`; `names.described` has its IBSI codes. Lengths in mm, intensities in
        HU. NaN where the standard's formula divides by zero, as for the texture of one voxel.

    Raises:
        InputError: CT or mask cannot be used, no voxel of the tumour is left by interpolation and
            re-segmentation, or there are too many grey levels.
    """
    return features_of(region_of(ct, mask, settings or RadiomicsSettings(), progress))


def features_of(region: Region) -> dict[str, float]:
    """Compute the features of a region; see `radiomic_features`."""
    settings = region.settings
    values: dict[str, float] = {}
    for family in settings.families:
        if family in _OF_VOLUME:
            names = [feature.tag for feature in FEATURES[family]]
            values |= zip(names, _OF_VOLUME[family](region), strict=True)
    for dimension in settings.dimensions:
        values |= _texture(region, dimension)
    return values


_OF_VOLUME: dict[str, Callable[[Region], tuple[float, ...]]] = {
    "morph": morphology,
    "loc": intensity_peaks,
    "stat": lambda region: statistics(region.values),
    "ih": lambda region: histogram(region.level_values, region.level_count),
    "ivh": volume_histogram,
}


def _texture(region: Region, dimension: str) -> dict[str, float]:
    """Return the texture features of one dimension by name."""
    in_planes = dimension != "3D"
    box = box_of(region.inside)
    levels = region.levels[box]
    values: dict[str, float] = {}
    zones: dict[str, Entries] = {}
    if {"szm", "dzm"} & set(region.settings.families):
        distances = matrices.border_distances(region.shape, in_planes=in_planes)[box]
        sizes, nearest = matrices.zones(levels, distances, in_planes=in_planes)
        zones = {"szm": sizes, "dzm": nearest}
    for family in region.settings.families:
        if family == "cm":
            pairs = matrices.pairs(levels, in_planes=in_planes)
            compute = partial(texture.cooccurrence, pairs, level_count=region.level_count)
            values |= _aggregated(family, dimension, pairs, compute)
        elif family == "ngt":
            tones = matrices.tone_differences(levels, in_planes=in_planes)
            values |= _aggregated(family, dimension, tones, partial(texture.tones, tones))
        elif family in ("rlm", "ngl", "szm", "dzm"):
            entries = (
                zones[family] if family in zones else _ENTRIES[family](levels, in_planes=in_planes)
            )
            compute = partial(texture.emphases, entries)
            values |= _aggregated(family, dimension, entries, compute)
    return values


_ENTRIES = {"rlm": matrices.runs, "ngl": matrices.dependences}


def _aggregated(
    family: str,
    dimension: str,
    entries: Entries,
    compute: Callable[[np.ndarray], np.ndarray],
) -> dict[str, float]:
    """Return the features of a family by name: means over the matrices that each way has.

    Args:
        family: of texture.
        dimension: "2D", "2.5D" or "3D".
        entries: of all matrices.
        compute: returns the features (features, matrices), given the matrix of each entry.
    """
    values: dict[str, float] = {}
    for end in aggregations(family, dimension):
        names = [f"{feature.tag}_{end}" for feature in FEATURES[family]]
        if not len(entries.levels):
            values |= dict.fromkeys(names, math.nan)
            continue
        keys = np.zeros(len(entries.levels), int)
        if end in _BY_SLICE:
            keys = entries.slices
        if end in _BY_DIRECTION:
            keys = keys * len(matrices.directions(in_planes=False)) + entries.directions
        of = (np.cumsum(np.bincount(keys) > 0) - 1)[keys]  # without gaps
        values |= zip(names, compute(of).mean(1).tolist(), strict=False)
    return values


# The matrices that are computed apart from each other; those of other ends are merged.
_BY_SLICE = ("2D_avg", "2D_comb", "2D")
_BY_DIRECTION = ("2D_avg", "2_5D_avg", "3D_avg")
