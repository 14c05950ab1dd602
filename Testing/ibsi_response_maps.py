"""Points of the reference response maps of the IBSI standard's filters.

Maps: Whybra et al., Radiology 2024;310:e231319, github.com/theibsi/ibsi_2_reference_data, CC0
1.0, of phantoms of 64 x 64 x 64 voxels of 2 mm. `python -m Testing.ibsi_response_maps FOLDER`
takes the points from a copy of the maps: the largest responses, and others at random.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

POINTS = Path(__file__).with_suffix(".csv")
MAPS = (
    *("1_a_1", "1_a_2", "1_a_3", "1_a_4", "1_b_1", "2_a", "2_b", "2_c", "3_a_1", "3_a_2", "3_a_3"),
    *("3_b_1", "3_b_2", "3_b_3", "3_c_1", "3_c_2", "3_c_3", "4_a_1", "4_a_2", "5_a_1", "5_a_2"),
    *("7_a_1", "7_a_2", "4_b_1", "4_b_2", "6_a_1", "6_a_2"),
)
TOLERANCE = 0.01  # of a map's range


def impulse() -> np.ndarray:
    """Return the phantom with one voxel of 255 in the middle."""
    image = np.zeros((64, 64, 64))
    image[31, 31, 31] = 255
    return image


def checkerboard() -> np.ndarray:
    """Return the phantom with cubes of 8 voxels, 0 and 255 by turns."""
    z, y, x = np.indices((64, 64, 64)) // 8
    return np.asarray((x + y + z) % 2 * 255.0)


def sphere() -> np.ndarray:
    """Return the phantom with shells of 255 and 0 by turns round the middle."""
    z, y, x = np.indices((64, 64, 64)) - 31
    shell = np.searchsorted((2, 6, 10, 15, 19, 24, 28), np.sqrt(x**2 + y**2 + z**2))
    return np.where(shell % 2, 0.0, 255.0)


def points() -> dict[str, tuple[float, np.ndarray, np.ndarray]]:
    """Return the range, indices (n, 3) along z, y, x, and values (n,) of each map."""
    with POINTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    result = {}
    for name in MAPS:
        own = [row for row in rows if row["map"] == name]
        indices = np.array([[int(row[axis]) for axis in "zyx"] for row in own])
        values = np.array([float(row["value"]) for row in own])
        result[name] = float(own[0]["range"]), indices, values
    return result


def _rows(folder: Path, name: str) -> list[dict[str, object]]:
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}-ValidCRM.nii")))
    largest = np.argsort(-np.abs(values.ravel()), kind="stable")[:25]
    chosen = [*largest, *np.random.default_rng(0).integers(0, values.size, 15)]
    extent = f"{np.ptp(values):.9g}"
    return [
        {
            "map": name,
            "range": extent,
            **dict(zip("zyx", map(int, np.unravel_index(n, values.shape)), strict=True)),
            "value": f"{values.ravel()[n]:.9g}",
        }
        for n in chosen
    ]


if __name__ == "__main__":
    with POINTS.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, ("map", "range", *"zyx", "value"), lineterminator="\n")
        table.writeheader()
        for each in MAPS:
            table.writerows(_rows(Path(sys.argv[1]), each))
