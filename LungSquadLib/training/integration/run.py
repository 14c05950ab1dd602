"""A training of the integration network: nested cross-validation, baselines, the model.

Its folder holds `run.json` (what decides the results), `splits.csv`, a folder for each fold under
`fits/`, `predictions.csv` (out of fold, the network's answers and beside them those of everything
that it is compared with) and `model.safetensors`. The same call goes on where a run was stopped,
and ends with the same bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ...data.split_files import write_splits
from ...data.tables.matrix import Joined
from ...errors import need
from ...files import sweep
from ...networks.devices import thread_count
from ...progress import Part, Progress, Silent, step
from ..classifier.export import Naming
from ..classifier.fitting import read_rows, write_rows
from ..distributed import World
from ..run_folder import begun
from .export import draft, write_model
from .fold import ANSWERS, Job, final_job, inner_folds, is_done, run_job
from .options import IntegrationOptions
from .setup import Setup, set_up

FITS, PREDICTIONS, MODEL = "fits", "predictions.csv", "model.safetensors"


@dataclass(frozen=True)
class Integrated:
    """A run that is over: its folder, and what it was."""

    folder: Path
    setup: Setup


def train_integration(
    joined: Joined,
    folder: str | os.PathLike[str],
    options: IntegrationOptions,
    *,
    other: Joined | None = None,
    naming: Naming | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Integrated:
    """Train the integration network on joined tables, and write the run and its model.

    Args:
        joined: of `training.sources.read_sources`.
        folder: of the run; one that was stopped goes on.
        options: what to train.
        other: patients of another cohort: all of the first are learnt from, these are the test.
        naming: what the model's card is to say.
        threads: of the processor; see `train_autoencoder`.
        progress: told how it goes; may cancel, and nothing but the fold at work is lost.

    Raises:
        InputError: the tables, the options or the folder cannot be used; see `set_up`.
        MissingPackageError: scikit-learn is not installed.
    """
    need("sklearn")
    progress, place, naming = progress or Silent(), Path(folder), naming or Naming()
    setup = set_up(joined, options, other=other)
    jobs = [Job(seed, fold, parts) for (seed, fold), parts in setup.splits.items()]
    every = list(dict.fromkeys([*jobs, final_job(setup)]))
    # What is wrong with the card, or with the inner folds, is said before anything is written.
    draft(setup, naming)
    for job in every:
        inner_folds(setup, job)
    with thread_count(begun(place, setup.described(), World(), threads=threads)):
        for leftover in (place / FITS).glob("*"):
            sweep(leftover)
        write_splits(place / "splits.csv", [(job.seed, job.fold, job.parts.parts) for job in jobs])
        for number, job in enumerate(every):
            step(progress, number / len(every), f"Fold {number + 1} of {len(every)}")
            if not is_done(place / FITS, job):
                part = Part(progress, number / len(every), (number + 1) / len(every))
                run_job(setup, job, place / FITS, part)
        step(progress, 1.0, "Writing the model")
        answers = [row for job in jobs for row in read_rows(place / FITS / job.name / ANSWERS)]
        write_rows(place / PREDICTIONS, answers)
        write_model(setup, place, answers=answers, naming=naming)
    return Integrated(place, setup)
