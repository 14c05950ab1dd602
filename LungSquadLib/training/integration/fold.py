"""One fold of a training on tables: every arm is fitted on its training, and answers for its test.

The arms are the network with all sources, the network with each source alone, ridge logistic
regression with all sources and with clinical facts alone, and the scores of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.splits import Fold, folds
from ...data.tables.matrix import Matrix
from ...errors import InputError
from ...files import sha256_of_file
from ...inference.attribution import integrated_gradients
from ...networks.devices import float64_of
from ...networks.seeded_dropout import mixed
from ...networks.tables import Standardiser
from ...progress import Part, Progress
from ...statistics.calibration import log_odds
from ...statistics.discrimination import auc
from ..checkpoint import load_weights, read_checkpoint, write_checkpoint
from ..classifier.fitting import write_rows
from .setup import CLINICAL, LOGISTIC, Setup
from .task import (
    Fitted,
    Rows,
    Setting,
    chosen_setting,
    fit_network,
    fresh_network,
    log_loss,
    log_softmax,
    network_arguments,
    rows_of,
)

WEIGHTS, ANSWERS, COLUMNS = "weights.safetensors", "answers.csv", "columns.csv"
PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)  # C of the logistic regression

Inner = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Job:
    """One fold of one seed, or, with the fold -1, the final model."""

    seed: int
    fold: int
    parts: Fold

    @property
    def name(self) -> str:
        """Of its folder."""
        return "final" if self.fold < 0 else f"seed{self.seed}-fold{self.fold}"


def run_job(setup: Setup, job: Job, folder: Path, progress: Progress) -> None:
    """Fit all arms; leave weights, answers, and what the columns did in the job's folder."""
    place, fold = folder / job.name, _Fold.of(setup, job)
    seed = mixed(setup.options.seed, job.seed, job.fold + 1)
    compared = setup.alone if job.fold >= 0 else ()
    count = 1 + len(compared)
    setting, main = fold.network(setup.sources, seed, Part(progress, 0.0, 1 / count))
    answers = {"": main.logits(setup.rows.x[fold.asked])}
    for number, source in enumerate(compared, 1):
        part = Part(progress, number / count, (number + 1) / count)
        _, fitted = fold.network((source,), mixed(seed, number), part)
        answers[f"{source.name} alone"] = fitted.logits(source.values[fold.asked])
    if job.fold >= 0:
        answers[LOGISTIC] = fold.logistic(setup.rows)
        if setup.clinical is not None:
            answers[CLINICAL] = fold.logistic(Rows(setup.clinical.values, setup.y))
    write_rows(place / ANSWERS, [*_answer_rows(setup, job, fold.parts, answers)])
    write_rows(place / COLUMNS, [*_column_rows(setup, main, fold.parts["test"])])
    facts = {
        "setting": vars(setting),
        "columns": main.columns.tolist(),
        "temperature": main.temperature,
        "answers": sha256_of_file(place / ANSWERS),
        "table": sha256_of_file(place / COLUMNS),
    }
    write_checkpoint(place / WEIGHTS, main.network.state_dict(), facts)


def is_done(folder: Path, job: Job) -> bool:
    """Whether a job's files are there and whole; where not, it is done again."""
    place = folder / job.name
    try:
        _, facts = read_checkpoint(place / WEIGHTS)
        return bool(
            facts["answers"] == sha256_of_file(place / ANSWERS)
            and facts["table"] == sha256_of_file(place / COLUMNS)
        )
    except (InputError, FileNotFoundError):
        return False


def read_fitted(setup: Setup, job: Job, folder: Path) -> tuple[Setting, Fitted]:
    """The network of a finished job, and its setting."""
    weights, facts = read_checkpoint(folder / job.name / WEIGHTS)
    setting, columns = Setting(**facts["setting"]), np.array(facts["columns"], np.int64)
    widths = setup.spec(columns).widths
    network = fresh_network(network_arguments(setup.shape(setup.sources), setting, widths), 0)
    load_weights(network, weights)
    return setting, Fitted(network.eval(), columns, float(facts["temperature"]))


def inner_folds(setup: Setup, job: Job) -> Inner:
    """Folds of a fold's training patients, as indices among them.

    Raises:
        InputError: there are too few patients of a class.
    """
    training = setup.numbers(job.parts.train)
    cases = [setup.patients[n] for n in training.tolist()]
    labels = [setup.classes[n] for n in setup.y[training].tolist()]
    place = {one.case: n for n, one in enumerate(cases)}
    parts = folds(cases, labels, count=setup.options.inner, seed=job.seed)
    return [
        tuple(np.array([place[name] for name in names]) for names in part.parts.values())  # type: ignore[misc]
        for part in parts
    ]


