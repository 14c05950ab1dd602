"""The results: samples with their medians, JSON, and the tables in Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .goals import Goal, goals_of

# Row: {"samples": {quantity: [numbers]}, "medians": {quantity: number}}
Row = dict[str, dict[str, Any]]


def row(**samples: list[float]) -> Row:
    """Every sample of some quantities, and the medians."""
    return {
        "samples": samples,
        "medians": {name: statistics.median(values) for name, values in samples.items() if values},
    }


def write(results: dict[str, Any], folder: Path) -> list[Goal]:
    """`results.json` and `results.md` in a folder; the goals as they were met."""
    goals = goals_of(results)
    folder.mkdir(parents=True, exist_ok=True)
    described = {**results, "goals": [goal.to_dict() for goal in goals]}
    for name, text in {
        "results.json": json.dumps(described, indent=1) + "\n",
        "results.md": markdown(results),
    }.items():
        temporary = folder / f".{name}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / name)
    return goals


def markdown(results: dict[str, Any]) -> str:
    """The tables that were measured, each with its goals."""
    goals = goals_of(results)
    parts = ["# LungSquad beside its peers", *_machine(results)]
    for name, section in (
        ("crop", _crop),
        ("network", _network),
        ("start", _start),
        ("cohort", _cohort),
        ("tables", _tables),
        ("molecules", _molecules),
        ("features", _features),
    ):
        if name in results:
            parts += section(results[name])
            own = [goal for goal in goals if goal.table == name]
            parts += _goals(own) if own else []
    if failed := results.get("failed"):
        parts += ["## Tables that failed", _table(("table", "reason"), failed.items())]
    return "\n\n".join(parts) + "\n"


def _machine(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}; {packages}. Measured "
        f"{results['started']}, with a load of {machine['load']:.1f} from everything on the "
        "machine at the start."
    ]
    if results["quick"]:
        parts.append("**A quick run: few samples, so only orders of magnitude mean anything.**")
    return parts


def _crop(crop: dict[str, Any]) -> list[str]:
    ours = crop["rows"]["LungSquad"]["medians"]["cpu_s"]
    table = _table(
        ("", "warm s", "CPU s", "cold s", "peak MB", "CPU against LungSquad"),
        (
            (
                name,
                _short(one["medians"]["warm_s"]),
                _short(one["medians"]["cpu_s"]),
                _short(one["medians"]["cold_s"]),
                f"{one['medians']['peak_mb']:.0f}",
                f"{one['medians']['cpu_s'] / ours:.1f} x",
            )
            for name, one in crop["rows"].items()
        ),
    )
    peaks = ", ".join(
        f"{one['medians']['peak_mb']:.0f} MB at {slices} slices"
        for slices, one in crop["peak_by_slices"].items()
    )
    memory = crop["in_memory"]["medians"]
    return [
        f"## Crop: 512x512x{crop['slices']} uncompressed DICOM and mask (nii.gz) to 64x64x64 "
        "at 1 mm",
        table,
        "Medians. Warm: again in the same process; cold: a fresh process, imports included; the "
        "files are in the system's cache. Peak: of a fresh process.",
        f"LungSquad's peak: {peaks}. With CT and mask in memory: {memory['warm_s'] * 1e3:.1f} ms, "
        f"{memory['cpu_s'] * 1e3:.1f} ms of CPU.",
        "Largest differences from SimpleITK's resampling of the whole volume. "
        + _agreement(crop["agreement"]),
    ]


def _agreement(agreement: dict[str, dict[str, float]]) -> str:
    def sentence(name: str, one: dict[str, float]) -> str:
        off = f" on its own grid, {one['shift_mm']:.2f} mm off" if one["shift_mm"] > 1e-4 else ""
        return f"{name}{off}: {one['largest_hu']:.2g} HU, {one['mask_voxels']} mask voxels"

    return "; ".join(sentence(name, one) for name, one in agreement.items()) + "."


def _network(network: dict[str, Any]) -> list[str]:
    parts = ["## Network: fraction of the machine's own matrix-product peak, one thread"]
    for one in network.values():
        nominal = one["nominal_gflop"]
        parts += [
            f"### {one['title']}",
            _table(
                ("", "CPU s", "of peak, nominal", "of peak, executed", "executed GFLOP", "apart"),
                (
                    (
                        name,
                        _short(row_["medians"]["cpu_s"]),
                        f"{row_['medians']['nominal']:.3f}",
                        f"{row_['medians']['nominal'] * row_['executed_gflop'] / nominal:.3f}",
                        f"{row_['executed_gflop']:.1f}",
                        f"{row_['apart']:.1e}",
                    )
                    for name, row_ in one["rows"].items()
                ),
            ),
            f"Nominal: {nominal:.1f} GFLOP, the whole network; executed: what is computed, which "
            "for the folded network is less. Apart: largest difference of a probability. Peak: the "
            "product of two float32 matrices of 2048 x 2048, "
            f"{one['peak']['medians']['gflops']:.0f} GFLOP/s. {one['note']}".rstrip(),
        ]
    return parts


def _start(start: dict[str, Any]) -> list[str]:
    table = _table(
        ("", "median ms", "least ms", "most ms"),
        (
            (
                f"`{name}`",
                f"{one['medians']['seconds'] * 1e3:.0f}",
                f"{min(one['samples']['seconds']) * 1e3:.0f}",
                f"{max(one['samples']['seconds']) * 1e3:.0f}",
            )
            for name, one in start["rows"].items()
        ),
    )
    pulled = ", ".join(start["pulled"]) or "neither torch nor numpy"
    count = len(next(iter(start["rows"].values()))["samples"]["seconds"])
    return [
        f"## Start: {count} fresh processes of each",
        table,
        f"Whole processes, but for the import itself. Importing LungSquadLib pulls {pulled}.",
    ]


def _cohort(cohort: dict[str, Any]) -> list[str]:
    table = _table(
        ("", "cases", "CPU s a case", "wall s a case", "caller's peak MB", "worker's peak MB"),
        (
            (
                title,
                str(one["cases"]),
                *(_short(one["medians"][name]) for name in ("cpu_s", "wall_s")),
                *(f"{one['medians'][name]:.0f}" for name in ("peak_mb", "worker_peak_mb")),
            )
            for title, one in cohort["rows"].items()
        ),
    )
    return [
        f"## Cohort: 512x512x{cohort['slices']} uncompressed DICOM and mask (nrrd) to a store",
        table,
        "One build each, by one process, whose start is counted, the files in the system's cache. "
        "Each case is of another patient; where IDs are kept, no pseudonym has to be stretched.",
    ]


def _tables(tables: dict[str, Any]) -> list[str]:
    table = _table(
        ("", "MB of CSV", "CPU s", "wall s", "peak MB"),
        (
            (
                title,
                f"{one['mb']:.0f}",
                *(_short(one["medians"][name]) for name in ("cpu_s", "wall_s")),
                f"{one['medians']['peak_mb']:.0f}",
            )
            for title, one in tables["rows"].items()
        ),
    )
    return [
        f"## Tables: {tables['genes']:,} genes of {tables['patients']:,} patients read and joined "
        "with a clinical table",
        table,
        "Medians of fresh processes, whose imports are not counted; "
        f"{tables['missing']:.0%} of the cells are missing. IDs are kept: pseudonyms take a tenth "
        "of a second each, by design.",
    ]


def _molecules(molecules: dict[str, Any]) -> list[str]:
    table = _table(
        ("", "CPU s", "wall s", "peak MB"),
        (
            (
                title,
                *(_short(one["medians"][name]) for name in ("cpu_s", "wall_s")),
                f"{one['medians']['peak_mb']:.0f}",
            )
            for title, one in molecules["rows"].items()
        ),
    )
    return [
        f"## Networks of tables: {molecules['genes']} genes of {molecules['patients']} patients",
        table,
        "Medians, the autoencoder's on two threads, a fold's on one; each in a process of its own, "
        "after one round before.",
    ]


def _features(features: dict[str, Any]) -> list[str]:
    ours = features["rows"]["LungSquad"]["medians"]["cpu_s"]
    table = _table(
        ("", "features", "CPU s", "cold CPU s", "peak MB", "CPU against LungSquad"),
        (
            (
                f"{title} {one['version']}",
                str(one["features"]),
                *(_short(one["medians"][name]) for name in ("cpu_s", "cold_cpu_s")),
                f"{one['medians']['peak_mb']:.0f}",
                f"{one['medians']['cpu_s'] / ours:.1f} x",
            )
            for title, one in features["rows"].items()
        ),
    )
    return [
        f"## Radiomic features of a 64 mm cube, tumour of {features['volume_ml']:.1f} mL, in 3D",
        table,
        "Medians, on one thread, from two NIfTI files, each program in a process of its own, after "
        "one round before. Cold: a fresh process, imports included, whose compiled code is kept on "
        "disk.",
        *features["skipped"].values(),
    ]


def _goals(goals: Sequence[Goal]) -> list[str]:
    return [
        _table(
            ("goal", "asked", "measured", ""),
            (
                (
                    goal.subject,
                    goal.asked,
                    goal.measured,
                    "reached" if goal.reached else "**not reached**",
                )
                for goal in goals
            ),
        )
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _short(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 10 else f"{seconds:.1f}"
