"""`python -m Testing.segmenter_on_volumes`: a segmenter at the own voxels of a manifest's CT.

`lungsquad validate` measures on a store, whose masks were resampled. Here a mask is compared with
the one that was drawn, voxel by voxel, as two readers are. Beyond a cut-out nothing is known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LungSquadLib.cli.output import bar
from LungSquadLib.cohorts.lidc_arrays import read_table
from LungSquadLib.files import write_csv
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.progress import step
from LungSquadLib.training.segmentation.quality import quality_metrics, random_of, volume_dice

COLUMNS = ("case", "patient_id", "ct", "mask", "set", "fold", "nodule_ml", "texture")


def main() -> None:
    """Print median, quartiles and worst tenth of the Dice coefficients, and write the cases."""
    parser = argparse.ArgumentParser(prog="python -m Testing.segmenter_on_volumes")
    parser.add_argument("model", help="name or file of a segmenter of cubes")
    parser.add_argument("manifest", type=Path, help="of `lungsquad cohort lidc`")
    parser.add_argument("--fold", help="value of the column `fold`; without it, all cases")
    parser.add_argument("-o", "--out", type=Path, required=True, help="table of the cases, .csv")
    arguments = parser.parse_args()
    model, rows = read_model(arguments.model, kind="segmenter"), []
    listed = [
        row
        for row in read_table(arguments.manifest, COLUMNS)
        if arguments.fold is None or row["fold"] == arguments.fold
    ]
    with bar() as progress:
        for number, row in enumerate(listed):
            step(progress, number / len(listed), f"Case {number + 1} of {len(listed)}")
            ct, mask = (
                sitk.ReadImage(str(arguments.manifest.parent / row[name]))
                for name in ("ct", "mask")
            )
            diameter = (6000 * float(row["nodule_ml"]) / np.pi) ** (1 / 3)
            rows.append(
                {
                    "case": row["case"],
                    "patient": row["patient_id"],
                    "diameter_mm": round(diameter, 3),
                    "texture": row["texture"],
                    "surroundings": "complete" if row["set"] == "cubes51" else "cut_out",
                    **volume_dice(
                        model,
                        as_ct(ct),
                        sitk.GetArrayFromImage(mask) != 0,
                        random=random_of(row["case"]),
                    ),
                }
            )
    write_csv(arguments.out, tuple(rows[0]), rows)
    for name, metric in quality_metrics(rows, "at the CT's own voxels").items():
        print(f"{name:50} {metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f}), n {metric.n}")


if __name__ == "__main__":
    main()
