"""One training on tables: columns chosen, the network fitted, its answers calibrated.

Whatever is learnt (which columns, their scale, the weights, the temperature) is learnt from the
patients that are handed in here; those of a fold's test never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.tables.matrix import Matrix
from ...networks import build
from ...networks.devices import device_of, float64_of, on_device
from ...networks.integration import IntegrationNetwork
from ...networks.seeded_dropout import mixed
from ...progress import Part, Progress, Silent
from ...statistics.calibration import fit_temperature
from ...statistics.discrimination import variance_ratio
from ..classifier.task import Classifier, Group, Recipe
from ..distributed import World
from ..loop import Plan, fit

RECIPE = Recipe(patience=15, batch=32, balanced=False)
DROPPED = 0.2  # share of the patients in training that do without a source, of each


@dataclass(frozen=True)
class Setting:
    """What the inner cross-validation chooses.

    Attributes:
        columns: of each source so many are kept, those whose means differ most between classes.
        dropout: of the network.
    """

    columns: int
    dropout: float


SETTINGS = tuple(Setting(*pair) for pair in product((50, 500), (0.3, 0.6)))


@dataclass(frozen=True)
class Rows:
    """Patients of whom something is known.

    Attributes:
        x: (N, D) float32, the columns of all sources, NaN where nothing is known.
        y: (N,) class indices.
    """

    x: np.ndarray
    y: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Rows:
        return Rows(self.x[chosen], self.y[chosen])

    def __len__(self) -> int:
        return len(self.y)


def rows_of(sources: Sequence[Matrix], y: np.ndarray) -> Rows:
    """The columns of some sources side by side."""
    return Rows(np.concatenate([one.values for one in sources], axis=1), y)


@dataclass(frozen=True)
class Shape:
    """What is the same in all trainings of a run.

    Attributes:
        widths: columns of each source.
        classes: how many; `ordinal`: whether they stand in an order.
        branch: units of a layer of its own for each source, or 0.
    """

    widths: tuple[int, ...]
    classes: int
    branch: int = 0
    ordinal: bool = False

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each source's columns begin, and where the last ones end."""
        return (0, *np.cumsum(self.widths).tolist())


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network, which of the columns (indices) it takes, and its temperature."""

    network: IntegrationNetwork
    columns: np.ndarray
    temperature: float

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Calibrated logits (N, classes), float64, of rows (N, D) of all columns."""
        return answers(self.network, x[:, self.columns])[0] / self.temperature


@torch.no_grad()
def answers(network: IntegrationNetwork, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes) and features (N, F), float64, of rows (N, sum of the widths)."""
    answer = network.eval()(on_device(x.astype(np.float32), device_of(network)))
    return float64_of(answer.logits), float64_of(answer.features)


def fit_network(
    training: Rows,
    validation: Rows,
    *,
    shape: Shape,
    setting: Setting,
    epochs: int,
    seed: int,
    progress: Progress | None = None,
) -> Fitted:
    """Train on some patients; the best epoch and the temperature are chosen on others.

    Columns are ranked and scaled on the training patients.
    """
    columns, widths = chosen_columns(training, shape, setting.columns)
    network = fresh_network(network_arguments(shape, setting, widths), seed)
    shares = np.bincount(training.y, minlength=shape.classes) / len(training)
    network.init_output_bias(torch.from_numpy(shares))
    both = np.concatenate([training.x, validation.x])[:, columns]
    network.scale.fit(torch.from_numpy(both[: len(training)]))
    recipe = replace(RECIPE, epochs=epochs, seed=seed)
    task = Classifier(
        network,
        network,
        [Group(("",), 1.0)],
        samples=Tables(torch.from_numpy(both), widths, seed),
        labels=np.concatenate([training.y, validation.y]),
        training=np.arange(len(training)),
        validation=np.arange(len(training), len(both)),
        classes=shape.classes,
        recipe=recipe,
        world=World(),
    )
    plan = Plan(recipe.epochs, recipe.patience)
    fit(task, plan, checkpoint=None, world=World(), progress=progress or Silent())
    temperature = 1.0
    if not shape.ordinal:  # which has no bias of each class to hold the shares
        logits, _ = answers(network, validation.x[:, columns])
        # That a few patients are all told right is no reason to be surer still.
        temperature = max(fit_temperature(logits, validation.y, prior=np.log(shares)), 1.0)
        network.fold_temperature(temperature, torch.from_numpy(shares))
    return Fitted(network, columns, temperature)


def network_arguments(shape: Shape, setting: Setting, widths: Sequence[int]) -> dict[str, Any]:
    """Of `LungSquadLib.networks.build`."""
    return {
        "widths": [*widths],
        "classes": shape.classes,
        "branch_width": shape.branch,
        "dropout": setting.dropout,
        "ordinal": shape.ordinal,
    }


def fresh_network(arguments: Mapping[str, Any], seed: int) -> IntegrationNetwork:
    """The network with weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: IntegrationNetwork = build("integration", arguments)
    return network


