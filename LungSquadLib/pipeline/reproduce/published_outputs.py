"""The published outputs of the network of Hosny et al. 2018 on LUNG1, from a table of the user."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, parsing
from ...fields import parsed_json
from ...statistics.labelled_rows import LabelledRows

SETS = {  # columns of the table of published outputs, and what they are
    "baseline_output_raw": "the authors of the network",
    "CNN_output_raw": "another group",
}
_LARGEST = 1 << 26


@dataclass(frozen=True)
class Published:
    """Published outputs by patient.

    Attributes:
        label: 1 alive at two years, 0 dead; where the table says it.
        series: UID of the CT.
        probability: of being alive, by set.
    """

    label: Mapping[str, int]
    series: Mapping[str, str]
    probability: Mapping[str, Mapping[str, float]]


def read_published(path: Path) -> Published:
    """Read the table of published outputs.

    Its columns: `PatientID`, `SeriesInstanceUID_CT`, `surv2yr`, and for each of `SETS` the outputs
    of both classes as JSON.

    Raises:
        InputError: it is another table.
    """
    if path.stat().st_size > _LARGEST:
        raise InputError(f"'{path}' is too large for a table of published outputs.")
    with parsing(path, "the table of published outputs"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return Published(
            {row["PatientID"]: int(float(row["surv2yr"])) for row in rows if row["surv2yr"]},
            {row["PatientID"]: row["SeriesInstanceUID_CT"] for row in rows},
            {
                name: {row["PatientID"]: _alive(row[name]) for row in rows if row[name]}
                for name in SETS
            },
        )


def _alive(cell: str) -> float:
    deceased, alive = parsed_json(cell)
    if not abs(deceased + alive - 1) < 1e-3:
        raise ValueError("outputs of two classes do not add to 1")
    return float(alive)


def published_figures(published: Published) -> dict[str, Any]:
    """Return AUC of both sets and their correlation, on the patients that have both and a label."""
    first, second = (published.probability[name] for name in SETS)
    patients = [patient for patient in published.label if patient in first and patient in second]
    label = np.array([published.label[patient] for patient in patients])
    scores = [np.array([each[patient] for patient in patients]) for each in (first, second)]
    rows = LabelledRows(label)
    return {
        "patients": len(patients),
        "auc": [rows.auc(score) for score in scores],
        "correlation": float(np.corrcoef(scores[0], scores[1])[0, 1]),
        "mean_difference": float(np.abs(scores[0] - scores[1]).mean()),
    }
