"""What both sides read: phantoms, and manifests, profiles and nodules out of the real data."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .jobs import EXPRESSION, REAL, TUMOURS

PHANTOMS = ("--patients", "12", "--label-noise", "0", "--sites", "2", "--seed", "5")
PROFILES, NODULES = 3, 24
PLACES = "places.json"


def make_inputs(folder: Path, data: Path | None, run: Callable[[Sequence[str]], None]) -> None:
    """Write what both sides read; `run` runs a command of the older checkout.

    `phantoms`, with `few.csv` for three of them; `phantom`, one of them; and out of the real data
    `real-cases.csv`, `real-profile-N.csv` and `real-nodules`. `places.json`, which is written at
    last, holds the points {centre-NAME}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phantoms = folder / "phantoms"
    run(("cohort", "phantoms", "-o", str(phantoms), *PHANTOMS))
    lines = (phantoms / "manifest.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (phantoms / "few.csv").write_text("".join(lines[:4]), encoding="utf-8")
    shutil.copytree(phantoms / lines[1].split(",")[0], folder / "phantom")
    places = {"centre-phantom": centre(folder / "phantom/mask.nrrd")}
    if data:
        for name, label_map in TUMOURS.items():
            places[f"centre-{name}"] = centre(data / "open" / REAL[label_map][1])
        write_real_cases(folder / "real-cases.csv", data)
        write_profiles(folder, data)
        write_nodules(folder / "real-nodules", data / "open/lidc/cubes51")
    (folder / PLACES).write_text(json.dumps(places, indent=1), encoding="utf-8")


def centre(path: Path) -> str:
    """Return the voxel of a mask next to its centre of mass, as X,Y,Z in LPS mm."""
    image = sitk.ReadImage(str(path))
    inside = np.argwhere(sitk.GetArrayViewFromImage(image) > 0)
    nearest = inside[np.square(inside - inside.mean(0)).sum(1).argmin()]
    point = image.TransformIndexToPhysicalPoint([int(index) for index in nearest[::-1]])
    return ",".join(f"{value:.3f}" for value in point)


def write_real_cases(path: Path, data: Path) -> None:
    """Write a manifest of the real tumours."""
    rows = [("patient_id", "ct", "mask", "roi")]
    for name in TUMOURS:
        ct, mask, *roi = REAL[name]
        rows.append((name, f"{data}/open/{ct}", f"{data}/open/{mask}", roi[1] if roi else ""))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def write_profiles(folder: Path, data: Path) -> None:
    """Write the first patients of the expression table, a file each."""
    with Path(EXPRESSION.replace("{data}", str(data))).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for index in range(PROFILES):
        genes = [("gene", "value"), *((row[0], row[1 + index]) for row in rows[1:])]
        with (folder / f"real-profile-{index}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(genes)


def write_nodules(folder: Path, source: Path) -> None:
    """Write LIDC nodules of clear malignancy as CT and mask, one a patient, with their manifest."""
    with np.load(source / "data.npz", allow_pickle=False) as arrays:
        grey, packed = arrays["u8"], arrays["mask"]
    with (source / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    rows, patients = [("patient_id", "ct", "mask", "malignant")], set()
    for index, label in enumerate(labels):
        rating, patient = float(label["malignancy"]), label["patient_id"]
        kind = "yes" if rating >= 4 else "no"
        full = sum(row[3] == kind for row in rows[1:]) >= NODULES // 2
        if rating == 3 or full or patient in patients:
            continue
        patients.add(patient)
        (folder / patient).mkdir(parents=True)
        hu = np.rint(grey[index].reshape(51, 51, 51) * (1600 / 255) - 1200).astype(np.int16)
        inside = np.unpackbits(packed[index])[: 51**3].reshape(51, 51, 51)
        for name, array in (("ct", hu), ("mask", inside)):
            image = sitk.GetImageFromArray(array)
            sitk.WriteImage(image, str(folder / patient / f"{name}.nrrd"), True)
        rows.append((patient, f"{patient}/ct.nrrd", f"{patient}/mask.nrrd", kind))
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
