"""The reference values of the IBSI standard's CT phantom, against `lungsquad radiomics`.

`python -m Testing.ibsi_ct_phantom FOLDER` counts, for each configuration, the values within the
standard's tolerance. FOLDER has `image/phantom.nii.gz` and `mask/mask.nii.gz`
(github.com/theibsi/data_sets, CC BY-NC 3.0, so not among the tests' data), and the standard's
compliance sheets as `A.csv` to `E.csv`, with the columns `tag`, `reference value` and `tolerance`.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from LungSquadLib.cli import main
from LungSquadLib.radiomics.settings import CONFIGURATIONS


def compare(folder: Path, configuration: str) -> tuple[int, list[str]]:
    """Return how many features have a reference value, and those out of tolerance or missing."""
    image, mask = folder / "image" / "phantom.nii.gz", folder / "mask" / "mask.nii.gz"
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "features.csv"
        if main(["radiomics", str(image), str(mask), "-o", str(out), "--settings", configuration]):
            raise RuntimeError("lungsquad radiomics failed")
        with out.open(encoding="utf-8", newline="") as file:
            (values,) = csv.DictReader(file)
    with (folder / f"{configuration}.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _is_feature(row)]
    wrong = []
    for row in rows:
        reference, value = float(row["reference value"]), values.get(row["tag"], "")
        digits = f"{float(value):.3g}" if value else "nan"  # as many as the standard gives
        if not abs(float(digits) - reference) <= float(row["tolerance"]) * (1 + 1e-9) + 1e-12:
            wrong.append(f"{row['tag']}: {value or 'missing'}, not {reference:g}")
    return len(rows), wrong


def _is_feature(row: dict[str, str]) -> bool:
    """Whether a row of the sheet is of a feature, not of the phantom, and has a reference value."""
    return not row["family"].startswith("Diagnostics") and bool(row["reference value"])


if __name__ == "__main__":
    for configuration in CONFIGURATIONS:
        count, wrong = compare(Path(sys.argv[1]), configuration)
        print(f"{configuration}: {count - len(wrong)} of {count}", *wrong, sep="\n  ")
