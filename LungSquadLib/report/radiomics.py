"""The report's section on radiomic features."""

from __future__ import annotations

from typing import Any

from ..radiomics.names import AGGREGATION_LABELS, FAMILIES, described, unit_of
from .page import Child, Markup, element, section, small_print, table

_HEADER = ("Feature", "Value", "Unit", "IBSI")
_EXPLANATION = (
    "Features of the Image Biomarker Standardisation Initiative, by family. They depend on the "
    "outline and on the processing, which prediction.json states; most follow the tumour's volume."
)


def radiomics_section(case: dict[str, Any]) -> list[Markup]:
    """Return the radiomic features of a case by family; an empty section where it has none."""
    values = case.get("radiomics", {}).get("features", {})
    families: list[Child] = []
    for family, about in FAMILIES.items():
        rows = [
            feature_row(name, value)
            for name, value in values.items()
            if name.startswith(f"{family}_")
        ]
        if rows:
            summary = element("summary", about.label.capitalize())
            families.append(element("details", summary, table(rows, header=_HEADER)))
    return section("Radiomics", families or None, small_print([_EXPLANATION]) if families else None)


def feature_row(name: str, value: float | None) -> list[Child]:
    """Return a feature in words, its value, its unit and its codes, as texts."""
    feature, aggregation = described(name)
    of_volume = aggregation == "DHQ4"
    how = "" if of_volume else f" ({AGGREGATION_LABELS[aggregation]})"
    unit = unit_of(feature.tag).replace("[hnsf'U]", "HU")
    return [
        f"{feature.label}{how}",
        "not defined" if value is None else f"{value:.5g}",
        "" if unit == "1" else unit,
        feature.code if of_volume else f"{feature.code}, {aggregation}",
    ]
