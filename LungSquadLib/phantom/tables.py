"""A simulated cohort whose truth is known, to see what a method finds, and what it makes up.

One module of genes follows the T stage, one the histology, one the sex, one the hospital; features
of the image follow a trait of their own, and survival hangs on that trait and on the T stage. So
each source knows something that the others do not, and with an effect of 0 there is nothing to know
but sex and hospital.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..data.manifest import read_manifest
from ..errors import InputError
from ..files import whole_folder, write_csv, write_json
from ..options import check, option
from .tumour import HISTOLOGIES

EXPRESSION, FEATURES, CLINICAL, TRUTH = (
    "expression.csv",
    "features.csv",
    "clinical.csv",
    "simulated.json",
)
MODULE = 20  # genes that follow one thing together
FOLLOWED = ("t_stage", "histology", "sex", "site")
_SMALLEST, _LARGEST = 2 * MODULE * len(FOLLOWED), 50_000
_FEATURES = 12
_STAGES, _STAGE_FRACTIONS = ("T1", "T2", "T3", "T4"), (0.4, 0.35, 0.15, 0.1)
_SEXES = ("female", "male")
_LEVELS = {"t_stage": _STAGES, "histology": HISTOLOGIES, "sex": _SEXES}  # hospitals: as they are
_UP_TO_MM = (30, 50, 70)  # of T1, T2, T3 in the 8th edition
_YEARS = 5  # after which everybody's follow-up has ended


@dataclass(frozen=True)
class Simulation:
    """Options of a simulated cohort."""

    patients: int = option(300, low=10, high=100_000, help="number of patients")
    genes: int = option(
        400, low=_SMALLEST, high=_LARGEST, help="number of genes; most of them have no effect"
    )
    effect: float = option(
        1.0,
        low=0.0,
        high=10.0,
        unit="standard deviations",
        metavar="SD",
        help="difference of the mean expression between neighbouring stages, histologies, sexes "
        "and hospitals; 0: none",
    )
    missing: float = option(
        0.1,
        low=0.0,
        high=0.9,
        metavar="FRACTION",
        help="fraction of missing patients in each table, and of missing cells",
    )
    seed: int = option(0, low=0, high=(1 << 31) - 1, help="random seed")
    manifest: Path | None = option(
        None,
        metavar="CSV",
        help="manifest of `lungsquad cohort phantoms`: simulate the expression of its patients, "
        "without a table of features",
    )

    def __post_init__(self) -> None:
        check(self)


def write_simulated(folder: str | os.PathLike[str], simulation: Simulation) -> Path:
    """Write the tables of a simulated cohort into a new folder, and the truth beside them.

    Raises:
        InputError: the folder exists, or the manifest is none of a phantom
            cohort.
    """
    target = Path(folder)
    if target.exists():
        raise InputError(f"'{target}' exists: choose another folder.")
    facts = _drawn(simulation) if simulation.manifest is None else _phantoms(simulation)
    patients = list(facts)
    # From the seed and who they are: another cohort has other patients, and the same genes.
    named = hashlib.sha256("\n".join(patients).encode()).digest()
    random = np.random.default_rng((simulation.seed, 1, int.from_bytes(named[:8], "big")))
    trait = random.standard_normal(len(patients))
    expression, modules = _expression(list(facts.values()), simulation, random)
    genes = [f"G{number:05d}" for number in range(len(expression))]
    with whole_folder(target, last=TRUTH) as temporary:
        have = _some(len(patients), simulation, random)
        rows: list[dict[str, Any]] = [
            {"gene": gene, **{patients[n]: _cell(values[n]) for n in have}}
            for gene, values in zip(genes, expression, strict=True)
        ]
        write_csv(temporary / EXPRESSION, tuple(rows[0]), rows)
        if simulation.manifest is None:
            _add_survival(facts, trait, simulation, random)
            rows = _feature_rows(patients, trait, simulation, random)
            write_csv(temporary / FEATURES, tuple(rows[0]), rows)
        rows = [{"patient": patient, **facts[patient]} for patient in patients]
        write_csv(temporary / CLINICAL, tuple(rows[0]), rows)
        write_json(temporary / TRUTH, _truth(simulation, genes, modules))
    return target


def _drawn(simulation: Simulation) -> dict[str, dict[str, Any]]:
    random = np.random.default_rng((simulation.seed, 0))
    return {
        f"SIM{simulation.seed}-{number + 1:05d}": {
            "histology": HISTOLOGIES[int(random.random() < 0.35)],
            "t_stage": str(random.choice(_STAGES, p=_STAGE_FRACTIONS)),
            "edition": "8",
            "sex": _SEXES[int(random.random() < 0.55)],
            "age": int(np.clip(random.normal(67, 9), 30, 95)),
            "site": f"site-{'ABC'[int(random.integers(3))]}",
        }
        for number in range(simulation.patients)
    }


def _phantoms(simulation: Simulation) -> dict[str, dict[str, Any]]:
    """What is known of phantom patients; the stage by size, for nothing else made them."""
    assert simulation.manifest is not None  # noqa: S101 - or nobody would ask
    rows = read_manifest(simulation.manifest, required=("patient_id",))
    random = np.random.default_rng((simulation.seed, 2))
    try:
        return {
            row.patient_id: {
                "histology": row.columns["histology_true"],
                "t_stage": _STAGES[np.searchsorted(_UP_TO_MM, float(row.columns["diameter_mm"]))],
                "edition": "8",
                "sex": _SEXES[int(random.random() < 0.55)],
                "site": row.site,
                "alive2y": row.columns["alive2y"],
            }
            for row in rows
        }
    except (KeyError, ValueError) as error:
        raise InputError(
            f"'{simulation.manifest}' is no manifest of `lungsquad cohort phantoms`: it lacks the "
            f"truth about its phantoms ({error})."
        ) from error


def _expression(
    facts: list[dict[str, Any]], simulation: Simulation, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Expression (genes, patients) as logarithms, and the genes (MODULE,) of each module.

    What a gene is like follows from the seed alone, so that a model of one cohort fits another.
    """
    genes, patients = simulation.genes, len(facts)
    nature = np.random.default_rng((simulation.seed, 3))
    chosen = nature.permutation(genes)[: MODULE * len(FOLLOWED)].reshape(len(FOLLOWED), MODULE)
    modules = dict(zip(FOLLOWED, np.sort(chosen, axis=1), strict=True))
    # Genes go up and down together for reasons of their own, as they do in life.
    programmes = nature.normal(0, 0.3, (genes, 5)) @ random.standard_normal((5, patients))
    values = programmes + random.standard_normal((genes, patients))
    for name, its in modules.items():
        levels = _LEVELS.get(name) or sorted({patient[name] for patient in facts})
        level = np.array([levels.index(patient[name]) for patient in facts], float)
        # Genes of the tumour scale with the effect; sex and hospital are always there.
        strength = simulation.effect if name in ("t_stage", "histology") else 1.0
        signs = nature.choice((-1.0, 1.0), MODULE)[:, None]
        values[its] += strength * signs * level
    values = nature.uniform(1, 9, (genes, 1)) + nature.uniform(0.3, 1.2, (genes, 1)) * values
    values[random.random(values.shape) < simulation.missing / 2] = np.nan
    return values, modules


