"""The reference values of the IBSI standard's CT phantom, against `lungsquad radiomics`.

`python -m Testing.ibsi_ct_phantom FOLDER` counts, for each configuration and each filter, the
values within the standard's tolerance. FOLDER has `image/phantom.nii.gz` and `mask/mask.nii.gz`
(github.com/theibsi/data_sets, CC BY-NC 3.0, so not among the tests' data), the standard's
compliance sheets as `A.csv` to `E.csv`, with the columns `tag`, `reference value` and `tolerance`,
and `reference_values.csv` of github.com/theibsi/ibsi_2_reference_data.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from LungSquadLib.cli import main
from LungSquadLib.radiomics.settings import CONFIGURATIONS

References = dict[str, tuple[str, str]]  # value and tolerance by feature
_SLICES = ("--by-slice", "--spacing-mm", "0.9769999980926514")  # as they are
_VOLUME = ("--spacing-mm", "1", "--interpolation", "cubic")
FILTERS = {
    "1.A": _SLICES,
    "1.B": _VOLUME,
    "2.A": (*_SLICES, "--filter", "mean:5:2D"),
    "2.B": (*_VOLUME, "--filter", "mean:5"),
    "3.A": (*_SLICES, "--filter", "log:1.5:2D"),
    "3.B": (*_VOLUME, "--filter", "log:1.5"),
    "4.A": (*_SLICES, "--filter", "laws:L5E5:7"),
    "4.B": (*_VOLUME, "--filter", "laws:L5E5E5:7"),
    "5.A": (*_SLICES, "--filter", "gabor:5:2:1.5:2D"),
    "5.B": (*_VOLUME, "--filter", "gabor:5:2:1.5"),
    "6.A": (*_SLICES, "--filter", "wavelet:db3:LH"),
    "6.B": (*_VOLUME, "--filter", "wavelet:db3:LLH"),
    "7.A": (*_SLICES, "--filter", "wavelet:db3:HH:2"),
    "7.B": (*_VOLUME, "--filter", "wavelet:db3:HHH:2"),
}
_STATISTICS = ("--families", "stat", "--bin-number", "32")


def compare(folder: Path, settings: Sequence[str], references: References) -> list[str]:
    """Return the features whose values are out of tolerance or missing, with both values."""
    image, mask = folder / "image" / "phantom.nii.gz", folder / "mask" / "mask.nii.gz"
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "features.csv"
        if main(["radiomics", str(image), str(mask), "-o", str(out), *settings]):
            raise RuntimeError("lungsquad radiomics failed")
        with out.open(encoding="utf-8", newline="") as file:
            (values,) = csv.DictReader(file)
    wrong = []
    for feature, (reference, tolerance) in references.items():
        value = values.get(feature, "")
        digits = f"{float(value):.3g}" if value else "nan"  # as many as the standard gives
        apart = abs(float(digits) - float(reference))
        if not apart <= float(tolerance) * (1 + 1e-9) + 1e-12:
            wrong.append(f"{feature}: {value or 'missing'}, not {reference}")
    return wrong


def of_sheet(path: Path) -> References:
    """Return the reference values of a compliance sheet; not those of the phantom itself."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {
            row["tag"]: (row["reference value"], row["tolerance"])
            for row in csv.DictReader(file)
            if row["reference value"] and not row["family"].startswith("Diagnostics")
        }


def of_filter(path: Path, number: str) -> References:
    """Return the reference values of the response to a filter."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["feature_tag"]: (row["consensus_value"], row["tolerance"])
            for row in csv.DictReader(file, delimiter=";")
            if row["filter_id"] == number
        }


def _print(title: str, references: References, wrong: list[str]) -> None:
    print(f"{title}: {len(references) - len(wrong)} of {len(references)}", *wrong, sep="\n  ")


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    for name in CONFIGURATIONS:
        expected = of_sheet(FOLDER / f"{name}.csv")
        _print(name, expected, compare(FOLDER, ["--settings", name], expected))
    for name, given in FILTERS.items():
        expected = of_filter(FOLDER / "reference_values.csv", name)
        _print(name, expected, compare(FOLDER, [*given, *_STATISTICS], expected))
