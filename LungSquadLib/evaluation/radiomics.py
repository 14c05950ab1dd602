"""Robustness of radiomic features: agreement over perturbed masks, and correlation with volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..radiomics.names import described
from ..radiomics.perturbed import AS_DRAWN
from ..statistics.agreement import icc_estimate
from ..statistics.selection import spearman

LEAST_ICC = 0.75  # below it a feature is not robust
SAMPLES = 200  # of the bootstrap of each ICC
VOLUME, VOLUME_CORRELATION = "morph_volume", 0.9  # above it a feature hardly says more


def robustness(
    cases: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> list[dict[str, Any]]:
    """Measure how far each feature depends on the outline, and how far it is the volume.

    Args:
        cases: features by name, by perturbation (with "as drawn"), by case.

    Returns:
        A row for each feature: its ICC(2,1) over the cases that have a value for each perturbation,
        with an interval; their number; whether it is at least `LEAST_ICC`; Spearman's correlation
        with the volume of the mask as drawn, and whether that is `VOLUME_CORRELATION` or more.
        None where a value is not defined. No rows with less than two cases.
    """
    perturbations = list(dict.fromkeys(name for values in cases.values() for name in values))
    names = list(dict.fromkeys(n for values in cases.values() for n in values[AS_DRAWN]))
    if len(cases) < 2 or len(perturbations) < 2:
        return []
    values = np.full((len(cases), len(perturbations), len(names)), np.nan)
    for case, of_case in enumerate(cases.values()):
        for number, perturbation in enumerate(perturbations):
            if perturbation in of_case:
                known = of_case[perturbation]
                values[case, number] = [known.get(name, np.nan) for name in names]
    drawn = values[:, perturbations.index(AS_DRAWN)]
    volume = drawn[:, names.index(VOLUME)] if VOLUME in names else np.full(len(cases), np.nan)
    return [
        _row(name, values[:, :, column], drawn[:, column], volume)
        for column, name in enumerate(names)
    ]


def _row(name: str, values: np.ndarray, drawn: np.ndarray, volume: np.ndarray) -> dict[str, Any]:
    feature, aggregation = described(name)
    whole = np.isfinite(values).all(1)
    both = np.isfinite(drawn) & np.isfinite(volume)
    row: dict[str, Any] = {
        "feature": name,
        "code": feature.code,
        "aggregation": aggregation,
        "label": feature.label,
        "cases": int(whole.sum()),
        **dict.fromkeys(("icc", "low", "high", "robust", "volume_correlation", "volume")),
    }
    if whole.sum() > 1 and np.ptp(values[whole]) > 0:
        icc = icc_estimate(values[whole], n=SAMPLES)
        row |= {"icc": icc.value, "low": icc.low, "high": icc.high}
        row["robust"] = int(icc.value >= LEAST_ICC)
    if both.sum() > 1:
        rho = spearman(drawn[both], volume[both])
        if np.isfinite(rho):
            row["volume_correlation"] = rho
            row["volume"] = int(abs(rho) >= VOLUME_CORRELATION)
    return row
