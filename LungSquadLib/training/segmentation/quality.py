"""Dice coefficients of a segmenter on held-out cases, beside region growing.

A case is clicked several times, each at a random place in its mask. Voxels whose CT is not known
do not count. Intervals are of a bootstrap over patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...data.store import StoredCase
from ...errors import InputError
from ...imaging.ct import CT, as_ct
from ...imaging.geometry import Grid, Point, point_of
from ...imaging.masks import Mask
from ...imaging.region import propose_mask
from ...inference.segmentation import mask_from_clicks
from ...inference.segmentation_cubes import known_voxels, segment_array
from ...models.card import Metric
from ...models.file import Model
from ...progress import Progress, Silent, step
from ...statistics.agreement import dice
from ...statistics.intervals import bootstrap
from .data import SegmentationSource
from .samples import central, draw_voxel, is_complete, signed_distance

RESULT, CASES = "segmentation.json", "segmentation.csv"
CLICKS = 2  # of a case
BOX_ROOM_MM = 2.0
SIZES = {"below_10_mm": (0.0, 10.0), "10_to_20_mm": (10.0, 20.0), "above_20_mm": (20.0, np.inf)}
TEXTURES = {"ground_glass": (0.0, 2.5), "part_solid": (2.5, 4.0), "solid": (4.0, 5.1)}

Row = dict[str, Any]
Statistic = Callable[[np.ndarray], float]
METHODS = {
    "one_click": "one click at a random place in the mask",
    "corrected": "one click and one correction where the mask is most wrong",
    "box": "a box that leaves 2 mm round the mask",
    "no_click": "no click",
    "region_growing": "region growing from the same click",
}
STATISTICS: Mapping[str, Statistic] = {
    "median": lambda values: float(np.median(values)),
    "lower_quartile": lambda values: float(np.quantile(values, 0.25)),
    "upper_quartile": lambda values: float(np.quantile(values, 0.75)),
    "worst_tenth": lambda values: float(np.quantile(values, 0.1)),
}


@dataclass(frozen=True)
class Quality:
    """Dice coefficients of cases (`rows`) and what they come to (`metrics`).

    Attributes:
        rows: case, patient, diameter in mm, texture, whether the surroundings are complete or a
            cut-out, Dice of each method, mean and standard deviation of Dice over the clicks.
        metrics: by "dice_METHOD_STATISTIC", and "..._GROUP" for sizes, textures and surroundings.
    """

    rows: list[Row]
    metrics: dict[str, Metric]

    def to_dict(self) -> dict[str, Any]:
        return {
            "methods": METHODS,
            "cases": len(self.rows),
            "patients": len({row["patient"] for row in self.rows}),
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
        }


def segmentation_quality(
    model: Model,
    source: SegmentationSource,
    cases: Sequence[StoredCase],
    *,
    where: str,
    progress: Progress | None = None,
) -> Quality:
    """Measure a segmenter on cases.

    Args:
        model: a segmenter of as many dimensions as the data.
        source: of the cases.
        cases: those to segment.
        where: what these are, in words.
        progress: gets the number of cases done; may cancel.
    """
    progress, rows = progress or Silent(), []
    for number, case in enumerate(cases):
        step(progress, number / len(cases), f"Segmenting case {number + 1} of {len(cases)}")
        hu, mask = source.read(case)
        known = known_voxels(hu)
        truth = (mask != 0) & known
        if truth.any():
            measured = (_slice_dice if source.dimensions == 2 else _cube_dice)(
                model, hu, truth, random=random_of(case.crop)
            )
            rows.append({**_facts(case, source, hu, truth), **measured})
    return Quality(rows, quality_metrics(rows, where))


def _facts(case: StoredCase, source: SegmentationSource, hu: np.ndarray, truth: np.ndarray) -> Row:
    size = np.count_nonzero(truth) * source.spacing_of(case) ** source.dimensions
    if source.dimensions == 3:
        diameter = (6 * size / np.pi) ** (1 / 3)
    else:
        diameter = 2 * np.sqrt(size / np.pi)
    texture = case.columns.get("texture", "")
    return {
        "case": case.case,
        "patient": case.patient,
        "diameter_mm": round(float(diameter), 3),
        "texture": texture,
        "surroundings": "complete" if is_complete(hu, source.side // 2) else "cut_out",
    }


def random_of(key: str) -> np.random.Generator:
    """Return the generator of a case's clicks, by its content or name."""
    return np.random.default_rng(int(hashlib.sha256(key.encode()).hexdigest()[:16], 16))


def _cube_dice(
    model: Model, hu: np.ndarray, truth: np.ndarray, *, random: np.random.Generator
) -> Row:
    """Return the Dice coefficients of a cube of a store."""
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((model.card.image.spacing,) * 3)
    unclicked = _unclicked_dice(model, hu, truth)
    return volume_dice(model, as_ct(image), truth, random=random) | {"dice_no_click": unclicked}


