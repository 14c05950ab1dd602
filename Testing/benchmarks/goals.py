"""What LungSquad is to need, and whether it did: arithmetic on results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .crop_contenders import LUNGSQUAD, MONAI, SIMPLEITK, TORCHIO
from .feature_programs import SAME_FAMILIES

# Crops agree with SimpleITK's where they are no further apart than rounding makes them.
LARGEST_HU, MOST_MASK_VOXELS = 1.0, 0
FLAT_MB = 15.0  # more slices are more headers, never more voxels
OUTPUTS_APART = 1e-4  # of the probabilities

_FORMATS: dict[str, Callable[[float], str]] = {
    "part": lambda value: f"1/{value:.3g}",
    "MB": lambda value: f"{value:.0f} MB",
    "s": lambda value: f"{value:.3g} s",
    "ms": lambda value: f"{value * 1e3:.3g} ms",
    "fraction": lambda value: f"{value:.3g}",
    "HU": lambda value: f"{value:.2g} HU",
    "a second": lambda value: f"{value:.3g} a second",
    "count": lambda value: f"{value:.0f}",
}


@dataclass(frozen=True)
class Goal:
    """A value and its limit. A `part` of 15 is a fifteenth: there more is better."""

    table: str
    subject: str
    value: float
    limit: float
    unit: str
    sense: Literal["at most", "at least"] = "at most"

    @property
    def reached(self) -> bool:
        """False too where the value is not a number."""
        if self.unit == "part" or self.sense == "at least":
            return self.value >= self.limit
        return self.value <= self.limit

    @property
    def asked(self) -> str:
        return f"{self.sense} {_FORMATS[self.unit](self.limit)}"

    @property
    def measured(self) -> str:
        return _FORMATS[self.unit](self.value)

    def to_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "subject": self.subject,
            "asked": self.asked,
            "measured": self.measured,
            "value": self.value,
            "limit": self.limit,
            "reached": self.reached,
        }


def goals_of(results: dict[str, Any]) -> list[Goal]:
    """The goals of the tables that were measured."""
    tables = {
        "crop": _crop,
        "network": _network,
        "start": _start,
        "cohort": _cohort,
        "tables": _tables,
        "molecules": _molecules,
        "features": _features,
    }
    return [
        goal for name, table in tables.items() if name in results for goal in table(results[name])
    ]


def disagreements(results: dict[str, Any]) -> list[str]:
    """Sentences about contenders that did not give the same answer: their times mean nothing."""
    found = [
        f"{name}: up to {one['largest_hu']:.3g} HU and {one['mask_voxels']} mask voxels off"
        for name, one in results.get("crop", {}).get("agreement", {}).items()
        if not (one["largest_hu"] <= LARGEST_HU and one["mask_voxels"] <= MOST_MASK_VOXELS)
    ]
    found += [
        f"{one['title']}, {name}: answers up to {row['apart']:.1e} off"
        for one in results.get("network", {}).values()
        for name, row in one["rows"].items()
        if not row["apart"] <= OUTPUTS_APART
    ]
    return found


def _crop(crop: dict[str, Any]) -> list[Goal]:
    medians = {name: row["medians"] for name, row in crop["rows"].items()}
    ours, agreement = medians[LUNGSQUAD], crop["agreement"][LUNGSQUAD]
    peaks = [row["medians"]["peak_mb"] for row in crop["peak_by_slices"].values()]
    flat = Goal("crop", "peak memory, most less fewest slices", peaks[-1] - peaks[0], FLAT_MB, "MB")
    return [
        *(
            Goal("crop", f"CPU time against {name}", medians[name]["cpu_s"] / ours["cpu_s"], *of)
            for name, of in (
                (SIMPLEITK, (15, "part")),
                (TORCHIO, (40, "part")),
                (MONAI, (100, "part")),
            )
        ),
        Goal("crop", "peak memory", max(peaks), 250, "MB"),
        *([flat] if len(peaks) > 1 else []),
        # Of the processor, not of the clock: the crop is one thread, and others use the machine.
        Goal("crop", "CPU with both in memory", crop["in_memory"]["medians"]["cpu_s"], 0.03, "ms"),
        Goal("crop", "HU from SimpleITK's crop", agreement["largest_hu"], LARGEST_HU, "HU"),
        Goal(
            "crop",
            "mask voxels other than SimpleITK's",
            agreement["mask_voxels"],
            MOST_MASK_VOXELS,
            "count",
        ),
    ]


def _network(network: dict[str, Any]) -> list[Goal]:
    return [
        Goal(
            "network",
            f"{one['title']}: {one['ours']}",
            one["rows"][one["ours"]]["medians"]["nominal"],
            one["goal"],
            "fraction",
            "at least",
        )
        for one in network.values()
    ]


def _start(start: dict[str, Any]) -> list[Goal]:
    medians = {name: row["medians"]["seconds"] for name, row in start["rows"].items()}
    return [
        Goal("start", "`lungsquad --help`", medians["lungsquad --help"], 0.25, "ms"),
        Goal("start", "`import LungSquadLib`", medians["import LungSquadLib"], 0.05, "ms"),
        Goal("start", "of torch and numpy, how many it pulls", len(start["pulled"]), 0, "count"),
    ]


def _cohort(cohort: dict[str, Any]) -> list[Goal]:
    few, many = (cohort["rows"][name]["medians"] for name in ("few", "many"))
    flat = "peak memory of the {}, many less few cases"
    return [
        # Of the processor, not of the clock: others use the machine.
        Goal("cohort", "cases a core", 1 / many["cpu_s"], 8, "a second", "at least"),
        *(
            Goal("cohort", flat.format(who), many[peak] - few[peak], FLAT_MB, "MB")
            for who, peak in (("caller", "peak_mb"), ("worker", "worker_peak_mb"))
        ),
    ]


def _tables(tables: dict[str, Any]) -> list[Goal]:
    medians = {name: row["medians"] for name, row in tables["rows"].items()}
    return [
        goal
        for name, one in medians.items()
        for goal in (
            Goal("tables", f"CPU time, {name}", one["cpu_s"], 10, "s"),
            Goal("tables", f"peak memory, {name}", one["peak_mb"], 2048, "MB"),
        )
    ]


def _molecules(molecules: dict[str, Any]) -> list[Goal]:
    limits = {"autoencoder, an epoch": (5, 1536), "integration, a fold": (60, 2048)}
    return [
        goal
        for name, (seconds, mb) in limits.items()
        for medians in (molecules["rows"][name]["medians"],)
        for goal in (
            Goal("molecules", f"CPU time, {name}", medians["cpu_s"], seconds, "s"),
            Goal("molecules", f"peak memory, {name}", medians["peak_mb"], mb, "MB"),
        )
    ]


def _features(features: dict[str, Any]) -> list[Goal]:
    cpu = {name: row["medians"]["cpu_s"] for name, row in features["rows"].items()}
    return [
        *(
            Goal("features", f"CPU time against {name}", cpu[name] / cpu[LUNGSQUAD], 20, "part")
            for name in SAME_FAMILIES
            if name in cpu
        ),
        Goal("features", "CPU time", cpu[LUNGSQUAD], 1, "s"),
    ]
