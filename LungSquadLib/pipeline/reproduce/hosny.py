"""The survival network of Hosny et al. 2018 on LUNG1, beside two published sets of its outputs.

Two groups published what the same weights gave for the same patients. Only the preparation of the
images differs, so what differs in the outputs is due to it. The recipe runs the weights once more,
on crops of this library, and on the same crops moved by a few millimetres.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ... import __version__
from ...cohorts.fetched_manifest import MANIFEST
from ...cohorts.series_list import read_list
from ...data.case_loop import RowTask, run_cases, stamp_of
from ...data.manifest import Row, look, read_manifest
from ...errors import InputError
from ...evaluation.classifier.evaluate import evaluate
from ...evaluation.classifier.results import StudyDescription, plain
from ...evaluation.classifier.rows import Columns
from ...evaluation.classifier.table import read_table
from ...files import write_csv, write_json
from ...imaging.crop import Crop, crop
from ...imaging.ct import open_ct
from ...imaging.mask_files import read_mask
from ...inference.classifier import logits_and_features
from ...inference.prediction import calibrated_probabilities
from ...models.catalogue import read_model
from ...models.file import Model
from ...networks.devices import thread_count
from ...progress import Part, Progress
from ...report.classifier.page import PAGE as EVALUATION_PAGE
from ...report.classifier.page import write_evaluation
from ...report.reproduction import Section
from ...statistics.intervals import Estimate
from ...statistics.text import format_estimate
from .published_outputs import SETS, Published, published_figures, read_published
from .recipe import (
    GFLOP_AT_50,
    PlanStep,
    RecipeOptions,
    Report,
    cohorts_of,
    fetched,
    hosny_model,
    plan_of_cohort,
    plan_of_weights,
    seconds_of,
)

COHORTS = ("nsclc-radiomics",)
LABEL = "survival2y"
SHIFT = 3  # voxels of 1 mm, along each axis, to either side
# Published outputs (class 1) for checking a file of the weights.
PUBLISHED_ALIVE = {"LUNG1-002": 0.031652980, "LUNG1-004": 0.033939, "LUNG1-006": 0.101525}
TABLE, OUTPUTS, EVALUATION = "outputs.csv", "outputs", "evaluation"


@dataclass(frozen=True)
class Task(RowTask):
    """A case, the model that runs on it, and the file of its outputs."""

    model: str
    path: Path


def plan(folder: Path, options: RecipeOptions) -> list[PlanStep]:
    """Return the steps of the recipe."""
    (name,) = cohorts_of(COHORTS, options)
    cohort = read_list(name).first(options.patients)
    cases, positions = len(cohort.outlines), len(_shifts()) + 1
    return [
        plan_of_cohort(name, folder / "cohort", options, 0)[0],
        *plan_of_weights(folder, options),
        PlanStep(
            "outputs",
            cases * 500,
            seconds_of(cases * positions * GFLOP_AT_50, options.jobs),
            f"{cases} cases at {positions} positions",
        ),
        PlanStep("evaluate", 2e6, 60, "10,000 bootstrap samples"),
    ]


def run(folder: Path, options: RecipeOptions, progress: Progress) -> Report:
    """Do the steps, and return the report."""
    published = None if options.outputs is None else read_published(options.outputs)
    (name,) = cohorts_of(COHORTS, options)
    cohort = fetched(name, folder / "cohort", options, Part(progress, 0.0, 0.4))
    model = read_model(hosny_model(folder, options, Part(progress, 0.4, 0.45)), kind="classifier")
    rows = read_manifest(cohort.manifest, required=("patient_id", "ct", "mask"), keep_identity=True)
    tasks = [
        Task(
            row,
            stamp_of(
                dict(row.cells), look(row.ct), look(row.mask), model.sha256, SHIFT, __version__
            ),
            str(model.path),
            folder / OUTPUTS / f"{row.case}.json",
        )
        for row in rows
    ]
    results = run_cases(
        tasks,
        output_of,
        stored=_stored,
        keep_identity=True,
        jobs=options.jobs,
        progress=Part(progress, 0.45, 0.95),
    )
    table = [
        _row(task, results.results[task.case], published)
        for task in tasks
        if task.case in results.results
    ]
    if not table:
        raise InputError(f"Not one case has outputs: {next(iter(results.errors.values()))}")
    write_csv(folder / TABLE, tuple(table[0]), table, exact=True)
    return _report(folder, model, table, published, results.errors)


def compare_with_published(
    model: Model, cohort: str | os.PathLike[str]
) -> list[tuple[str, float, float]]:
    """Run a model on patients of LUNG1 whose published outputs are known here.

    Args:
        model: the imported weights.
        cohort: folder of `cohort fetch nsclc-radiomics`.

    Returns:
        Patient, and the probability of being alive here and as it was published.

    Raises:
        InputError: the cohort has none of these patients, or one of them cannot be read.
    """
    rows = read_manifest(Path(cohort) / MANIFEST, keep_identity=True)
    result = [
        (row.patient_id, _probabilities(row, model)[0][0], PUBLISHED_ALIVE[row.patient_id])
        for row in rows
        if row.patient_id in PUBLISHED_ALIVE
    ]
    if not result:
        raise InputError(f"'{cohort}' has none of the patients {', '.join(PUBLISHED_ALIVE)}.")
    return result


def output_of(task: Task) -> dict[str, Any]:
    """Return probability and crop of a case, at its centre and moved; it is written to a file."""
    probabilities, cut = _probabilities(task.row, _model(task.model))
    result = {
        "stamp": task.stamp,
        "probability": probabilities[0],
        "moved": probabilities[1:],
        "volume_ml": cut.mask_volume_ml,
        "flags": [flag.code for flag in cut.flags],
    }
    write_json(task.path, result)
    return result


def _probabilities(row: Row, model: Model) -> tuple[list[float], Crop]:
    """Return the probability of the positive class at the crop's centre and moved, and the crop."""
    row.check()
    ct = open_ct(row.ct, series=row.series)
    mask = read_mask(row.mask, ct, roi=row.roi, label=row.label)
    spec = model.card.image
    cut = crop(ct, mask, size=spec.size + 2 * SHIFT, spacing=spec.spacing)
    hu = spec.visible(sitk.GetArrayFromImage(cut.ct), sitk.GetArrayFromImage(cut.mask))
    with thread_count(1):
        logits, _ = logits_and_features(
            model.network,
            spec,
            [_window(hu, shift, spec.size) for shift in ((0, 0, 0), *_shifts())],
            batch=1,
        )
    return [
        float(calibrated_probabilities(each, model.card)[model.card.positive]) for each in logits
    ], cut


