"""One fit of the integration network: its columns, weights and calibration.

Columns, their scale, weights and temperature are learnt from the arguments alone, among which test
patients of a fold never are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from ..classifier.options import Recipe
from ..classifier.task import Classifier, Group
from ..distributed import DistributedContext
from ..loop import Schedule, fit

RECIPE = Recipe(patience=15, batch=32, class_weights=False)
DROPPED = 0.2  # probability that a source is missing in training


@dataclass(frozen=True)
class Setting:
    """What the inner cross-validation chooses.

    Attributes:
        columns: number of each source's columns whose means differ most between the classes.
        dropout: of the network.
    """

    columns: int
    dropout: float


SETTINGS = tuple(Setting(*pair) for pair in product((50, 500), (0.3, 0.6)))


@dataclass(frozen=True)
class Rows:
    """Patients of a table.

    Attributes:
        x: (N, D) float32, the columns of all sources, NaN where missing.
        y: (N,) class indices.
    """

    x: np.ndarray
    y: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Rows:
        return Rows(self.x[chosen], self.y[chosen])

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class SyntheticRows:
    """Rows of synthetic patients, which are trained on and nothing else.

    Attributes:
        rows: N of them, with the columns of all sources.
        made_of: (N, 2) indices of the patients whose CT and whose tumour each has.
    """

    rows: Rows
    made_of: np.ndarray

    def of(self, patients: np.ndarray, columns: np.ndarray | slice) -> Rows:
        """Return some columns of the rows that are made of some patients (indices) alone."""
        chosen = np.isin(self.made_of, patients).all(axis=1)
        return Rows(self.rows.x[chosen][:, columns], self.rows.y[chosen])


def rows_of(sources: Sequence[Matrix], y: np.ndarray) -> Rows:
    """Return the columns of some sources side by side."""
    return Rows(np.concatenate([source.values for source in sources], axis=1), y)


@dataclass(frozen=True)
class Shape:
    """What the networks of all fits of a run have in common.

    Attributes:
        widths: columns of each source.
        classes: their number; `ordinal`: whether they are ordered.
        branch_width: units of a layer for each source, or 0.
    """

    widths: tuple[int, ...]
    classes: int
    branch_width: int = 0
    ordinal: bool = False

    @property
    def starts(self) -> tuple[int, ...]:
        """Index of each source's first column, and the number of columns."""
        return (0, *np.cumsum(self.widths).tolist())


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A network, the indices of its columns, and its temperature."""

    network: IntegrationNetwork
    columns: np.ndarray
    temperature: float

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return calibrated logits (N, classes), float64, of rows (N, D) of all columns."""
        return predict(self.network, x[:, self.columns])[0] / self.temperature


@torch.no_grad()
def predict(network: IntegrationNetwork, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, classes) and features (N, F), float64, of rows (N, sum of the widths)."""
    output = network.eval()(on_device(x.astype(np.float32), device_of(network)))
    return float64_of(output.logits), float64_of(output.features)


def fit_network(
    training: Rows,
    validation: Rows,
    *,
    shape: Shape,
    setting: Setting,
    epochs: int,
    seed: int,
    synthetic: Rows | None = None,
    progress: Progress | None = None,
) -> FittedNetwork:
    """Fit a network: the validation patients choose the best epoch and the temperature.

    Columns are ranked and scaled on the training patients, without synthetic ones.
    """
    columns, widths = chosen_columns(training, shape, setting.columns)
    network = initial_network(network_arguments(shape, setting, widths), seed)
    priors = np.bincount(training.y, minlength=shape.classes) / len(training)
    network.init_output_bias(torch.from_numpy(priors))
    parts = [training, validation, *([] if synthetic is None else [synthetic])]
    x = np.concatenate([part.x for part in parts])[:, columns]
    network.scale.fit(torch.from_numpy(x[: len(training)]))
    real = len(training) + len(validation)
    recipe = replace(RECIPE, epochs=epochs, seed=seed)
    task = Classifier(
        network,
        network,
        [Group(("",), 1.0)],
        samples=Tables(torch.from_numpy(x), widths, seed),
        labels=np.concatenate([part.y for part in parts]),
        training=np.concatenate([np.arange(len(training)), np.arange(real, len(x))]),
        validation=np.arange(len(training), real),
        classes=shape.classes,
        recipe=recipe,
        context=DistributedContext(),
    )
    schedule = Schedule(recipe.epochs, recipe.patience)
    fit(
        task, schedule, checkpoint=None, context=DistributedContext(), progress=progress or Silent()
    )
    temperature = 1.0
    if not shape.ordinal:  # its output layer has no bias for each class
        logits, _ = predict(network, validation.x[:, columns])
        # Not below 1: that all of a few patients are right does not justify more confidence.
        temperature = max(fit_temperature(logits, validation.y, prior=np.log(priors)), 1.0)
        network.fold_temperature(temperature, torch.from_numpy(priors))
    return FittedNetwork(network, columns, temperature)


def network_arguments(shape: Shape, setting: Setting, widths: Sequence[int]) -> dict[str, Any]:
    """Return the arguments for `LungSquadLib.networks.build`."""
    return {
        "widths": [*widths],
        "classes": shape.classes,
        "branch_width": shape.branch_width,
        "dropout": setting.dropout,
        "ordinal": shape.ordinal,
    }


def initial_network(arguments: Mapping[str, Any], seed: int) -> IntegrationNetwork:
    """Return a network with the random weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: IntegrationNetwork = build("integration", arguments)
    return network


