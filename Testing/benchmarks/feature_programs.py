"""The radiomic features of a CT and its mask, as a user of each program writes it.

All leave the voxels as they are and compute in 3D; with mirp and pictologics, grey levels are 25 HU
wide from -1000 HU on. Every program is imported where it is used: it is in an environment of its
own, which has no other.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

from .children import Timer
from .crop_contenders import LUNGSQUAD

SAME_FAMILIES = ("mirp", "pictologics")  # nyxus has no histogram, volume histogram, or peaks
RANGE_HU, BIN_HU = (-1000.0, 400.0), 25.0


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Rounds of one program, after one that warms up."""
    warnings.simplefilter("ignore")
    compute = PROGRAMS[job["program"]]
    timers, count = [], 0
    for _ in range(job["rounds"] + 1):
        with Timer() as timer:
            count = compute(job["ct"], job["mask"])
        timers.append(timer)
    return {
        "cpu_s": [timer.cpu for timer in timers[1:]],
        "features": count,
        "version": metadata.version(job["program"]),
    }


def lungsquad(ct: str, mask: str) -> int:
    """All families, texture merged and averaged over directions."""
    import LungSquadLib as ls

    image = ls.open_ct(ct)
    settings = ls.RadiomicsSettings(spacing_mm=None, hu_range=RANGE_HU, bin_size=BIN_HU)
    return len(ls.radiomic_features(image, ls.read_mask(mask, image), settings))


def mirp(ct: str, mask: str) -> int:
    """The same families and aggregations."""
    from mirp import extract_features

    ways = ["3d_average", "3d_volume_merge"]
    (table,) = extract_features(
        image=ct,
        mask=mask,
        image_modality="ct",
        write_features=False,
        export_features=True,
        resegmentation_intensity_range=list(RANGE_HU),
        base_discretisation_method="fixed_bin_size",
        base_discretisation_bin_width=BIN_HU,
        ivh_discretisation_method="none",
        glcm_spatial_method=ways,
        glrlm_spatial_method=ways,
        glszm_spatial_method="3d",
        gldzm_spatial_method="3d",
        ngtdm_spatial_method="3d",
        ngldm_spatial_method="3d",
    )
    families = ("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
    return sum(column.split("_")[0] in families for column in table.columns)


def pictologics(ct: str, mask: str) -> int:
    """The same families, texture merged over directions; nothing is kept from run to run."""
    os.environ["PICTOLOGICS_DISABLE_WARMUP"] = "1"
    from pictologics.loader import load_image
    from pictologics.pipeline import RadiomicsPipeline

    low, high = RANGE_HU
    families = ["intensity", "morphology", "texture", "histogram", "ivh"]
    pipeline = RadiomicsPipeline(deduplicate=False)
    pipeline.add_config(
        "cube",
        [
            {"step": "binarize_mask", "params": {"threshold": 0.5}},
            {"step": "resegment", "params": {"range_min": low, "range_max": high}},
            {
                "step": "discretise",
                "params": {"method": "FBS", "bin_width": BIN_HU, "min_val": low},
            },
            {
                "step": "extract_features",
                "params": {
                    "families": families,
                    "include_spatial_intensity": True,
                    "include_local_intensity": True,
                    "ivh_use_continuous": True,
                },
            },
        ],
    )
    return len(pipeline.run(load_image(ct), load_image(mask), config_names=["cube"])["cube"])


def nyxus(ct: str, mask: str) -> int:
    """All it has in 3D, on one thread; its grey levels cannot be those of the others."""
    from nyxus import Nyxus3D

    program = Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1, ibsi=True)
    return program.featurize_files([ct], [mask], False).shape[1] - 4  # columns name the files


PROGRAMS: dict[str, Callable[[str, str], int]] = {
    LUNGSQUAD: lungsquad,
    "mirp": mirp,
    "pictologics": pictologics,
    "nyxus": nyxus,
}
