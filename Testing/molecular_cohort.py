"""Made-up patients with expression: a third of the genes knows histology, none knows stage."""

from __future__ import annotations

import numpy as np

from LungSquadLib.cohort.tables.matrix import Joined, Matrix

STAGES = ("T1", "T2", "T3", "T4")


def simulated(
    patients: int = 90,
    genes: int = 60,
    *,
    histology: float = 2.0,
    missing: float = 0.05,
    seed: int = 0,
) -> Joined:
    """Patients of two histologies, a third of the genes of each kind; 0: nothing to be found.

    Survival hangs on histology; sex, T stage and site on nothing.
    """
    random = np.random.default_rng(seed)
    squamous = np.arange(patients) % 3 == 0
    values = random.normal(size=(patients, genes))
    module = slice(0, genes // 3)
    values[:, module] += histology * np.where(squamous, 1, -1)[:, None]
    values[random.random(values.shape) < missing] = np.nan
    names = tuple(f"LS-{number:016x}" for number in range(patients))
    time = random.exponential(np.where(squamous, 200, 900))
    facts = {
        "t_stage": tuple(np.array(STAGES)[random.integers(0, 4, patients)].tolist()),
        "histology": tuple(np.where(squamous, "LUSC", "LUAD").tolist()),
        "sex": tuple(np.where(random.random(patients) < 0.5, "female", "male").tolist()),
        "age": tuple(f"{age:.1f}" for age in random.normal(65, 9, patients)),
        "time": tuple(f"{days:.0f}" for days in time),
        "event": tuple(np.where(random.random(patients) < 0.7, "1", "0").tolist()),
    }
    columns = tuple(f"GENE{number}" for number in range(genes))
    matrix = Matrix(
        "expression", "expression", names, columns, values.astype(np.float32), "logarithms"
    )
    return Joined(names, (matrix,), facts, ())