def chosen_columns(training: Rows, shape: Shape, most: int) -> tuple[np.ndarray, list[int]]:
    """Return indices and number of each source's columns that separate the classes best.

    In their order in the table.
    """
    ratio, starts = variance_ratio(training.x, training.y), shape.starts
    chosen = []
    for start, end in pairwise(starts):
        order = np.argsort(-ratio[start:end], kind="stable")[:most]
        chosen.append(start + np.sort(order))
    return np.concatenate(chosen), [len(columns) for columns in chosen]


@dataclass(frozen=True)
class Tables:
    """Rows of tables as `training.samples.Samples`.

    In training each source is removed at random from rows, anew in each epoch, so that the network
    learns to work without it; every row keeps a source.
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
        missing = draws.random((len(self.values), len(self.widths))) < DROPPED
        parts = torch.split(rows, [*self.widths], 1)
        present = torch.stack([~part.isnan().all(1) for part in parts], 1)
        lost = torch.from_numpy(missing[chosen])
        lost = lost & (present & ~lost).any(1, keepdim=True)
        return torch.cat(
            [torch.where(lost[:, n : n + 1], torch.nan, part) for n, part in enumerate(parts)],
            1,
        )


def choose_setting(
    known: Rows,
    inner: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    shape: Shape,
    epochs: int,
    seed: int,
    progress: Progress,
    synthetic: Callable[[np.ndarray], Rows] | None = None,
) -> Setting:
    """Return the setting with the least log loss in an inner cross-validation.

    Args:
        known: a fit's training patients.
        inner: indices of training, validation and test of each inner fold.
        shape: of the run.
        seed: of all random numbers.
        epochs: at most.
        progress: gets the state; may cancel.
        synthetic: returns the synthetic patients that are made of some training patients alone.
    """
    losses = np.zeros(len(SETTINGS))
    count = len(SETTINGS) * len(inner)
    for index, setting in enumerate(SETTINGS):
        for number, (training, validation, test) in enumerate(inner):
            done = index * len(inner) + number
            fitted = fit_network(
                known[training],
                known[validation],
                shape=shape,
                setting=setting,
                epochs=epochs,
                seed=mixed(seed, number),
                synthetic=None if synthetic is None else synthetic(training),
                progress=Part(progress, done / count, (done + 1) / count),
            )
            losses[index] += log_loss(fitted.logits(known.x[test]), known.y[test])
    return SETTINGS[int(np.argmin(losses))]


def log_loss(logits: np.ndarray, y: np.ndarray) -> float:
    """Return the summed negative log likelihood of labels (N,) by logits (N, classes)."""
    return float(-log_softmax(logits)[np.arange(len(y)), y].sum())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities (N, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