def volume_dice(model: Model, ct: CT, truth: np.ndarray, *, random: np.random.Generator) -> Row:
    """Return the Dice coefficients, on a CT's own voxels, of masks from clicks and from a box.

    Args:
        model: a segmenter of cubes.
        ct: HU, exactly `AIR` where it is not known.
        truth: (z, y, x) bool on the CT's voxels; it is not empty, and all of it is known.
        random: chooses the clicks.
    """
    known = known_voxels(ct.hu(ct.grid.box))

    def point(index: np.ndarray) -> Point:
        return point_of(ct.grid.to_lps(index[::-1]))

    def measured(mask: Mask | None) -> np.ndarray:
        whole = np.zeros(truth.shape, bool)
        if mask is not None:
            grid = Grid.of(mask.image)
            box = grid.box.shifted(grid.offset_in(ct.grid) or (0, 0, 0))
            whole[box.slices] = sitk.GetArrayViewFromImage(mask.image) != 0
        return whole & known

    clicks = [draw_voxel(truth, random) for _ in range(CLICKS)]
    masks = [measured(mask_from_clicks(model, ct, [point(click)])) for click in clicks]
    inside, outside = correction(masks[0], truth, known)
    corrected = mask_from_clicks(
        model,
        ct,
        [point(click) for click in (clicks[0], *inside)],
        [point(click) for click in outside],
    )
    room = BOX_ROOM_MM / np.array(ct.grid.spacing[::-1])
    marked = np.argwhere(truth)
    box = [point(marked.min(axis=0) - room), point(marked.max(axis=0) + room)]
    try:
        grown = propose_mask(ct, point(clicks[0]))
    except InputError:
        grown = None
    return _row(
        [dice(mask, truth) for mask in masks],
        corrected=dice(measured(corrected), truth),
        box=dice(measured(mask_from_clicks(model, ct, [], box=box)), truth),
        region_growing=dice(measured(grown), truth),
    )


def _slice_dice(
    model: Model, hu: np.ndarray, truth: np.ndarray, *, random: np.random.Generator
) -> Row:
    """Return the Dice coefficients of a slice."""
    known = known_voxels(hu)

    def segmented(inside: Sequence[np.ndarray], outside: Sequence[np.ndarray] = ()) -> np.ndarray:
        return segment_array(model, hu, inside, outside) & known

    clicks = [draw_voxel(truth, random) for _ in range(CLICKS)]
    masks = [segmented([click]) for click in clicks]
    inside, outside = correction(masks[0], truth, known)
    return _row(
        [dice(mask, truth) for mask in masks],
        corrected=dice(segmented([clicks[0], *inside], outside), truth),
        no_click=_unclicked_dice(model, hu, truth),
    )


def _unclicked_dice(model: Model, hu: np.ndarray, truth: np.ndarray) -> float:
    size = model.card.image.size
    hu, truth = central(hu, size), central(truth, size)
    return dice(segment_array(model, hu) & known_voxels(hu), truth)


def _row(clicked: Sequence[float], **further: float) -> Row:
    values = {"one_click": clicked[0], **further}
    return {
        **{f"dice_{name}": values[name] for name in METHODS if name in values},
        "sd_between_clicks": float(np.std(clicked)),
        "mean_of_clicks": float(np.mean(clicked)),
    }


def correction(
    mask: np.ndarray, truth: np.ndarray, known: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the click inside or outside with which a person would correct a mask.

    It is the deepest voxel of the wrong region, missed or too much, that is thickest.
    """
    missed, excess = truth & ~mask, mask & ~truth & known
    depths = [
        -signed_distance(wrong) if wrong.any() else np.full(truth.shape, -np.inf)
        for wrong in (missed, excess)
    ]
    depth = max(depths, key=np.max)
    if not np.isfinite(depth).any():
        return [], []
    click = np.array(np.unravel_index(int(depth.argmax()), depth.shape), float)
    return ([click], []) if truth[tuple(click.astype(int))] else ([], [click])


def quality_metrics(rows: Sequence[Row], where: str) -> dict[str, Metric]:
    """Return what the rows of cases come to, by name; see `Quality`."""
    metrics: dict[str, Metric] = {}
    if not rows:
        return metrics
    for method in METHODS:
        name = f"dice_{method}"
        if name not in rows[0]:
            continue
        for statistic, function in STATISTICS.items():
            metrics[f"{name}_{statistic}"] = _metric(rows, name, function, where)
        for group, members in _groups(rows).items():
            if method in ("corrected", "box"):
                continue
            words = f"{where}, {group.replace('_', ' ')}"
            for statistic in ("median", "worst_tenth"):
                key = f"{name}_{statistic}_{group}"
                metrics[key] = _metric(members, name, STATISTICS[statistic], words)
    column = "sd_between_clicks"
    metrics[f"dice_{column}"] = _metric(rows, column, STATISTICS["median"], where)
    return metrics


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each size and texture that some have."""
    groups = {
        name: [row for row in rows if low <= row["diameter_mm"] < high]
        for name, (low, high) in SIZES.items()
    }
    rated = [row for row in rows if row["texture"]]
    groups |= {
        name: [row for row in rated if low <= float(row["texture"]) < high]
        for name, (low, high) in TEXTURES.items()
    }
    for name in ("complete", "cut_out"):
        groups[name] = [row for row in rows if row["surroundings"] == name]
    return {name: members for name, members in groups.items() if members}


def _metric(rows: Sequence[Row], column: str, statistic: Statistic, where: str) -> Metric:
    values = np.array([row[column] for row in rows])
    patients = np.array([row["patient"] for row in rows])
    estimate = bootstrap(
        lambda _, values: statistic(values),
        np.zeros(len(values)),
        values,
        groups=patients,
        stratify=False,
    )
    low, high = min(estimate.low, estimate.value), max(estimate.high, estimate.value)
    return Metric(estimate.value, low, high, len(values), where)
