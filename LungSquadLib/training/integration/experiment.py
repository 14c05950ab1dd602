"""The training of the integration network: nested cross-validation, baselines and the model.

In each fold these models are fitted on the training patients and predict the others: the network
with all sources, the network with each single source, ridge logistic regression with all sources
and with clinical facts. Reference scores are taken from the tables. With `--synthetic`, networks
with an image source are trained on synthetic patients as well (see `synthetic`, whose samples are
in the folder `synthetic/`): those of the fold's training patients, and in its inner folds only
those of inner training patients. No figure is measured on them, and the regressions do without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.split_files import SYNTHETIC
from ...data.splits import folds
from ...data.store import CASES
from ...data.tables.matrix import Joined, Matrix
from ...errors import need
from ...files import sweep
from ...inference.attribution import integrated_gradients
from ...networks.devices import float64_of
from ...networks.seeded_dropout import mixed
from ...networks.tables import Standardiser
from ...progress import Part, Progress, step
from ...statistics.calibration import log_odds
from ...statistics.discrimination import auc
from ..card import CardText
from ..experiment import Experiment, Fit, Session, Split, finish_fit, read_rows, run, write_rows
from .data import CLINICAL, LOGISTIC, Setup, set_up
from .export import initial_card, write_model
from .options import IntegrationOptions
from .synthetic import TrainingImages
from .synthetic_rows import pairs_of, synthetic_rows
from .task import (
    FittedNetwork,
    Rows,
    Setting,
    SyntheticRows,
    choose_setting,
    fit_network,
    log_loss,
    log_softmax,
    rows_of,
)

PREDICTIONS, COLUMNS = "predictions.csv", "columns.csv"
PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)  # C of the logistic regression

InnerFolds = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class IntegrationRun:
    """A finished run."""

    folder: Path
    setup: Setup


def train_integration(
    joined: Joined,
    folder: str | os.PathLike[str],
    options: IntegrationOptions,
    *,
    external_test: Joined | None = None,
    images: TrainingImages | None = None,
    card_text: CardText | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> IntegrationRun:
    """Train the integration network on joined tables, and write the run and its model.

    Args:
        joined: of `read_sources`.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        external_test: patients of another cohort, on whom all models are tested in place of a
            cross-validation.
        images: of the patients, from which --synthetic makes further ones.
        card_text: what the user writes into the model's card.
        threads: of the processor; with networks so small more than one make it slower.
        progress: gets the state of the run; may cancel, and nothing but the current fold is lost.

    Raises:
        InputError: the tables, the options or the folder cannot be used; see `set_up`.
        MissingPackageError: scikit-learn is not installed.
    """
    need("sklearn")
    setup = set_up(joined, options, external_test=external_test, images=images)
    experiment = IntegrationExperiment(setup, card_text or CardText())
    run(experiment, Path(folder), threads=threads, progress=progress)
    return IntegrationRun(Path(folder), setup)


class IntegrationExperiment(Experiment[IntegrationOptions]):
    """Nested cross-validation of the network and its comparators, and the final fit."""

    distributable = False

    def __init__(self, setup: Setup, card_text: CardText) -> None:
        self.setup, self.card_text = setup, card_text
        self.options = setup.options

    def described(self) -> dict[str, Any]:
        return self.setup.described()

    def facts(self) -> dict[str, Any]:
        return {"excluded": dict(self.setup.excluded)}

    def check(self) -> None:
        initial_card(self.setup, self.final_fit(), self.card_text)
        for fit in (*self.fits(), self.final_fit()):
            inner_folds(self.setup, fit)
            pairs_of(self.setup, fit)

    def fits(self) -> list[Fit]:
        return outer_fits(self.setup)

    def splits(self) -> list[Split]:
        if self.setup.synthetic is None:
            return [*super().splits()]
        return [
            (
                fit.seed,
                fit.fold,
                {**fit.parts.parts, SYNTHETIC: [pair.name for pair in pairs_of(self.setup, fit)]},
            )
            for fit in self.fits()
        ]

    def prepare(self, session: Session) -> None:
        sweep(session.folder / SYNTHETIC / CASES)

    def final_fit(self) -> Fit:
        """Return a fit on all patients but a validation part.

        With an external test, it is the fit of the first seed.
        """
        first = self.setup.splits[0, 0]
        if self.setup.external:
            return self.fits()[0]
        all_patients = replace(first, train=tuple(sorted((*first.train, *first.test))), test=())
        return Fit("final", 0, -1, all_patients)

    def fit(self, fit: Fit, session: Session) -> None:
        """Fit all models; leave weights, predictions, and the attribution of the columns."""
        setup, folder = self.setup, session.of_fit(fit)
        step(session.progress, 0.0, session.message)
        images = 0.0 if setup.synthetic is None else 0.5
        synthetic = synthetic_rows(setup, fit, session.folder, Part(session.progress, 0.0, images))
        fold = _Fold.of(setup, fit, synthetic)
        progress = Part(session.progress, images, 1.0)
        seed = mixed(self.options.seed, fit.seed, fit.fold + 1)
        single = setup.single_sources if fit.fold >= 0 else ()
        count = 1 + len(single)
        part = Part(progress, 0.0, 1 / count)
        setting, main = fold.network(setup.sources, seed, part)
        logits = {"": main.logits(setup.rows.x[fold.evaluated])}
        for number, source in enumerate(single, 1):
            part = Part(progress, number / count, (number + 1) / count)
            _, fitted = fold.network((source,), mixed(seed, number), part)
            logits[f"{source.name} alone"] = fitted.logits(source.values[fold.evaluated])
        if fit.fold >= 0:
            logits[LOGISTIC] = fold.logistic(setup.rows)
            if setup.clinical is not None:
                logits[CLINICAL] = fold.logistic(Rows(setup.clinical.values, setup.y))
        write_rows(folder / PREDICTIONS, [*_prediction_rows(setup, fit, fold.parts, logits)])
        write_rows(folder / COLUMNS, [*_column_rows(setup, main, fold.parts["test"])])
        finish_fit(
            folder,
            main.network.state_dict(),
            files=[PREDICTIONS, COLUMNS],
            setting=vars(setting),
            columns=main.columns.tolist(),
            temperature=main.temperature,
        )

    def export(self, session: Session) -> None:
        step(session.progress, 0.0, "Writing the model")
        rows = [row for fit in self.fits() for row in read_rows(session.of_fit(fit) / PREDICTIONS)]
        write_rows(session.folder / PREDICTIONS, rows)
        write_model(
            self.setup,
            self.final_fit(),
            session.folder,
            cross_validated=[fit for fit in self.fits() if fit.seed == 0],
            predictions=rows,
            card_text=self.card_text,
        )


def outer_fits(setup: Setup) -> list[Fit]:
    """Return the fits of the outer cross-validation."""
    return [
        Fit(f"seed{seed}-fold{number}", seed, number, fold)
        for (seed, number), fold in setup.splits.items()
    ]


def inner_folds(setup: Setup, fit: Fit) -> InnerFolds:
    """Return the folds of a fit's training patients, as indices among them.

    Raises:
        InputError: there are too few patients of a class.
    """
    training = setup.indices(fit.parts.train)
    cases = [setup.patients[n] for n in training.tolist()]
    labels = [setup.classes[n] for n in setup.y[training].tolist()]
    index = {case.case: n for n, case in enumerate(cases)}
    parts = folds(cases, labels, count=setup.options.inner_folds, seed=fit.seed)
    return [
        tuple(np.array([index[name] for name in names]) for names in part.parts.values())  # type: ignore[misc]
        for part in parts
    ]


@dataclass(frozen=True, eq=False)
class _Fold:
    """The patients of a fit, by indices, its inner folds, and its synthetic patients."""

    setup: Setup
    parts: Mapping[str, np.ndarray]
    inner: InnerFolds
    synthetic: SyntheticRows | None

    @classmethod
    def of(cls, setup: Setup, fit: Fit, synthetic: SyntheticRows | None) -> _Fold:
        parts = {name: setup.indices(names) for name, names in fit.parts.parts.items()}
        return cls(setup, parts, inner_folds(setup, fit), synthetic)

    def synthetic_of(self, sources: Sequence[Matrix]) -> Callable[[np.ndarray], Rows] | None:
        """Return what gives synthetic rows by indices among the training patients.

        None without synthetic patients, and without images: such rows would be repeats.
        """
        setup, synthetic = self.setup, self.synthetic
        names = {source.name for source in sources}
        images = setup.synthetic.images.features if setup.synthetic is not None else {}
        if synthetic is None or names.isdisjoint(images):
            return None
        widths = [len(source.columns) for source in setup.sources]
        columns = np.repeat([source.name in names for source in setup.sources], widths)
        return lambda chosen: synthetic.of(self.parts["train"][chosen], columns)

    @property
    def evaluated(self) -> np.ndarray:
        """Indices of the patients of validation and test, whom the models predict."""
        return np.concatenate([self.parts["validation"], self.parts["test"]])

    def network(
        self, sources: Sequence[Matrix], seed: int, progress: Progress
    ) -> tuple[Setting, FittedNetwork]:
        """Fit the network on some sources, with the setting that the inner folds choose."""
        rows = rows_of(sources, self.setup.y)
        training, validation = rows[self.parts["train"]], rows[self.parts["validation"]]
        shape, epochs = self.setup.shape(sources), self.setup.options.epochs
        synthetic = self.synthetic_of(sources)
        setting = choose_setting(
            training,
            self.inner,
            shape=shape,
            epochs=epochs,
            seed=seed,
            synthetic=synthetic,
            progress=Part(progress, 0.0, 0.9),
        )
        fitted = fit_network(
            training,
            validation,
            shape=shape,
            setting=setting,
            epochs=epochs,
            seed=seed,
            synthetic=None if synthetic is None else synthetic(np.arange(len(training))),
            progress=Part(progress, 0.9, 1.0),
        )
        return setting, fitted

    def logistic(self, rows: Rows) -> np.ndarray:
        """Return logits (n, classes) of ridge logistic regression for the evaluated patients.

        Its penalty is the one with the least log loss in the inner folds. It needs no validation,
        so it is fitted on those patients, too.
        """
        known, losses = rows[self.parts["train"]], np.zeros(len(PENALTIES))
        for n, penalty in enumerate(PENALTIES):
            for training, validation, test in self.inner:
                fitted_on = known[np.concatenate([training, validation])]
                logits = _ridge(fitted_on, penalty, known.x[test])
                losses[n] += log_loss(logits, known.y[test])
        whole = rows[np.concatenate([self.parts["train"], self.parts["validation"]])]
        return _ridge(whole, PENALTIES[int(np.argmin(losses))], rows.x[self.evaluated])


def _ridge(training: Rows, penalty: float, x: np.ndarray) -> np.ndarray:
    """Return logits (n, classes) for rows x by multinomial ridge logistic regression."""
    from sklearn.linear_model import LogisticRegression

    scale = Standardiser(training.x.shape[1])
    scale.fit(torch.from_numpy(training.x))
    before, after = (float64_of(scale(torch.from_numpy(rows))) for rows in (training.x, x))
    model = LogisticRegression(C=penalty, max_iter=1000).fit(before, training.y)
    logits = model.decision_function(after)
    return np.column_stack([-logits / 2, logits / 2]) if logits.ndim == 1 else logits


def _prediction_rows(
    setup: Setup, fit: Fit, parts: Mapping[str, np.ndarray], logits: dict[str, np.ndarray]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each patient of validation and test, as in the tables of other trainings.

    Each compared model has a column with its probability of the positive class; with more than two
    classes one for each. The predicted class is the one with the largest ratio of probability and
    prior in the training patients: otherwise no patient would be predicted to have a rare class.
    """
    priors = np.bincount(setup.y[parts["train"]], minlength=len(setup.classes))
    signs = {
        name: 1 if _rises(setup, values, parts["train"]) else -1
        for name, values in setup.reference_scores.items()
    }
    at = 0
    for part in ("validation", "test"):
        for n in parts[part].tolist():
            patient = setup.patients[n]
            row: dict[str, Any] = {
                "seed": fit.seed,
                "fold": fit.fold,
                "part": part,
                "case": patient.case,
                "patient": patient.patient,
                "site": patient.site,
                setup.options.label: setup.classes[setup.y[n]],
            }
            row |= {name: setup.facts[name][n] for name in ("time", "event") if setup.timed}
            for model, values in logits.items():
                row |= _cells(setup, model, values[at], priors)
            row |= {
                name: signs[name] * float(values[n])
                for name, values in setup.reference_scores.items()
            }
            yield row
            at += 1