def chosen_columns(training: Rows, shape: Shape, most: int) -> tuple[np.ndarray, list[int]]:
    """Of each source the columns that tell the classes best; their indices, and how many of each.

    In their order in the table.
    """
    ratio, starts = variance_ratio(training.x, training.y), shape.starts
    kept = []
    for start, end in pairwise(starts):
        order = np.argsort(-ratio[start:end], kind="stable")[:most]
        kept.append(start + np.sort(order))
    return np.concatenate(kept), [len(one) for one in kept]


@dataclass(frozen=True)
class Tables:
    """Rows of tables as a `training.samples.Samples`.

    In training each source is left out of some patients' rows, drawn anew in each epoch, so that
    the network learns to do without it; nobody loses all that is known.
    """

    values: Tensor
    widths: Sequence[int]
    seed: int

    def plain(self, chosen: np.ndarray) -> Tensor:
        return self.values[chosen]

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        rows = self.values[chosen]
        if len(self.widths) == 1:
            return rows
        draws = np.random.default_rng((self.seed, 1, epoch))
        gone = draws.random((len(self.values), len(self.widths))) < DROPPED
        parts = torch.split(rows, [*self.widths], 1)
        there = torch.stack([~part.isnan().all(1) for part in parts], 1)
        lost = torch.from_numpy(gone[chosen])
        lost = lost & (there & ~lost).any(1, keepdim=True)
        return torch.cat(
            [torch.where(lost[:, n : n + 1], torch.nan, part) for n, part in enumerate(parts)],
            1,
        )


def chosen_setting(
    known: Rows,
    inner: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    shape: Shape,
    epochs: int,
    seed: int,
    progress: Progress,
) -> Setting:
    """The setting with the least log loss over an inner cross-validation.

    Args:
        known: a fold's training patients.
        inner: indices of training, validation and test of each inner fold.
        shape: of the run.
        seed: of all that is drawn.
        epochs: at most.
        progress: told how it goes; may cancel.
    """
    losses = np.zeros(len(SETTINGS))
    count = len(SETTINGS) * len(inner)
    for place, setting in enumerate(SETTINGS):
        for number, (training, validation, test) in enumerate(inner):
            done = place * len(inner) + number
            fitted = fit_network(
                known[training],
                known[validation],
                shape=shape,
                setting=setting,
                epochs=epochs,
                seed=mixed(seed, number),
                progress=Part(progress, done / count, (done + 1) / count),
            )
            losses[place] += log_loss(fitted.logits(known.x[test]), known.y[test])
    return SETTINGS[int(np.argmin(losses))]


def log_loss(logits: np.ndarray, y: np.ndarray) -> float:
    """The sum of the negative log likelihoods of labels (N,) by logits (N, classes)."""
    return float(-log_softmax(logits)[np.arange(len(y)), y].sum())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities (N, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
