"""Table 7: the radiomic features of a 64 mm cube, by LungSquad and by other programs.

Each of the others is in an environment of its own, `.venv-bench-NAME` (`make bench-peers`); one
that is not there is skipped.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from .children import ROOT, in_child, say
from .crop_contenders import LUNGSQUAD
from .feature_programs import PROGRAMS
from .results import row

SEED = 0  # of a phantom
ROUNDS = 15
_OTHER_ROUNDS = 3


def run(*, quick: bool) -> dict[str, Any]:
    """Seconds and memory of each program, and a sentence for each that is skipped."""
    rows: dict[str, Any] = {}
    skipped = {}
    with tempfile.TemporaryDirectory(prefix="lungsquad-bench-") as name:
        ct, mask, volume_ml = _write_cube(Path(name))
        for program in PROGRAMS:
            python = Path(sys.executable)
            if program != LUNGSQUAD:
                python = ROOT / f".venv-bench-{program}" / "bin" / "python"
            if not python.exists():
                skipped[program] = (
                    f"{program} was left out: {python.parents[1].name} is missing "
                    "(`make bench-peers`)."
                )
                say(skipped[program])
                continue
            say(f"features: {program}")
            rounds = 1 if quick else ROUNDS if program == LUNGSQUAD else _OTHER_ROUNDS
            job = {"program": program, "ct": str(ct), "mask": str(mask), "rounds": rounds}
            one, *cold = (
                in_child("feature_programs", {**job, **more}, threads=1, python=python)
                for more in ({}, *[{"rounds": 0}] * (1 if quick else _OTHER_ROUNDS))
            )
            rows[program] = {
                **row(
                    cpu_s=one["cpu_s"],
                    cold_cpu_s=[fresh["total_cpu_s"] for fresh in cold],
                    peak_mb=[one["peak_mb"]],
                ),
                "features": one["features"],
                "version": one["version"],
            }
    return {"volume_ml": volume_ml, "rows": rows, "skipped": skipped}


def _write_cube(folder: Path) -> tuple[Path, Path, float]:
    """CT and mask of a phantom patient, and the tumour's volume."""
    import SimpleITK as sitk

    import LungSquadLib as ls
    from LungSquadLib.phantom.patient import Phantom
    from LungSquadLib.phantom.scan import scanned

    cut = ls.crop(*scanned(Phantom(SEED)), size=64)
    paths = folder / "ct.nii.gz", folder / "mask.nii.gz"
    for path, image in zip(paths, (cut.ct, cut.mask), strict=True):
        sitk.WriteImage(image, str(path))
    return *paths, cut.mask_volume_ml
