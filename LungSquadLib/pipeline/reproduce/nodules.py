"""The nodule segmenter on the patients of LIDC-IDRI that it has not seen, beside each reader."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from ...cohorts.series_list import read_list
from ...data.overlap import unseen_patients
from ...data.store import Preprocessing
from ...errors import InputError
from ...evaluation.classifier.results import plain
from ...files import write_csv
from ...models.catalogue import read_model
from ...models.file import Model
from ...progress import Part, Progress
from ...report.reproduction import Section
from ...training.segmentation.quality import CASES, RESULT
from ..validate_nodules import validate_nodules
from .recipe import PlanStep, RecipeOptions, Report, built, cohorts_of, fetched, plan_of_cohort

COHORTS = ("lidc-idri",)
SEGMENTER = "nodule-segmenter"
PREPROCESSING = Preprocessing(size=64, margin=8)  # at the spacing of the model
IGNORED = ("outputs", "weights", "folds")
MANIFEST = "unseen.csv"
_CASE_S = 1.0  # of a case's masks, from one click, corrected, and without clicks


def plan(folder: Path, options: RecipeOptions) -> list[PlanStep]:
    """Return the steps of the recipe."""
    (name,) = cohorts_of(COHORTS, options)
    cases = len(read_list(name).first(options.patients).outlines)
    return [
        *plan_of_cohort(name, folder / "cohort", options, PREPROCESSING.side),
        PlanStep("validate", cases * 100, cases * _CASE_S, f"{cases} outlines at most"),
    ]


def run(folder: Path, options: RecipeOptions, progress: Progress) -> Report:
    """Do the steps, and return the report."""
    (name,) = cohorts_of(COHORTS, options)
    model = read_model(options.model or SEGMENTER, kind="segmenter")
    cohort = fetched(name, folder / "cohort", options, Part(progress, 0.0, 0.6))
    kept, patients, all_patients = _unseen(cohort.manifest, folder / MANIFEST, model)
    summary = built(
        folder / MANIFEST,
        folder / "store",
        replace(PREPROCESSING, spacing=model.card.image.spacing),
        options,
        keep_identity=False,
        progress=Part(progress, 0.6, 0.8),
    )
    result = validate_nodules(
        model, folder / "store", folder / "validation", progress=Part(progress, 0.8, 1.0)
    )
    metrics = result.metrics
    rows = [
        (name, f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", m.n) for name, m in metrics.items()
    ]
    first = next(iter(metrics.items()))
    return Report(
        f"{model.card.title} on LIDC-IDRI",
        [
            f"{patients} of {all_patients} patients are not among those that the model was trained "
            f"on; they have {kept} outlines. {first[0]}: {first[1].value:.3f} ({first[1].low:.3f} "
            f"to {first[1].high:.3f})."
        ],
        [
            "The patients are of the collection that the model was trained on: the same scanners "
            "and readers. Another hospital's CT may give worse masks.",
            "Each outline is that of one reader; readers of one nodule differ as well.",
            *([f"{summary.failed} outlines could not be used."] if summary.failed else []),
            *result.warnings,
        ],
        [
            Section(
                "Dice coefficient",
                ("", "Value", "95 %", "Cases"),
                rows,
                [(text, f"validation/{text}") for text in (CASES, RESULT)],
            )
        ],
        {"patients": patients, "outlines": kept, "metrics": plain(metrics)},
    )


def _unseen(manifest: Path, target: Path, model: Model) -> tuple[int, int, int]:
    """Write the rows of the patients that a model has not seen; return counts of these.

    Returns:
        Outlines that are kept, their patients, and all patients.
    """
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fetched_patients = {row["patient_id"] for row in rows}
    known = model.card.training.seen
    wanted = fetched_patients if known is None else unseen_patients(known, fetched_patients)
    folder = manifest.parent.relative_to(target.parent).as_posix()
    kept = [
        {**row, **{name: f"{folder}/{row[name]}" for name in ("ct", "mask")}}
        for row in rows
        if row["patient_id"] in wanted
    ]
    if not kept:
        raise InputError(
            f"The model '{model.card.name}' was trained on all {len(fetched_patients)} patients: "
            "fetch more with a larger --patients."
        )
    write_csv(target, tuple(kept[0]), kept, exact=True)
    return len(kept), len(wanted), len(fetched_patients)
