"""The rows of a report that tell the T stage by size."""

from __future__ import annotations

from typing import Any

from ..html import Child, element


def size_rows(staged: dict[str, Any]) -> list[tuple[str, Child]]:
    """Both diameters, and the stage with what it leaves out.

    Args:
        staged: as `SizeStage.to_dict` gives it.
    """
    editions = ", ".join(f"{stage} ({one}th)" for one, stage in staged["editions"].items())
    sentences = [staged["sentence"], staged["limits"], f"By edition: {editions}."]
    return [
        ("Largest diameter", f"{staged['largest_diameter']['mm']:.1f} mm"),
        ("Largest axial diameter", f"{staged['axial_diameter']['mm']:.1f} mm"),
        ("T stage by size", [element("p", sentence) for sentence in sentences]),
    ]
