"""Radiomics beside volume, stage and a network on tables and stores of real patients.

`python -m Testing.benchmarks.radiomics lung1 lung1_radiomics_clean.csv.gz` and
`python -m Testing.benchmarks.radiomics lidc STORE features.csv ratings.csv` print the tables of
Docs/Validation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from LungSquadLib.data.feature_table import FeatureTable, read_feature_table
from LungSquadLib.data.splits import folds
from LungSquadLib.data.store import open_store
from LungSquadLib.data.tables.matrix import table_case
from LungSquadLib.data.tables.text import read_rows
from LungSquadLib.statistics.calibration import fit_logistic
from LungSquadLib.statistics.labelled_rows import LabelledRows
from LungSquadLib.statistics.selection import fit_selected_logistic
from LungSquadLib.statistics.text import format_estimate

FOLDS, REPEATS, DAYS = 5, 3, 730
STAGES = ("I", "II", "IIIa", "IIIb")
TRAINING, TEST = ("0", "1", "2"), "3"
BENIGN, MALIGNANT = 2, 4

# Returns the probabilities (N,) of all cases, given those to train on (N,).
Model = Callable[[np.ndarray], np.ndarray]


def by_features(values: np.ndarray, y: np.ndarray, patients: np.ndarray) -> Model:
    """A model of many features, all of it fitted on the training cases."""

    def fitted(training: np.ndarray) -> np.ndarray:
        chosen = training & (y >= 0)
        model = fit_selected_logistic(values[chosen], y[chosen], patients[chosen])
        return model.probability(values)

    return fitted


def by_number(values: np.ndarray, y: np.ndarray) -> Model:
    """A logistic regression on one number."""

    def fitted(training: np.ndarray) -> np.ndarray:
        chosen = training & (y >= 0)
        intercept, slope = fit_logistic(values[chosen], y[chosen])
        return 1 / (1 + np.exp(-(intercept + slope * values)))

    return fitted


def cross_validated(y: np.ndarray, models: Mapping[str, Model]) -> list[str]:
    """Lines of a table: the AUC of each model, and radiomics less each other."""
    known = np.flatnonzero(y >= 0)
    cases = [table_case(f"p{n:04}", np.array([n])) for n in known]
    rows: list[tuple[int, int, int]] = []
    scores: dict[str, list[float]] = {name: [] for name in models}
    for repeat in range(REPEATS):
        split = folds(cases, [str(y[n]) for n in known], count=FOLDS, seed=repeat)
        for number, fold in enumerate(split):
            test = np.array([int(name[1:]) for name in fold.test])
            training = y >= 0
            training[test] = False
            rows += [(n, repeat, number) for n in test.tolist()]
            for name, model in models.items():
                scores[name] += model(training)[test].tolist()
    patient, of_repeat, of_fold = np.array(rows).T
    return compared(LabelledRows(y[patient], patient, of_repeat, of_fold), scores)


def compared(rows: LabelledRows, scores: Mapping[str, list[float]]) -> list[str]:
    """Lines of a table: the AUC of each model, and radiomics less each other."""
    main = np.array(scores["radiomics"])
    lines = []
    for name, values in scores.items():
        less = ""
        if name != "radiomics":
            less = format_estimate(rows.auc_difference(main, np.array(values))[0])
        lines.append(f"| {name} | {format_estimate(rows.auc(np.array(values)))} | {less} |")
    return lines


def lung1(path: Path) -> None:
    """Adenocarcinoma or squamous cell carcinoma, and death within two years."""
    header, cells = read_rows(path)
    column = {name: [row[n] for row in cells] for n, name in enumerate(header)}
    features = read_feature_table(path)
    patients = np.arange(len(cells))
    diameter = np.log([float(cell) for cell in column["original_shape_Maximum2DDiameterSlice"]])
    stage = np.array(
        [STAGES.index(s) if s in STAGES else np.nan for s in column["Overall.Stage"]], float
    )
    stage[np.isnan(stage)] = np.nanmedian(stage)
    days = np.array([float(cell) for cell in column["Survival.time"]])
    dead = np.array([cell == "1" for cell in column["deadstatus.event"]])
    kinds = {"adenocarcinoma": 0, "squamous cell carcinoma": 1}
    questions = {
        "Squamous, not adenocarcinoma": np.array([kinds.get(k, -1) for k in column["Histology"]]),
        "Death within two years": np.where(days >= DAYS, 0, np.where(dead, 1, -1)),
    }
    for question, y in questions.items():
        counts = np.bincount(y[y >= 0])
        print(f"{question} ({counts[1]} of {counts.sum()} patients), {len(features.columns)}")
        models = {
            "radiomics": by_features(features.values, y, patients),
            "diameter": by_number(diameter, y),
            "stage": by_number(stage, y),
        }
        print("\n".join(cross_validated(y, models)))


def lidc(store: Path, table: Path, ratings: Path) -> None:
    """Suspicion of malignancy, at most 2 or at least 4, on the patients of fold 3."""
    features = read_feature_table(table)
    header, cells = read_rows(ratings)
    rated = {row[header.index("case")]: float(row[header.index("malignancy")]) for row in cells}
    cases = [case for case in open_store(store).cases if case.case in features.keys]
    mean = np.array([float(case.value("malignancy") or 3) for case in cases])
    y = np.where(mean <= BENIGN, 0, np.where(mean >= MALIGNANT, 1, -1))
    fold = np.array([case.columns["fold"] for case in cases])
    patients = np.array([case.patient for case in cases])
    test = (fold == TEST) & (y >= 0)
    training = np.isin(fold, TRAINING)
    values = features.of(features.keys_of(cases))
    volume = np.log([case.volume_ml for case in cases])
    network = np.array([rated.get(case.case, np.nan) for case in cases])
    print(f"{(training & (y >= 0)).sum()} nodules to train on, {test.sum()} to test on")
    scores = {
        "radiomics": by_features(values, y, patients)(training)[test],
        "volume": by_number(volume, y)(training)[test],
        "`nodule-description`": network[test],
    }
    rows = LabelledRows(y[test], np.unique(patients[test], return_inverse=True)[1])
    print("\n".join(compared(rows, {name: list(values) for name, values in scores.items()})))
    _print_selected(features, values, y, patients, training)


def _print_selected(
    features: FeatureTable,
    values: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray,
    training: np.ndarray,
) -> None:
    chosen = training & (y >= 0)
    model = fit_selected_logistic(values[chosen], y[chosen], patients[chosen])
    print("selected:", ", ".join(features.columns[n] for n in model.selected))


if __name__ == "__main__":
    {"lung1": lung1, "lidc": lidc}[sys.argv[1]](*map(Path, sys.argv[2:]))
