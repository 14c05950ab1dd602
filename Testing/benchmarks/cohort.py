"""Table 4: building a cohort, in cases a second a core and in memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from .children import in_child, say
from .results import row
from .sample import ball, write_samples

SLICES = 100
FEW, MANY = 20, 200


def run(*, quick: bool) -> dict[str, Any]:
    """Builds of few and of many cases by one process; see `results` for the form.

    All cases are of one series, which is in the system's cache, each of another patient.
    """
    few, many = (2, 6) if quick else (FEW, MANY)
    jobs = {
        "few": {"count": few, "keep": False},
        "many": {"count": many, "keep": False},
        "IDs kept": {"count": many, "keep": True},
    }
    with tempfile.TemporaryDirectory(prefix="lungsquad-bench-") as name:
        folder = Path(name)
        say(f"cohort: writing {SLICES} slices")
        write_samples(folder, (SLICES,))
        sitk.WriteImage(ball(SLICES), str(folder / "mask.nrrd"), True)
        rows = {}
        for title, job in jobs.items():
            count = job["count"]
            say(f"cohort: {title}, {count} cases")
            one = in_child("cohort", {**job, "folder": name})
            measured = row(
                cpu_s=[one["cpu_s"] / count],
                wall_s=[one["wall_s"] / count],
                peak_mb=[one["peak_mb"]],
                worker_peak_mb=[one["worker_peak_mb"]],
            )
            rows[title] = {"cases": count, **measured}
    return {"slices": SLICES, "rows": rows}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """One build, with the process that does the work: seconds of both, and its peak."""
    import resource

    from LungSquadLib.data.build import build_cohort

    folder, count = Path(job["folder"]), job["count"]
    lines = [f"P{n},ct-{SLICES},mask.nrrd" for n in range(count)]
    manifest = folder / f"manifest-{count}.csv"
    manifest.write_text("\n".join(["patient_id,ct,mask", *lines]), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as store:
        before = os.times()
        summary = build_cohort(manifest, Path(store) / "store", keep_identity=job["keep"])
        after = os.times()
    if summary.done != count:
        raise RuntimeError(f"only {summary.done} of {count} cases were built")
    return {
        "cpu_s": sum(after[:4]) - sum(before[:4]),
        "wall_s": after.elapsed - before.elapsed,
        # The worker's own: at its fork the parent held less than a crop takes.
        "worker_peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
