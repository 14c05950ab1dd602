"""Whatever is chosen or scaled reads training rows, and what decides reads those held out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from LungSquadLib.networks.trunk_and_head import NetworkOutput
from LungSquadLib.progress import Silent
from LungSquadLib.training.classifier.options import Recipe
from LungSquadLib.training.classifier.task import Classifier, Group
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.integration import experiment as integration_fold
from LungSquadLib.training.integration import task as integration
from LungSquadLib.training.integration.data import set_up
from LungSquadLib.training.integration.options import IntegrationOptions
from LungSquadLib.training.integration.task import (
    SETTINGS,
    Rows,
    Shape,
    choose_setting,
    fit_network,
)
from LungSquadLib.training.loop import Schedule, fit
from Testing.table_cohort import cohort
from Testing.unit.test_classifier import Table

pytestmark = pytest.mark.usefixtures("one_thread")


def task_of(labels, recipe, network=None):
    """Ten rows to train on, ten others to validate."""
    torch.manual_seed(0)
    network = network or nn.Linear(3, 2)
    return Classifier(
        network,
        lambda x: NetworkOutput(x, network(x)),
        [Group(("",), 1.0)],
        samples=Table(torch.randn(20, 3)),
        labels=np.asarray(labels),
        training=np.arange(10),
        validation=np.arange(10, 20),
        classes=2,
        recipe=recipe,
        context=DistributedContext(),
    )


def test_the_loss_that_stops_a_training_is_of_validation_rows():
    labels, recipe = np.arange(20) % 2, Recipe(epochs=3, batch=5)
    task = task_of(labels, recipe)
    logits = task.network(task.samples.plain(np.arange(10, 20)))
    own = nn.functional.cross_entropy(logits, torch.from_numpy(labels[10:]))
    assert task.validate()["validation loss"] == pytest.approx(float(own), abs=1e-6)
    task.labels[:10] = 1 - task.labels[:10]  # of no account
    assert task.validate()["validation loss"] == pytest.approx(float(own), abs=1e-6)


def test_a_training_that_only_learns_its_own_rows_by_heart_is_stopped():
    recipe = Recipe(epochs=40, batch=5, learning_rate=0.05, patience=3)
    for seed in range(6):
        task = task_of(np.random.default_rng(seed).integers(0, 2, 20), recipe)
        history = fit(
            task, Schedule(40, 3), checkpoint=None, context=DistributedContext(), progress=Silent()
        )
        losses = [row["validation loss"] for row in history]
        assert len(history) == int(np.argmin(losses)) + 4 < 40, seed
        assert history[-1]["loss"] < history[0]["loss"]  # it went on learning
        assert task.validate()["validation loss"] == pytest.approx(min(losses), abs=1e-6)


def some(n, seed=0):
    """Rows whose first column says which row it is."""
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    x[:, 0] = np.arange(n)
    return Rows(x, np.arange(n) % 2)


def test_a_network_of_tables_is_scaled_and_chosen_from_on_training_rows(monkeypatch):
    made = []

    def spied(*arguments, **named):
        made.append(Classifier(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(integration, "Classifier", spied)
    training, validation = some(30), some(12, seed=1)
    validation = replace(validation, x=validation.x * 100)
    fitted = fit_network(
        training, validation, shape=Shape((6,), 2), setting=SETTINGS[0], epochs=1, seed=0
    )
    np.testing.assert_allclose(
        fitted.network.scale.mean, training.x.mean(axis=0), rtol=1e-4, atol=1e-5
    )
    (task,) = made
    np.testing.assert_array_equal(task.samples.plain(task.validation).numpy(), validation.x)
    np.testing.assert_array_equal(task.samples.plain(task.training).numpy(), training.x)


class Fake:
    """Right of the rows that it was trained on, and of others where it can `generalise`."""

    def __init__(self, trained, generalises, y):
        self.trained, self.generalises, self.y = set(trained.tolist()), generalises, y

    def logits(self, x):
        rows = x[:, 0].astype(int)
        sure = np.array([4.0 if row in self.trained else -4.0 for row in rows])
        if self.generalises:
            sure = np.full(len(rows), 1.0)
        sign = np.where(self.y[rows] == 1, 1, -1)
        return np.stack([-sure * sign / 2, sure * sign / 2], axis=1)


INNER = [(np.arange(0, 16), np.arange(16, 20), np.arange(20, 30))]


def test_the_inner_folds_choose_by_rows_that_were_not_trained_on(monkeypatch):
    known = some(30)

    def faked(training, validation, *, setting, **_):
        return Fake(training.x[:, 0].astype(int), setting == SETTINGS[2], known.y)

    monkeypatch.setattr(integration, "fit_network", faked)
    chosen = choose_setting(known, INNER, shape=Shape((6,), 2), epochs=1, seed=0, progress=Silent())
    assert chosen == SETTINGS[2]


def test_the_penalty_of_the_logistic_regression_is_chosen_likewise(monkeypatch):
    setup = set_up(cohort(60, missing=0), IntegrationOptions("histology", folds=3, inner_folds=3))
    fold = integration_fold._Fold.of(setup, integration_fold.outer_fits(setup)[0], None)
    x = setup.rows.x.copy()
    x[:, 0] = np.arange(len(x))
    asked = []

    def faked(known, penalty, rows):
        asked.append((known.x[:, 0].astype(int), penalty))
        best = penalty == integration_fold.PENALTIES[1]
        return Fake(known.x[:, 0].astype(int), best, setup.y).logits(rows)

    monkeypatch.setattr(integration_fold, "_ridge", faked)
    fold.logistic(Rows(x, setup.y))
    assert asked[-1][1] == integration_fold.PENALTIES[1]
    test = set(setup.indices(setup.splits[0, 0].test).tolist())
    assert not any(test & set(rows.tolist()) for rows, _ in asked)
