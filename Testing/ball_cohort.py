"""A small cohort that can be learnt in seconds: balls in lung, solid ("LUSC") or ground glass."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, Store, open_store

SIDE = 48


def ball_volumes(folder: Path, n: int, *, seed=0, first=0) -> Path:
    """CT and mask of each patient, and `manifest.csv` with histology, age, site and survival."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    z, y, x = np.indices((SIDE,) * 3) - SIDE / 2
    rows = []
    for number in range(first, first + n):
        solid = number % 2 == 1
        radius = random.uniform(4, 8)
        ball = x * x + y * y + z * z < radius**2
        hu = random.normal(-850, 60, ball.shape) + ball * (850 if solid else 550)
        for name, array in (("ct", hu.astype(np.int16)), ("mask", ball.astype(np.uint8))):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{name}{number}.nrrd"))
        rows.append(
            {
                "case": f"c{number:03}",
                "patient_id": f"P{number}",
                "ct": f"ct{number}.nrrd",
                "mask": f"mask{number}.nrrd",
                "site": "AB"[number // 2 % 2],
                "histology": "LUSC" if solid else "LUAD",
                "time": f"{random.exponential(2 if solid else 1):.3f}",
                "event": str(number % 3 % 2),
                "age": "" if number % 7 == 0 else str(random.integers(50, 80)),
            }
        )
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder / "manifest.csv"


def ball_store(folder: Path, n: int, **how) -> Store:
    """Their store: crops of 32 voxels with a margin of 4."""
    manifest = ball_volumes(folder / "volumes", n, **how)
    build_cohort(manifest, folder / "store", preprocessing=Preprocessing(32, 4))
    return open_store(folder / "store")