def _feature_rows(
    patients: list[str], trait: np.ndarray, simulation: Simulation, random: np.random.Generator
) -> list[dict[str, Any]]:
    """Features of the image: half of them follow the trait."""
    values = random.standard_normal((len(patients), _FEATURES))
    values[:, : _FEATURES // 2] += simulation.effect * trait[:, None]
    values[random.random(values.shape) < simulation.missing / 2] = np.nan
    return [
        {"patient": patients[n], **{f"feature_{k + 1}": _cell(x) for k, x in enumerate(values[n])}}
        for n in _some(len(patients), simulation, random)
    ]


def _some(patients: int, simulation: Simulation, random: np.random.Generator) -> list[int]:
    """Numbers of the patients whom a source has."""
    return sorted(random.permutation(patients)[round(simulation.missing * patients) :].tolist())


def _add_survival(
    facts: Mapping[str, dict[str, Any]],
    trait: np.ndarray,
    simulation: Simulation,
    random: np.random.Generator,
) -> None:
    """Days and event of each patient: exponential, the hazard by trait and stage; censored."""
    level = np.array([_STAGES.index(patient["t_stage"]) for patient in facts.values()], float)
    hazard = np.exp(simulation.effect * (trait + 0.7 * (level - level.mean()))) / (3 * 365.25)
    death, censored = random.exponential(1 / hazard), random.uniform(365, _YEARS * 365, len(facts))
    for patient, days, end in zip(facts.values(), death, censored, strict=True):
        patient["time"], patient["event"] = max(int(min(days, end)), 1), int(days <= end)


def _cell(value: float) -> float | str:
    return "" if np.isnan(value) else round(float(value), 4)


def _truth(
    simulation: Simulation, genes: list[str], modules: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    settings = {
        name: getattr(simulation, name)
        for name in ("patients", "genes", "effect", "missing", "seed")
    }
    return {
        "notice": "Simulated: what is learned from these tables means nothing for a patient.",
        "lungsquad": __version__,
        "settings": settings,
        "modules": {name: [genes[n] for n in its] for name, its in modules.items()},
        "features": "feature_1 to feature_6 follow a trait that no gene knows; the hazard of death "
        "grows with it, and with the T stage.",
    }
