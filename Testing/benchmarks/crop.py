"""Table 1: the crop, against what others need for it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .children import in_child, say
from .crop_contenders import CONTENDERS, IN_MEMORY, LUNGSQUAD, SIMPLEITK, WITHOUT_ZLIB_NG
from .results import row
from .sample import write_samples

SLICES = 300
OTHER_SLICES = (150, 600)
# Runs in one process (the first is not counted), and fresh processes, for each contender.
_RUNS = {LUNGSQUAD: 31, WITHOUT_ZLIB_NG: 31, SIMPLEITK: 8}
_OTHER_RUNS, _FRESH, _QUICK_RUNS, _QUICK_FRESH = 4, 3, 2, 1


def run(*, quick: bool) -> dict[str, Any]:
    """All samples of the table; see `results` for their form."""
    with tempfile.TemporaryDirectory(prefix="lungsquad-bench-") as name:
        folder = Path(name)
        counts = (SLICES,) if quick else (SLICES, *OTHER_SLICES)
        say(f"crop: writing {max(counts)} slices")
        samples = write_samples(folder, counts)
        ct, mask = samples[SLICES]
        case = {"folder": str(ct), "mask": str(mask)}
        fresh = _fresh(case, _QUICK_FRESH if quick else _FRESH)
        rows = {}
        for contender in CONTENDERS:
            say(f"crop: {contender}, warm")
            runs = _QUICK_RUNS if quick else _RUNS.get(contender, _OTHER_RUNS)
            save = str(folder / _saved(contender))
            job = {**case, "contender": contender, "runs": runs, "save": save}
            warm = in_child("crop_contenders", job)
            cold = fresh[contender]
            rows[contender] = row(
                warm_s=warm["wall_s"][1:],
                cpu_s=warm["cpu_s"][1:],
                cold_s=[one["total_s"] for one in cold],
                cold_cpu_s=[one["total_cpu_s"] for one in cold],
                peak_mb=[one["peak_mb"] for one in cold],
            )
        return {
            "slices": SLICES,
            "rows": rows,
            "agreement": _agreement(folder, samples[SLICES]),
            "in_memory": _in_memory(case, 3 if quick else 31),
            "peak_by_slices": {
                str(count): row(peak_mb=_peaks(paths, 1 if quick else _FRESH))
                for count, paths in sorted(samples.items())
            },
        }


def _fresh(case: dict[str, str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """One crop in each fresh process, the contenders in turn."""
    answers: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
    for number in range(rounds):
        for contender, mine in answers.items():
            say(f"crop: {contender}, cold, {number + 1} of {rounds}")
            mine.append(in_child("crop_contenders", {**case, "contender": contender, "runs": 1}))
    return answers


def _in_memory(case: dict[str, str], runs: int) -> dict[str, Any]:
    say("crop: LungSquad, in memory")
    warm = in_child("crop_contenders", {**case, "contender": IN_MEMORY, "runs": runs})
    return row(warm_s=warm["wall_s"][1:], cpu_s=warm["cpu_s"][1:])


def _peaks(paths: tuple[Path, Path], rounds: int) -> list[float]:
    say(f"crop: LungSquad, peak memory of {paths[0].name}")
    job = {"folder": str(paths[0]), "mask": str(paths[1]), "contender": LUNGSQUAD, "runs": 1}
    return [in_child("crop_contenders", job)["peak_mb"] for _ in range(rounds)]


def _agreement(folder: Path, sample: tuple[Path, Path]) -> dict[str, dict[str, float]]:
    """How far each crop is from SimpleITK's resampling of the whole volume.

    `largest_hu`, and `mask_voxels` that differ where they do not lie half-way between voxels of
    the CT, where rounding decides. A contender whose grid lies `shift_mm` off SimpleITK's is
    compared with what SimpleITK gives there.
    """
    say("crop: comparing the crops")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(sample[0])))
    ct, mask = reader.Execute(), sitk.ReadImage(sample[1])
    blocks = {name: dict(np.load(folder / _saved(name))) for name in CONTENDERS}
    truth, result = blocks[SIMPLEITK], {}
    for contender, block in blocks.items():
        origin, shape = block["origin"], block["ct"].shape
        hu, marked = truth["ct"], truth["mask"]
        if np.abs(origin - truth["origin"]).max() > 1e-4:
            hu = _resampled(ct, origin, shape, sitk.sitkLinear)
            marked = _resampled(mask, origin, shape, sitk.sitkNearestNeighbor)
        other = ((block["mask"] > 0) != (marked > 0)) & ~_half_way(ct, origin, shape)
        off = (origin - truth["origin"] + 0.5) % 1 - 0.5
        result[contender] = {
            "largest_hu": float(np.abs(block["ct"].astype(float) - hu).max()),
            "mask_voxels": int(np.count_nonzero(other)),
            "shift_mm": round(float(np.abs(off).max()), 6),
        }
    return result


def _saved(contender: str) -> str:
    return f"{CONTENDERS[contender].__name__}.npz"


def _half_way(ct: sitk.Image, origin: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    near = []
    for first, count, start, own in zip(
        origin, shape[::-1], ct.GetOrigin(), ct.GetSpacing(), strict=True
    ):
        index = (first - start + np.arange(count)) / own
        near.append(np.abs(index % 1 - 0.5) < 1e-4)
    x, y, z = near
    return z[:, None, None] | y[:, None] | x


def _resampled(
    image: sitk.Image, origin: np.ndarray, shape: tuple[int, ...], interpolator: int
) -> np.ndarray:
    resample = sitk.ResampleImageFilter()
    resample.SetSize(shape[::-1])
    resample.SetOutputOrigin(origin.tolist())
    resample.SetOutputDirection(image.GetDirection())
    resample.SetInterpolator(interpolator)
    return sitk.GetArrayFromImage(resample.Execute(image))