def _cells(setup: Setup, model: str, logits: np.ndarray, priors: np.ndarray) -> dict[str, Any]:
    """Return the columns of a model; "" is the network with all sources."""
    log_p, prefix = log_softmax(logits[None])[0], f"{model} " if model else ""
    cells: dict[str, Any] = {
        f"{prefix}predicted": setup.classes[int(np.argmax(log_p - np.log(priors)))]
    }
    if len(setup.classes) > 2:
        for name, p in zip(setup.classes, np.exp(log_p), strict=True):
            cells[f"{prefix}p_{name}"] = float(p)
    if not model:
        cells["score"] = float(np.exp(log_p[setup.positive]))
        cells["log_odds"] = float(log_odds(logits, setup.positive))
    elif len(setup.classes) == 2:
        cells[model] = float(np.exp(log_p[setup.positive]))
    return cells


def _rises(setup: Setup, values: np.ndarray, training: np.ndarray) -> bool:
    """Return whether a score is higher for the positive class, in the training patients."""
    return auc((setup.y[training] == setup.positive).astype(int), values[training]) >= 0.5


def _column_rows(setup: Setup, main: FittedNetwork, test: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield the attribution of each chosen column in the test patients.

    Its importance is the mean absolute attribution to the log odds of the positive class; its
    effect is the slope of the attribution by the standardised column.
    """
    patients = test if len(test) else np.arange(len(setup.y))
    x = setup.rows.x[patients][:, main.columns]
    attribution = integrated_gradients(main.network, x, positive=setup.positive)
    scaled = float64_of(main.network.scale(torch.from_numpy(x)))
    size = np.abs(attribution).mean(axis=0)
    effect = (attribution * scaled).sum(axis=0) / np.maximum((scaled**2).sum(axis=0), 1e-12)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable") + 1
    names = [
        (source.name, column)
        for source in setup.spec(main.columns).sources
        for column in source.columns
    ]
    for n, (source, column) in enumerate(names):
        yield {
            "source": source,
            "column": column,
            "rank": int(rank[n]),
            "importance": float(size[n]),
            "effect": float(effect[n]),
        }
