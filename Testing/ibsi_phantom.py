"""The digital phantom of the IBSI standard, its reference values, and the table of compliance.

Phantom and values: Zwanenburg et al., The image biomarker standardisation initiative, reference
manual, arXiv:1612.07003, and theibsi.github.io, CC BY 4.0. `python -m Testing.ibsi_phantom` writes
the table of Docs/Reference/Radiomics.md.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LungSquadLib.radiomics.extract import radiomic_features
from LungSquadLib.radiomics.names import described
from LungSquadLib.radiomics.settings import RadiomicsSettings

REFERENCES = Path(__file__).with_name("ibsi_digital_phantom.csv")
PAGE = Path(__file__).parents[1] / "Docs" / "Reference" / "Radiomics.md"
START, END = "<!-- compliance -->", "<!-- end of compliance -->"

# Intensities in columns of x, rows of y, planes of z; a dot in the mask lies outside.
_IMAGE = """
14411 14611 41641 44641
14411 11611 11311 44611
14411 11111 11911 11611
14411 11111 11111 11611
"""
_MASK = """
##### ##### ##### #####
##### ##### .#### #####
###.. ##### ##.## #####
###.. ##### ##### #####
"""
SETTINGS = RadiomicsSettings(
    spacing_mm=None, hu_range=None, bin_size=1, dimensions=("2D", "2.5D", "3D")
)


def phantom() -> tuple[sitk.Image, sitk.Image]:
    """Return the phantom's image and mask: 5 x 4 x 4 voxels of 2 mm."""
    images = []
    for drawing in (_IMAGE, _MASK.replace("#", "1").replace(".", "0")):
        planes = [
            [[int(voxel) for voxel in row] for row in plane.split()]
            for plane in drawing.strip().splitlines()
        ]
        image = sitk.GetImageFromArray(np.array(planes, np.int16))
        image.SetSpacing((2, 2, 2))
        images.append(image)
    return images[0], images[1]


@dataclass(frozen=True)
class Row:
    """A value beside the standard's."""

    name: str
    value: float
    reference: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the value, rounded to three digits as the standard's are, is within tolerance."""
        return abs(float(f"{self.value:.3g}") - self.reference) <= self.tolerance + 1e-12


@cache
def rows() -> tuple[Row, ...]:
    """Return all reference values of the standard, and what the library computes."""
    values = radiomic_features(*phantom(), SETTINGS)
    with REFERENCES.open(encoding="utf-8") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            Row(
                line["feature"],
                values[line["feature"]],
                float(line["reference"]),
                float(line["tolerance"]),
            )
            for line in lines
        )


def table() -> Iterator[str]:
    """Yield the lines of the table of compliance."""
    yield "| Feature | Name | Code | Aggregation | Value | Reference | Tolerance |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows():
        feature, code = described(row.name)
        yield (
            f"| {feature.label} | `{row.name}` | {feature.code} | {code} | {row.value:.6g} | "
            f"{row.reference:g} | {row.tolerance:g} |"
        )


def page_with_table() -> str:
    """Return the page with the table as it is now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    return f"{before}{START}\n\n" + "\n".join(table()) + f"\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(), encoding="utf-8")