@cache
def _model(path: str) -> Model:
    return read_model(path, kind="classifier")


def _shifts() -> list[tuple[int, int, int]]:
    steps = np.eye(3, dtype=int) * SHIFT
    return [(int(z), int(y), int(x)) for step in steps for z, y, x in (step, -step)]


def _window(hu: np.ndarray, shift: tuple[int, int, int], size: int) -> np.ndarray:
    z, y, x = (slice(SHIFT + each, SHIFT + each + size) for each in shift)
    return hu[z, y, x]


def _stored(task: Task) -> dict[str, Any] | None:
    try:
        result = json.loads(task.path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("stamp") == task.stamp else None


def _row(task: Task, result: Mapping[str, Any], published: Published | None) -> dict[str, Any]:
    patient = task.row.patient_id
    row = {
        "case": task.case,
        "patient": patient,
        LABEL: task.row.cells.get(LABEL, ""),
        "probability": result["probability"],
        "moved_mean_change": float(
            np.mean([abs(moved - result["probability"]) for moved in result["moved"]])
        ),
        **{f"moved_{number}": moved for number, moved in enumerate(result["moved"], 1)},
        "volume_ml": result["volume_ml"],
        "flags": " ".join(result["flags"]),
    }
    if published is not None:
        row |= {name: published.probability[name].get(patient, "") for name in SETS}
        series = published.series.get(patient)
        row["same_series"] = "" if series is None else int(series == task.row.series)
    return row


def _report(
    folder: Path,
    model: Model,
    table: Sequence[Mapping[str, Any]],
    published: Published | None,
    errors: Mapping[str, str],
) -> Report:
    sentences, sections, numbers = [], [], {}
    cautions = [
        "The weights do not say which patients they were trained on. LUNG1 is of Maastro, one of "
        "the cohorts of their paper: these patients may be training patients.",
        *([f"{len(errors)} cases failed: {next(iter(errors.values()))}"] if errors else []),
    ]
    if published is not None:
        figures = published_figures(published)
        numbers["published"] = plain(figures)
        first, second = figures["auc"]
        sentences.append(
            f"Of the published outputs of {figures['patients']} patients those of the authors have "
            f"an AUC of {format_estimate(first)}, those of another group with the same weights "
            f"{format_estimate(second)}. They correlate at {figures['correlation']:.2f}: how the "
            "images are prepared decides more than what the tumour looks like."
        )
    comparison = _comparisons(table, published)
    numbers["comparison"] = comparison
    moved = comparison["moved"]
    sentences.append(
        f"Moving the crop by {SHIFT} mm changes the probability of being alive by "
        f"{moved['mean_difference']:.4f} on average, of {moved['patients']} cases."
    )
    rows = [
        (name, each["patients"], each["correlation"], f"{each['mean_difference']:.4f}")
        for name, each in comparison.items()
    ]
    header = ("This run compared with", "Cases", "Correlation", "Mean difference")
    sections.append(Section("Outputs for each patient", header, rows, [(TABLE, TABLE)]))
    evaluation, problem = _evaluated(folder, model, table)
    if evaluation is not None:
        numbers["auc"] = plain(evaluation)
        sentences.append(f"This run has an AUC of {format_estimate(evaluation)}.")
        link = (f"{EVALUATION}/{EVALUATION_PAGE}",) * 2
        sections.append(Section("Evaluation", (), (), [link]))
    else:
        cautions.append(f"The outputs could not be evaluated: {problem}")
    return Report(
        "Hosny et al. 2018 on LUNG1", sentences, cautions, sections, numbers, bool(errors)
    )


def _comparisons(
    table: Sequence[Mapping[str, Any]], published: Published | None
) -> dict[str, dict[str, Any]]:
    """Return correlation and mean difference of this run to moved crops and to each set."""
    here = np.array([row["probability"] for row in table])
    moved = np.array([[row[f"moved_{n + 1}"] for n in range(len(_shifts()))] for row in table])
    result = {"moved": _compared(np.repeat(here, moved.shape[1]), moved.ravel(), len(here))}
    for name, words in SETS.items() if published is not None else ():
        rows = [row for row in table if row[name] != ""]
        pairs = np.array([(row["probability"], row[name]) for row in rows]).reshape(-1, 2)
        if rows:
            result[words] = _compared(pairs[:, 0], pairs[:, 1], len(rows))
            result[words]["same_series"] = sum(row["same_series"] for row in rows)
    return result


def _compared(first: np.ndarray, second: np.ndarray, patients: int) -> dict[str, Any]:
    varies = patients > 1 and first.std() > 0 and second.std() > 0
    return {
        "patients": patients,
        "correlation": round(float(np.corrcoef(first, second)[0, 1]), 3) if varies else None,
        "mean_difference": float(np.abs(first - second).mean()),
    }


def _evaluated(
    folder: Path, model: Model, table: Sequence[Mapping[str, Any]]
) -> tuple[Estimate | None, str]:
    """Evaluate the outputs, the published ones and the volume beside; or say why not."""
    sets = [
        name
        for name in SETS
        if len({row[LABEL] for row in table if row.get(name, "") != ""} - {""}) == 2
    ]
    columns = Columns(
        label=LABEL, score="probability", baselines=("volume_ml", *sets), group="patient"
    )
    study = StudyDescription(
        title="Hosny et al. 2018 on LUNG1",
        question=model.card.question,
        network=f"the model '{model.card.name}', SHA-256 {model.sha256}",
        software={"LungSquad": __version__},
        card=model.card,
    )
    try:
        evaluation = evaluate(read_table(folder / TABLE, columns), columns, positive="1")
    except InputError as error:
        return None, str(error)
    write_evaluation(evaluation, folder / EVALUATION, study=study)
    return None if evaluation.discrimination is None else evaluation.discrimination.auc, ""
