"""What all recipes share: their options, the plan of disk and time, cohorts by name, the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...cohorts.fetch import FetchedCohort, FetchOptions, fetch_cohort, plan_fetch
from ...data.build import build_cohort
from ...data.case_loop import Summary
from ...data.store import Preprocessing
from ...download import checked_server, gigabytes
from ...errors import InputError
from ...files import make_folder, whole_file, write_json
from ...models.published import PUBLISHED, fetch_model
from ...options import option
from ...progress import Progress
from ...report.reproduction import Section, reproduction_page

PAGE, RESULT = "index.html", "result.json"
HOSNY = "hosny2018"
_BYTES_A_SECOND = 20e6  # of a usual connection
_CASES_A_SECOND = 2.0  # of a build, with one process
_SHARE_OF_PEAK = 0.6  # of the matrix product's speed that convolutions reach
GFLOP_AT_50 = 49.4  # of the trunk of Hosny et al. 2018 on a cube of 50 voxels


@dataclass(frozen=True)
class RecipeOptions(FetchOptions):
    """Options of `reproduce`: those of `cohort fetch`, and of the recipes."""

    outputs: Path | None = option(
        None, help="hosny-lung1: table of the published outputs, which you have", metavar="CSV"
    )
    weights: Path | None = option(
        None, help="published weights on this machine, in place of fetching them", metavar="FILE"
    )
    model: str | None = option(
        None,
        help="model in place of the recipe's: to predict with (hosny-lung1), to start the training "
        "from (lung1-radiogenomics), to validate (lidc)",
        metavar="NAME_OR_FILE",
    )
    cohorts: tuple[str, ...] = option(
        (), help="cohorts, or lists of series, in place of the recipe's", metavar="A,B"
    )
    folds: int = option(
        5, low=2, help="lung1-radiogenomics: folds of the cross-validation within a cohort"
    )
    jobs: int = option(1, low=1, help="number of parallel processes")


@dataclass(frozen=True)
class PlanStep:
    """A step of a recipe: bytes on the disk, and seconds, both about; how it is done."""

    name: str
    size: float = 0.0
    seconds: float = 0.0
    how: str = ""


@dataclass(frozen=True)
class Report:
    """The results of a recipe.

    Attributes:
        title: of the page.
        sentences: what was found.
        cautions: sentences; they come first.
        sections: tables of the page.
        numbers: for JSON.
        failed: whether a step could not be done.
    """

    title: str
    sentences: Sequence[str]
    cautions: Sequence[str]
    sections: Sequence[Section]
    numbers: Mapping[str, object]
    failed: bool = False


@dataclass(frozen=True)
class Recipe:
    """A study that can be reproduced.

    Attributes:
        title: a phrase.
        cohorts: their names.
        ignored: names of options that it does not use.
        plan: returns the steps without doing any.
        run: does them in a folder, each going on where an earlier call stopped.
    """

    title: str
    cohorts: tuple[str, ...]
    ignored: tuple[str, ...]
    plan: Callable[[Path, RecipeOptions], list[PlanStep]]
    run: Callable[[Path, RecipeOptions, Progress], Report]


def cohorts_of(recipe: tuple[str, ...], options: RecipeOptions) -> tuple[str, ...]:
    """Return the cohorts: the recipe's, or as many that the user named."""
    if options.cohorts and len(options.cohorts) != len(recipe):
        raise InputError(
            f"--cohorts must name {len(recipe)}, in place of {', '.join(recipe)}; not "
            f"{len(options.cohorts)}."
        )
    return options.cohorts or recipe


def plan_of_cohort(name: str, folder: Path, options: RecipeOptions, side: int) -> list[PlanStep]:
    """Return the steps that fetch and build a cohort."""
    plan = plan_fetch(name, folder, options)
    size = max(plan.outlines + plan.most - plan.present, 0)
    cases = len(plan.cohort.outlines)
    return [
        PlanStep(
            f"cohort fetch {plan.cohort.name}",
            size,
            size / _BYTES_A_SECOND,
            f"{gigabytes(_BYTES_A_SECOND)} a second, {plan.cohort.licence}",
        ),
        PlanStep(
            "cohort build",
            cases * 3 * side**3,
            cases / (_CASES_A_SECOND * options.jobs),
            f"{cases} cases",
        ),
    ]


def plan_of_weights(folder: Path, options: RecipeOptions) -> list[PlanStep]:
    """Return the step that fetches the published weights, if they are needed."""
    model = PUBLISHED[HOSNY]
    if options.model is not None or (folder / f"{model.card_name}.safetensors").is_file():
        return []
    seconds = 0.0 if options.weights else model.size / _BYTES_A_SECOND
    return [PlanStep(f"models fetch {HOSNY}", model.size, seconds, model.licence)]


def seconds_of(gflop: float, jobs: int) -> float:
    """Return about how long convolutions take here, from the speed of a matrix product."""
    side = 512
    matrix = np.ones((side, side), np.float32)
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        np.dot(matrix, matrix)
        best = min(best, time.perf_counter() - begun)
    return gflop / (2e-9 * side**3 / best * _SHARE_OF_PEAK) / jobs


def fetched(name: str, folder: Path, options: RecipeOptions, progress: Progress) -> FetchedCohort:
    """Fetch a cohort with the options of `cohort fetch`."""
    given = {field.name: getattr(options, field.name) for field in fields(FetchOptions)}
    return fetch_cohort(name, folder, FetchOptions(**given), progress=progress)


def built(
    manifest: Path,
    store: Path,
    preprocessing: Preprocessing,
    options: RecipeOptions,
    *,
    keep_identity: bool,
    progress: Progress,
) -> Summary:
    """Build a cohort's store; see `build_cohort`. `keep_identity` suits public IDs."""
    return build_cohort(
        manifest,
        store,
        preprocessing=preprocessing,
        jobs=options.jobs,
        keep_identity=keep_identity,
        progress=progress,
    )


def hosny_model(folder: Path, options: RecipeOptions, progress: Progress) -> str:
    """Return the model of the published weights, fetched if need be; or the one that was named."""
    if options.model is not None:
        return options.model
    path = folder / f"{PUBLISHED[HOSNY].card_name}.safetensors"
    if not path.is_file():
        fetch_model(HOSNY, folder, source=options.weights, progress=progress)
    return str(path)


def check_options(options: RecipeOptions) -> None:
    """Refuse what would be noticed only after hours."""
    checked_server(options.server)
    for path in (options.outputs, options.weights, options.clinical):
        if path is not None and not path.is_file():
            raise InputError(f"There is no file '{path}'.")


def write_report(report: Report, folder: Path) -> Path:
    """Write the page and the numbers of a recipe; return the page."""
    make_folder(folder)
    write_json(folder / RESULT, {**report.numbers, "cautions": list(report.cautions)})
    with whole_file(folder / PAGE) as temporary:
        text = reproduction_page(report.title, report.sentences, report.cautions, report.sections)
        temporary.write_text(text, encoding="utf-8")
    return folder / PAGE
