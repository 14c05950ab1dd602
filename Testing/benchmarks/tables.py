"""Table 5: reading a matrix of genes and patients, and joining it with their clinical table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .children import Timer, in_child, say
from .results import row

GENES, PATIENTS = 20_000, 1_000
MISSING = 0.02  # of the cells
REPEATS = 3
ORIENTATIONS = ("genes x patients", "patients x genes")


def run(*, quick: bool) -> dict[str, Any]:
    """Both ways round, from CSV to joined tables; see `results` for the form."""
    genes, patients = (GENES // 40, PATIENTS // 10) if quick else (GENES, PATIENTS)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lungsquad-bench-") as name:
        folder = Path(name)
        names = [f"TCGA-05-{number:04d}" for number in range(patients)]
        lines = "".join(f"{one},LUAD,T2\n" for one in names)
        (folder / "clinical.csv").write_text(f"patient,histology,t_stage\n{lines}")
        for title in ORIENTATIONS:
            say(f"tables: {title}, {genes} genes of {patients} patients")
            sides = [[f"GENE{number}" for number in range(genes)], names]
            down, across = sides if title == ORIENTATIONS[0] else reversed(sides)
            _write(folder / "expression.csv", down, across)
            size = (folder / "expression.csv").stat().st_size / 1e6
            job = {"folder": name, "shape": [patients, genes]}
            found = [in_child("tables", job, threads=1) for _ in range(1 if quick else REPEATS)]
            samples = {key: [one[key] for one in found] for key in ("cpu_s", "wall_s", "peak_mb")}
            rows[title] = {"mb": size, **row(**samples)}
    return {"genes": genes, "patients": patients, "missing": MISSING, "rows": rows}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """One reading and joining, with IDs kept."""
    from LungSquadLib.pipeline.sources import read_sources

    folder = Path(job["folder"])
    texts = [f"{name}={folder / name}.csv" for name in ("expression", "clinical")]
    with Timer() as timer:
        joined = read_sources(texts, keep_ids=True)
    if list(joined.sources[0].values.shape) != job["shape"]:
        raise RuntimeError(f"{joined.sources[0].values.shape} was read")
    return {"cpu_s": timer.cpu, "wall_s": timer.wall}


def _write(path: Path, down: list[str], across: list[str]) -> None:
    """A matrix of numbers with six decimals, of which some are missing."""
    random = np.random.default_rng(0)
    cells = [f"{value:.6f}" for value in random.normal(size=10_000)]
    cells += [""] * round(MISSING * len(cells))
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["", *across]) + "\n")
        for name in down:
            drawn = random.integers(0, len(cells), len(across)).tolist()
            file.write(",".join([name, *[cells[number] for number in drawn]]) + "\n")
