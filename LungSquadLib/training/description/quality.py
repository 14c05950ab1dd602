"""How well a network describes nodules, beside the readers among themselves and the volume.

For each characteristic: `kappa` (quadratic-weighted, of the rounded rating with the readers' mean),
`readers_kappa` (each reader with the mean of the others), `volume_kappa` (the volume-only
baseline); `AUC` and `volume_AUC` between low and high mean ratings, `AUC_gain` their difference;
`error` (mean absolute, of the readers' mean); `coverage` (share of single ratings in the interval);
`calibration_error` (ECE of the probability of a high rating); and `kept`, `kept_error`,
`kept_kappa` where the model does not abstain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...inference.description import INTERVAL, by_characteristic
from ...models.card import Metric
from ...models.characteristics import Characteristic
from ...statistics.agreement import (
    central_range,
    leave_one_reader_out,
    mean_and_sd,
    scale_kappa,
    tempered,
)
from ...statistics.calibration import ece
from ...statistics.discrimination import auc
from ...statistics.intervals import bootstrap
from .data import Nodules

SIZES_MM = (6.0, 10.0)  # limits of the groups by diameter
SOLID = 4.5  # least mean texture of a solid nodule
_LEAST = 10  # nodules of a figure


def description_metrics(
    nodules: Nodules,
    chosen: np.ndarray,
    log_probabilities: np.ndarray,
    characteristics: Sequence[Characteristic],
    *,
    where: str,
) -> dict[str, Metric]:
    """Return the metrics of the card, by characteristic and measure ("malignancy.kappa").

    Intervals are those of a bootstrap over patients. Malignancy also has figures by diameter and
    texture ("malignancy.kappa.below-6-mm").

    Args:
        nodules: with their ratings.
        chosen: indices (n,) of the nodules.
        log_probabilities: (n, sum of levels) of the network.
        characteristics: of the card.
        where: what these nodules are, in words.
    """
    metrics: dict[str, Metric] = {}
    for scale, columns in by_characteristic(characteristics, log_probabilities):
        rated = _Rated(nodules, chosen, columns, scale)
        for name, metric in rated.metrics(where):
            metrics[f"{scale.name}.{name}"] = metric
        if scale.name != "malignancy":
            continue
        for group, members in _groups(nodules, chosen):
            part = _Rated(nodules, chosen[members], columns[members], scale)
            for name, metric in part.metrics(f"{where}, {group.replace('-', ' ')}"):
                if name in ("kappa", "volume_kappa", "AUC", "volume_AUC"):
                    metrics[f"{scale.name}.{name}.{group}"] = metric
    return metrics


class _Rated:
    """The predictions of one characteristic for nodules that have its ratings."""

    def __init__(
        self, nodules: Nodules, chosen: np.ndarray, columns: np.ndarray, scale: Characteristic
    ) -> None:
        truth = nodules.means(scale.name)[chosen]
        known = ~np.isnan(truth)
        self.scale, self.truth = scale, truth[known]
        ratings = nodules.ratings[nodules.names.index(scale.name)]
        self.ratings = [ratings[number] for number in chosen[known].tolist()]
        self.patients = nodules.patients[chosen][known]
        self.probabilities = tempered(columns[known], scale.temperature)
        expected, self.sd = mean_and_sd(self.probabilities, scale.lowest)
        self.rating = scale.rating(expected)
        volumes = [nodules.cases[number].volume_ml for number in chosen[known].tolist()]
        self.by_volume = np.array([scale.by_volume(volume) for volume in volumes])
        self.log_volume = np.log(volumes) * np.sign(scale.volume[1] or 1)

    def metrics(self, where: str) -> Iterator[tuple[str, Metric]]:
        """Yield the measures by name; those that are not defined for the nodules are left out."""
        kept = self.sd <= self.scale.most_sd
        rows = list(leave_one_reader_out(self.ratings))
        rated_nodules = np.array([row[0] for row in rows], np.int64)
        measured: list[tuple[str, Callable[..., float], Any, np.ndarray]] = [
            ("kappa", self._kappa, (self.truth, self.rating), self.patients),
            ("volume_kappa", self._kappa, (self.truth, self.by_volume), self.patients),
            (
                "readers_kappa",
                self._kappa,
                (np.array([row[1] for row in rows]), np.array([row[2] for row in rows])),
                self.patients[rated_nodules] if rows else self.patients[:0],
            ),
            ("error", _error, (self.truth, self.rating), self.patients),
            ("kept", _share, (kept.astype(float),), self.patients),
            ("kept_error", _error, (self.truth[kept], self.rating[kept]), self.patients[kept]),
            ("kept_kappa", self._kappa, (self.truth[kept], self.rating[kept]), self.patients[kept]),
            *self._discrimination(),
            *self._calibration(),
        ]
        for name, statistic, columns, patients in measured:
            metric = _metric(statistic, columns, patients, where)
            if metric is not None:
                yield name, metric

    def _discrimination(self) -> Iterator[tuple[str, Callable[..., float], Any, np.ndarray]]:
        low, high = self.scale.groups
        here = (self.truth <= low) | (self.truth >= high)
        y, patients = (self.truth[here] >= high).astype(np.int64), self.patients[here]
        network, volume = self.rating[here], self.log_volume[here]
        yield "AUC", auc, (y, network), patients
        yield "volume_AUC", auc, (y, volume), patients
        yield "AUC_gain", _gain, (y, network, volume), patients

    def _calibration(self) -> Iterator[tuple[str, Callable[..., float], Any, np.ndarray]]:
        scale, rows = self.scale, []
        low, high = central_range(self.probabilities, scale.lowest, level=INTERVAL)
        least = int(np.ceil(scale.groups[1]))
        above = self.probabilities[:, least - scale.lowest :].sum(axis=1)
        for number, given in enumerate(self.ratings):
            rows += [(number, rating) for rating in given]
        nodule, rating = np.array(rows, np.int64).reshape(-1, 2).T
        inside = (rating >= low[nodule]) & (rating <= high[nodule])
        yield "coverage", _share, (inside.astype(float),), self.patients[nodule]
        y = (rating >= least).astype(np.int64)
        yield "calibration_error", ece, (y, above[nodule]), self.patients[nodule]

    def _kappa(self, truth: np.ndarray, other: np.ndarray) -> float:
        return scale_kappa(truth, other, self.scale.lowest, len(self.scale.words))


def _groups(nodules: Nodules, chosen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield groups of nodules by diameter and texture: name, and which of the chosen."""
    diameters = np.array([nodules.diameter_mm(number) for number in chosen.tolist()])
    texture = nodules.means("texture")[chosen]
    small, large = SIZES_MM
    yield f"below-{small:g}-mm", diameters < small
    yield f"{small:g}-to-{large:g}-mm", (diameters >= small) & (diameters <= large)
    yield f"above-{large:g}-mm", diameters > large
    yield "solid", texture >= SOLID
    yield "subsolid", texture < SOLID


def _metric(
    statistic: Callable[..., float], columns: Sequence[np.ndarray], patients: np.ndarray, where: str
) -> Metric | None:
    """Return a metric with its interval; None where it is not defined."""
    if len(columns[0]) < _LEAST or len(np.unique(patients)) < 2:
        return None
    try:
        estimate = bootstrap(statistic, *columns, groups=patients, stratify=False)
    except ValueError:
        return None
    if np.isnan(estimate.value):
        return None
    low, high = min(estimate.low, estimate.value), max(estimate.high, estimate.value)
    return Metric(estimate.value, low, high, len(columns[0]), where)


def _error(truth: np.ndarray, value: np.ndarray) -> float:
    return float(np.abs(truth - value).mean())


def _share(hits: np.ndarray) -> float:
    return float(hits.mean())


def _gain(y: np.ndarray, network: np.ndarray, volume: np.ndarray) -> float:
    return auc(y, network) - auc(y, volume)