@dataclass(frozen=True, eq=False)
class _Fold:
    """The patients of a fold, by indices, and what is fitted on them."""

    setup: Setup
    parts: Mapping[str, np.ndarray]
    inner: Inner

    @classmethod
    def of(cls, setup: Setup, job: Job) -> _Fold:
        parts = {name: setup.numbers(names) for name, names in job.parts.parts.items()}
        return cls(setup, parts, inner_folds(setup, job))

    @property
    def asked(self) -> np.ndarray:
        """Whom the arms answer for."""
        return np.concatenate([self.parts["validation"], self.parts["test"]])

    def network(
        self, sources: Sequence[Matrix], seed: int, progress: Progress
    ) -> tuple[Setting, Fitted]:
        """The network on some sources, with the setting that the inner folds choose."""
        rows = rows_of(sources, self.setup.y)
        known, validation = rows[self.parts["train"]], rows[self.parts["validation"]]
        shape, epochs = self.setup.shape(sources), self.setup.options.epochs
        setting = chosen_setting(
            known,
            self.inner,
            shape=shape,
            epochs=epochs,
            seed=seed,
            progress=Part(progress, 0.0, 0.9),
        )
        fitted = fit_network(
            known,
            validation,
            shape=shape,
            setting=setting,
            epochs=epochs,
            seed=seed,
            progress=Part(progress, 0.9, 1.0),
        )
        return setting, fitted

    def logistic(self, rows: Rows) -> np.ndarray:
        """Logits (n, classes) of a ridge logistic regression, of whom is asked.

        Its penalty is the one with the least log loss in the inner folds. It needs no validation,
        so it learns from those patients too.
        """
        known, losses = rows[self.parts["train"]], np.zeros(len(PENALTIES))
        for n, penalty in enumerate(PENALTIES):
            for training, validation, test in self.inner:
                fitted_on = known[np.concatenate([training, validation])]
                logits = _ridge(fitted_on, penalty, known.x[test])
                losses[n] += log_loss(logits, known.y[test])
        whole = rows[np.concatenate([self.parts["train"], self.parts["validation"]])]
        return _ridge(whole, PENALTIES[int(np.argmin(losses))], rows.x[self.asked])


def _ridge(known: Rows, penalty: float, x: np.ndarray) -> np.ndarray:
    """Logits (n, classes) for rows, by multinomial logistic regression on others."""
    from sklearn.linear_model import LogisticRegression

    scale = Standardiser(known.x.shape[1])
    scale.fit(torch.from_numpy(known.x))
    before, after = (float64_of(scale(torch.from_numpy(one))) for one in (known.x, x))
    logits = LogisticRegression(C=penalty, max_iter=1000).fit(before, known.y)
    found = logits.decision_function(after)
    return np.column_stack([-found / 2, found / 2]) if found.ndim == 1 else found


def _answer_rows(
    setup: Setup, job: Job, parts: Mapping[str, np.ndarray], answers: dict[str, np.ndarray]
) -> Iterator[dict[str, Any]]:
    """A row for each patient of validation and test, as in the tables of other trainings.

    Each arm has a column with its probability of the positive class; of more than two classes one
    for each. What is answered is the class that gains most against its share of the training
    patients: else no patient would be told to have a rare one.
    """
    share = np.bincount(setup.y[parts["train"]], minlength=len(setup.classes))
    signs = {
        name: 1 if _higher(setup, values, parts["train"]) else -1
        for name, values in setup.beside.items()
    }
    at = 0
    for part in ("validation", "test"):
        for n in parts[part].tolist():
            patient = setup.patients[n]
            row: dict[str, Any] = {
                "seed": job.seed,
                "fold": job.fold,
                "part": part,
                "case": patient.case,
                "patient": patient.patient,
                "site": patient.site,
                setup.options.label: setup.classes[setup.y[n]],
            }
            row |= {name: setup.facts[name][n] for name in ("time", "event") if setup.timed}
            for arm, logits in answers.items():
                row |= _cells(setup, arm, logits[at], share)
            row |= {name: signs[name] * float(values[n]) for name, values in setup.beside.items()}
            yield row
            at += 1


def _cells(setup: Setup, arm: str, logits: np.ndarray, share: np.ndarray) -> dict[str, Any]:
    log_p, before = log_softmax(logits[None])[0], f"{arm} " if arm else ""
    cells: dict[str, Any] = {
        f"{before}predicted": setup.classes[int(np.argmax(log_p - np.log(share)))]
    }
    if len(setup.classes) > 2:
        for name, p in zip(setup.classes, np.exp(log_p), strict=True):
            cells[f"{before}p_{name}"] = float(p)
    if not arm:
        cells["score"] = float(np.exp(log_p[setup.positive]))
        cells["log_odds"] = float(log_odds(logits, setup.positive))
    elif len(setup.classes) == 2:
        cells[arm] = float(np.exp(log_p[setup.positive]))
    return cells


def _higher(setup: Setup, values: np.ndarray, training: np.ndarray) -> bool:
    """Whether a score is higher for the positive class, in the training patients."""
    return auc((setup.y[training] == setup.positive).astype(int), values[training]) >= 0.5


def _column_rows(setup: Setup, main: Fitted, test: np.ndarray) -> Iterator[dict[str, Any]]:
    """What each column that was kept did to the answers for the test patients.

    Its importance is the mean size of its share in the log odds of the positive class; its effect
    is how that share changes with each standard deviation of the column.
    """
    asked = test if len(test) else np.arange(len(setup.y))
    x = setup.rows.x[asked][:, main.columns]
    share = integrated_gradients(main.network, x, positive=setup.positive)
    scaled = float64_of(main.network.scale(torch.from_numpy(x)))
    size = np.abs(share).mean(axis=0)
    effect = (share * scaled).sum(axis=0) / np.maximum((scaled**2).sum(axis=0), 1e-12)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable") + 1
    names = [
        (one.name, column) for one in setup.spec(main.columns).sources for column in one.columns
    ]
    for n, (source, column) in enumerate(names):
        yield {
            "source": source,
            "column": column,
            "rank": int(rank[n]),
            "importance": float(size[n]),
            "effect": float(effect[n]),
        }


def final_job(setup: Setup) -> Job:
    """The training whose weights become the model: on all patients but a validation part.

    Where another cohort was the test, that of the first seed.
    """
    first = setup.splits[0, 0]
    if setup.other_cohort:
        return Job(0, 0, first)
    return Job(0, -1, replace(first, train=tuple(sorted((*first.train, *first.test))), test=()))
