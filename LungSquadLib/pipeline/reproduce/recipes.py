"""The recipes by name."""

from __future__ import annotations

import os
from pathlib import Path

from ...download import check_space
from ...errors import need
from ...progress import Progress, Silent
from . import cohorts, hosny, nodules
from .recipe import PlanStep, Recipe, RecipeOptions, Report, check_options, write_report

RECIPES = {
    "hosny-lung1": Recipe(
        "outputs of the survival network of Hosny et al. 2018 on LUNG1, beside the published ones",
        hosny.COHORTS,
        ("folds",),
        hosny.plan,
        hosny.run,
    ),
    "lung1-radiogenomics": Recipe(
        "histology and survival learnt on one of two cohorts and tested on the other, and back",
        cohorts.COHORTS,
        cohorts.IGNORED,
        cohorts.plan,
        cohorts.run,
    ),
    "lidc": Recipe(
        "the nodule segmenter on the patients of LIDC-IDRI that it has not seen",
        nodules.COHORTS,
        nodules.IGNORED,
        nodules.plan,
        nodules.run,
    ),
}


def plan_reproduction(
    name: str, folder: str | os.PathLike[str], options: RecipeOptions | None = None
) -> list[PlanStep]:
    """Return the steps of a recipe with disk and time; nothing is written or requested."""
    return RECIPES[name].plan(Path(folder), options or RecipeOptions())


def reproduce(
    name: str,
    folder: str | os.PathLike[str],
    options: RecipeOptions | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[Report, Path]:
    """Reproduce a study from the public data to a page; return the report and the page.

    Each step goes on where an earlier call stopped.

    Args:
        name: one of `RECIPES`.
        folder: of all that is fetched and made.
        options: see there.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: as the verbs that the recipe is made of.
        ModelError: the weights or the model cannot be used.
        MissingPackageError: torch, safetensors or matplotlib is not installed.
        CancelledError: `progress` said so; what was finished is kept.
    """
    need("torch", "safetensors", "matplotlib")
    folder, options = Path(folder), options or RecipeOptions()
    check_options(options)
    steps = plan_reproduction(name, folder, options)
    check_space(folder, int(sum(step.size for step in steps)))
    report = RECIPES[name].run(folder, options, progress or Silent())
    return report, write_report(report, folder)
