"""The training of a classifier: cross-validation, control fits and the model.

Besides what every run's folder holds (see `training.experiment`), it has `predictions.csv` (out of
fold), `controls.csv` (AUC of each fit) and, with `--synthetic`, the samples in `synthetic/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...data.split_files import SYNTHETIC
from ...data.splits import Fold, subsample
from ...data.store import CASES, StoredCase
from ...files import sweep
from ...progress import Part, Progress, step
from ...statistics.calibration import fit_temperature
from ...statistics.discrimination import auc
from ..card import CardText
from ..experiment import (
    Experiment,
    Fit,
    Session,
    Split,
    finish_fit,
    fit_task,
    read_rows,
    run,
    write_rows,
)
from ..loop import Schedule
from .data import Setup, set_up
from .export import initial_card, write_model
from .fit import (
    LEARNING_CURVE,
    PERMUTED,
    fit_data,
    fit_model,
    pairs_of,
    synthetic_samples,
    trunk_features,
)
from .options import ClassifierOptions
from .predictions import clinical_baseline, prediction_row, radiomics_baseline, volume_baseline
from .task import Classifier, correct_prior

PREDICTIONS, CONTROLS = "predictions.csv", "controls.csv"


@dataclass(frozen=True)
class ClassifierRun:
    """A finished run: its folder, its setup, and warnings for the user."""

    folder: Path
    setup: Setup
    is_main_process: bool
    warnings: tuple[str, ...]


def train_classifier(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: ClassifierOptions,
    *,
    card_text: CardText | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ClassifierRun:
    """Train a classifier on a store, cross-validated, and write the run and its model.

    Args:
        store: of `build_cohort`.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        jobs: fits at once, each in a process of its own. Under torchrun, 1.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Raises:
        InputError: the store, the options or the folder cannot be used, or training and test
            overlap; see `set_up`.
    """
    setup = set_up(store, options)
    experiment = ClassifierExperiment(setup, card_text or CardText())
    context = run(experiment, Path(folder), jobs=jobs, progress=progress)
    warnings = (*setup.warnings, *setup.overlaps)
    return ClassifierRun(Path(folder), setup, context.is_main_process, warnings)


class ClassifierExperiment(Experiment[ClassifierOptions]):
    """Cross-validated fits of a classifier on a store, their controls, and the final fit."""

    def __init__(self, setup: Setup, card_text: CardText) -> None:
        self.setup, self.card_text = setup, card_text
        self.options = setup.options

    def __reduce__(self) -> tuple[Any, ...]:
        # Other processes read the networks again: a pickled tensor goes through a socket, whose
        # path is too long where temporary files lie deep.
        return _experiment, (self.setup.store.folder, self.options, self.card_text)

    @property
    def single_threaded(self) -> bool:
        return self.options.freeze == "trunk"

    @property
    def prepares(self) -> bool:
        return self.options.freeze == "trunk" or self.setup.synthesis is not None

    def described(self) -> dict[str, Any]:
        return self.setup.described()

    def facts(self) -> dict[str, Any]:
        return {"excluded": dict(self.setup.excluded)}

    def check(self) -> None:
        for fit in (*self.fits(), self.final_fit()):
            pairs_of(self.setup, fit)
        initial_card(self.setup, self.final_fit(), self.card_text)

    def fits(self) -> list[Fit]:
        return list(self._fits())

    def _fits(self) -> Iterator[Fit]:
        setup, options = self.setup, self.options
        labels = [case.columns[options.label] for case in setup.cases]
        for (seed, number), fold in setup.splits.items():
            name = f"seed{seed}-fold{number}"
            yield Fit(name, seed, number, fold)
            if options.permuted_labels:
                yield Fit(f"{name}-permuted", seed, number, fold, PERMUTED)
            for count in dict.fromkeys(options.learning_curve):
                smaller = subsample(fold, setup.cases, labels=labels, n=count, seed=seed)
                yield Fit(f"{name}-n{count}", seed, number, smaller, LEARNING_CURVE)

    def final_fit(self) -> Fit:
        """Return the first fit of a single split; after cross-validation, one on all folds.

        The latter has all cases but a validation part for training. Its performance is taken to be
        what the folds reached.
        """
        first = self.setup.splits[0, 0]
        if len({fold for _, fold in self.setup.splits}) == 1:
            return self.fits()[0]
        return Fit("final", 0, -1, Fold((*first.train, *first.test), first.validation, ()))

    def splits(self) -> list[Split]:
        return [
            (
                fit.seed,
                fit.fold,
                {**fit.parts.parts, SYNTHETIC: [pair.name for pair in pairs_of(self.setup, fit)]},
            )
            for fit in self.fits()
            if fit.kind == "main"
        ]

    def prepare(self, session: Session) -> None:
        """Make the synthetic samples, and compute a frozen trunk's features."""
        setup, context = self.setup, session.context
        if context.is_main_process:
            sweep(session.folder / SYNTHETIC / CASES)
        share = slice(context.rank, None, context.size)
        fits = (*self.fits(), self.final_fit())
        pairs = [*dict.fromkeys(pair for fit in fits for pair in pairs_of(setup, fit))]
        half = 0.5 if pairs else 0.0
        part = Part(session.progress, 0.0, half)
        synthetic = synthetic_samples(setup, pairs[share], session.folder, part)
        if self.options.freeze == "trunk":
            cases, later = replace(setup.store, cases=setup.cases[share]), 1 - half / 2
            for store, start, end in ((cases, half, later), (synthetic, later, 1.0)):
                if store.cases:
                    part = Part(session.progress, start, end)
                    trunk_features(setup, store, session.folder, part)

    def fit(self, fit: Fit, session: Session) -> None:
        options, folder = self.options, session.of_fit(fit)
        model = fit_model(self.setup, fit, fit_data(self.setup, fit, session), session)
        task = model.task
        last_start = max(group.from_epoch for group in task.groups)
        fit_task(task, Schedule(options.epochs, options.patience, last_start), folder, session)
        if options.class_weights:
            correct_prior(task.network, task.class_weights)
        validation = fit.parts.validation
        logits = task.predict(self.setup.indices(validation))[0]
        temperature = fit_temperature(logits, self.setup.labels(self._cases(validation)))
        rows = list(self._prediction_rows(fit, task, temperature))
        network = model.finish()
        if session.context.is_main_process:
            write_rows(folder / PREDICTIONS, rows)
            weights = network.state_dict()
            finish_fit(folder, weights, files=[PREDICTIONS], temperature=temperature)

    def _cases(self, names: Sequence[str]) -> list[StoredCase]:
        return [self.setup.by_name[name] for name in names]

    def _prediction_rows(
        self, fit: Fit, task: Classifier, temperature: float
    ) -> Iterator[dict[str, Any]]:
        """Yield a row for each case of validation and test."""
        setup, training = self.setup, self._cases(fit.parts.train)
        y = (setup.labels(training) == setup.positive).astype(int)
        for part in ("validation", "test"):
            names = fit.parts.parts[part]
            if not names:
                continue
            cases = self._cases(names)
            logits, _ = task.predict(setup.indices(names))
            baselines = {"volume": volume_baseline(training, y, cases)}
            if columns := self.options.clinical:
                baselines["clinical"] = clinical_baseline(training, y, cases, columns)
            if setup.radiomics is not None:
                baselines["radiomics"] = radiomics_baseline(
                    training, y, cases, setup.radiomics, least_icc=self.options.least_icc
                )
            for n, case in enumerate(cases):
                calibrated = logits[n] / temperature
                follow_up = setup.follow_up.get(case.case)
                yield {
                    "seed": fit.seed,
                    "fold": fit.fold,
                    "part": part,
                    **prediction_row(case, calibrated, setup.classes, setup.positive),
                    self.options.label: case.columns[self.options.label],
                    **(dict(zip(("time", "event"), follow_up, strict=True)) if follow_up else {}),
                    **{name: values[n] for name, values in baselines.items()},
                }

    def export(self, session: Session) -> None:
        """Write the tables of all fits, and the model."""
        rows: list[dict[str, str]] = []
        controls: list[dict[str, Any]] = []
        for fit in self.fits():
            predictions = read_rows(session.of_fit(fit) / PREDICTIONS)
            if fit.kind == "main":
                rows += predictions
            controls += self._control_rows(fit, predictions)
        write_rows(session.folder / PREDICTIONS, rows)
        write_rows(session.folder / CONTROLS, controls)
        step(session.progress, 0.5, "Writing the model")
        cross_validated = [fit for fit in self.fits() if fit.kind == "main" and fit.seed == 0]
        write_model(
            self.setup,
            self.final_fit(),
            session.folder,
            cross_validated=cross_validated,
            predictions=rows,
            card_text=self.card_text,
        )

    def _control_rows(
        self, fit: Fit, predictions: Sequence[dict[str, str]]
    ) -> Iterator[dict[str, Any]]:
        setup = self.setup
        test = [row for row in predictions if row["part"] == "test"]
        y = np.array([row[self.options.label] == setup.classes[setup.positive] for row in test])
        if 0 < y.sum() < len(y):
            yield {
                "kind": fit.kind,
                "patients": len({case.patient for case in self._cases(fit.parts.train)}),
                "seed": fit.seed,
                "fold": fit.fold,
                "tested": len(test),
                "AUC": auc(y.astype(int), np.array([float(row["score"]) for row in test])),
            }


@cache
def _experiment(store: Path, options: ClassifierOptions, card_text: CardText) -> Experiment[Any]:
    return ClassifierExperiment(set_up(store, options), card_text)
