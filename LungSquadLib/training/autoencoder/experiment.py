"""The training of autoencoders on a table: a fit for each seed, and groups of patients."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.tables.matrix import Joined
from ...errors import InputError, need
from ...models.card import Card, ClassLabel, Metric, NetworkSpec, ReferenceSpec
from ...models.file import write_model_file
from ...models.inputs import Source, TableSpec
from ...networks import build
from ...networks.autoencoder import Autoencoder
from ...networks.devices import float64_of, on_device
from ...options import described
from ...progress import Progress, step
from ...statistics.intervals import bootstrap
from ..card import (
    COHORTS_ALIKE,
    NO_DIAGNOSIS,
    UNTESTED,
    CardText,
    HeldOut,
    reference_of,
    trained_card,
    trained_on,
)
from ..checkpoint import load_weights
from ..experiment import (
    MODEL,
    Experiment,
    Fit,
    Session,
    Split,
    finish_fit,
    fit_task,
    read_fit,
    read_log,
    run,
)
from ..loop import Row, Schedule
from .data import Table, table_of
from .grouping import STAGES, Mixture, by_stage, fit_mixture, follow_stages
from .options import AutoencoderOptions
from .task import ALIVE, AutoencoderTask, Parts, unit_divergences

_REPORTED = ("error", "validation error")


@dataclass(frozen=True, eq=False)
class TrainedAutoencoder:
    """The network of one seed, in eval mode.

    Attributes:
        network: without groups.
        history: metrics of its epochs.
        divergences: mean divergence of each unit in the training patients (latent,), in nats.
        codes: latent codes of all patients (N, latent).
        active: the units that carry information; see `ALIVE`.
    """

    network: Autoencoder
    history: tuple[Row, ...]
    divergences: np.ndarray
    codes: np.ndarray
    active: np.ndarray

    @property
    def best_epoch(self) -> int:
        """Index of the epoch whose weights the network has."""
        losses = [row.get("validation loss", np.inf) for row in self.history]
        return int(np.argmin(losses))

    @property
    def loss(self) -> float:
        """The validation loss of the best epoch."""
        return self.history[self.best_epoch]["validation loss"]

    @property
    def space(self) -> np.ndarray:
        """Codes (N, active) in the active units."""
        return self.codes[:, self.active]


@dataclass(frozen=True, eq=False)
class AutoencoderRun:
    """A finished run.

    Attributes:
        folder: of the run.
        options: of the training.
        table: its patients and columns.
        seeds: the network of each seed.
        best: number of the seed with the least validation loss, whose network is the model.
        mixture: the groups in the space of its active units; None if all units collapsed.
        classes: codes of the groups: T1 to T4 if they follow T stage, else g1, g2, ...
    """

    folder: Path
    options: AutoencoderOptions
    table: Table
    seeds: tuple[TrainedAutoencoder, ...]
    best: int
    mixture: Mixture | None
    classes: tuple[str, ...]

    @property
    def trained(self) -> TrainedAutoencoder:
        """The model's network."""
        return self.seeds[self.best]

    @cached_property
    @torch.no_grad()
    def standardised(self) -> np.ndarray:
        """The table's numbers (N, columns), standardised by the model's network."""
        x: np.ndarray = self.trained.network.scale(self._rows).numpy()
        return x

    @cached_property
    @torch.no_grad()
    def reconstruction(self) -> np.ndarray:
        """The standardised numbers (N, columns), decoded from the latent codes."""
        network = self.trained.network
        return network.decode(network.encode(self._rows).mean).numpy()

    @torch.no_grad()
    def squared_errors(self, reconstruction: np.ndarray) -> np.ndarray:
        """Return the mean squared error (N,) of standardised numbers (N, columns)."""
        network = self.trained.network
        return network.squared_error(self._rows, torch.from_numpy(reconstruction)).numpy()

    @property
    def _rows(self) -> torch.Tensor:
        return torch.from_numpy(self.table.matrix.values)


def train_autoencoder(
    joined: Joined,
    folder: str | os.PathLike[str],
    options: AutoencoderOptions | None = None,
    *,
    card_text: CardText | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> AutoencoderRun:
    """Train autoencoders on a table of patients, find groups, and write the run and its model.

    Args:
        joined: of `read_sources`: one table of numbers; clinical facts, such as T stage, name the
            groups.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        threads: of the processor; with networks so small more than one make it slower.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Raises:
        InputError: the table, the options or the folder cannot be used.
        MissingPackageError: scikit-learn is not installed.
    """
    need("sklearn")
    options = options or AutoencoderOptions()
    table = table_of(joined, seed=options.seed, test_fraction=options.test_fraction)
    experiment = AutoencoderExperiment(table, options, card_text or CardText())
    run(experiment, Path(folder), threads=threads, progress=progress)
    return experiment.result


class AutoencoderExperiment(Experiment[AutoencoderOptions]):
    """A fit of the autoencoder for each seed, on one split.

    Attributes:
        result: the finished run, after the export.
    """

    distributable = False
    result: AutoencoderRun

    def __init__(self, table: Table, options: AutoencoderOptions, card_text: CardText) -> None:
        self.table, self.options, self.card_text = table, options, card_text

    def described(self) -> dict[str, Any]:
        return {
            "training": "autoencoder",
            "table": self.table.fingerprint,
            "options": described(self.options),
            "split": self.table.fold.hash(self.table.cases),
        }

    def check(self) -> None:
        if 2 * self.options.groups > len(self.table.train):
            raise InputError(
                f"{self.options.groups} groups cannot be found among {len(self.table.train)} "
                "training patients: ask for fewer, or bring more patients."
            )
        self._network(classes=0)
        self._card(_group_codes(self.options.groups))

    def splits(self) -> list[Split]:
        return [(self.options.seed, 0, self.table.fold.parts)]

    def fits(self) -> list[Fit]:
        return [Fit(f"seed{n}", n, 0, self.table.fold) for n in range(self.options.seeds)]

    def fit(self, fit: Fit, session: Session) -> None:
        options, folder = (
            replace(self.options, seed=self.options.seed + fit.seed),
            session.of_fit(fit),
        )
        torch.manual_seed(options.seed)
        network = self._network(classes=0).to(options.device)
        rows = on_device(self.table.matrix.values, options.device)
        parts = Parts(*(rows[self.table.rows(part)] for part in ("train", "validation", "test")))
        schedule = Schedule(
            options.epochs, options.patience, options.warm_up, _REPORTED, save_each_epoch=False
        )
        fit_task(AutoencoderTask(network, parts, options=options), schedule, folder, session)
        finish_fit(folder, network.state_dict(), files=["log.csv"])

    def export(self, session: Session) -> None:
        step(session.progress, 0.0, "Writing the model")
        seeds = tuple(self._trained(session.of_fit(fit)) for fit in self.fits())
        best = int(np.argmin([trained.loss for trained in seeds]))
        mixture, codes = _grouped(self.table, seeds[best], self.options.groups)
        self.result = AutoencoderRun(
            session.folder, self.options, self.table, seeds, best, mixture, codes
        )
        self._write_model(self.result)

    def _trained(self, folder: Path) -> TrainedAutoencoder:
        """Return the network of a finished fit, with what it encodes."""
        network = self._network(classes=0).to(self.options.device)
        load_weights(network, read_fit(folder)[0])
        network.eval()
        rows = on_device(self.table.matrix.values, self.options.device)
        divergences = unit_divergences(network, rows[self.table.rows("train")])
        with torch.no_grad():
            codes = float64_of(network.encode(rows).mean)
        active = divergences > self.options.free_bits + ALIVE
        history = tuple(read_log(folder))
        return TrainedAutoencoder(network.cpu(), history, divergences, codes, active)

    def _network_spec(self, *, classes: int) -> NetworkSpec:
        arguments = {
            "widths": (len(self.table.matrix.columns),),
            "classes": classes,
            "latent": self.options.latent,
            "hidden": self.options.hidden,
        }
        return NetworkSpec("autoencoder", arguments)

    def _network(self, *, classes: int) -> Autoencoder:
        spec = self._network_spec(classes=classes)
        try:
            network: Autoencoder = build(spec.name, spec.arguments)
        except ValueError as error:
            raise InputError(f"There is no such network: {error}.") from error
        return network

    def _write_model(self, finished: AutoencoderRun) -> None:
        """Write the network with its groups, and the reference of out-of-distribution scores."""
        table, trained = self.table, finished.trained
        network = self._network(classes=len(finished.classes))
        weights = trained.network.state_dict()
        without_groups = {k: v for k, v in weights.items() if not k.startswith("group_")}
        network.load_state_dict(without_groups, strict=False)
        if finished.mixture is not None:
            _set_groups(network.eval(), finished.mixture, trained.active)
        rows = torch.from_numpy(table.matrix.values)
        with torch.no_grad():
            features = float64_of(network.eval()(rows).features)
        training = features[table.train]
        # Not the validation's patients: the epoch was chosen by them.
        reference = reference_of(training, [HeldOut(training, features[table.rows("test")])])
        card = replace(
            self._card(finished.classes),
            metrics={"test_error": _test_error(np.exp(features[table.rows("test"), -1]))},
            reference=ReferenceSpec(len(training)),
        )
        write_model_file(finished.folder / MODEL, network, card=card, reference=reference)

    def _card(self, codes: Sequence[str]) -> Card:
        """Return the card of a model with groups of these codes.

        Raises:
            ModelError: the user's texts or the columns do not fit into a card.
        """
        table, text = self.table, self.card_text
        matrix, staged = table.matrix, tuple(codes) == STAGES
        source = Source(
            matrix.name, matrix.kind, matrix.columns, matrix.scale, matrix.extractor, matrix.cube
        )
        default = CardText(
            name="autoencoder",
            title=f"Groups of patients by {matrix.name}",
            question=f"Which group of patients is this one's {matrix.name} like?",
        )
        return trained_card(
            text,
            default,
            task="t_stage" if staged else "groups",
            classes=tuple(ClassLabel(code, _group_name(code, staged)) for code in codes),
            network=self._network_spec(classes=len(codes)),
            input=TableSpec((source,)),
            positive=0,
            training=trained_on(
                table.cases,
                table.fold,
                data=f"From scratch, on {len(matrix.columns)} columns of {matrix.name} "
                f"({matrix.scale}) of {len(table.train)} patients; "
                f"{len(table.fold.validation)} more to choose the epoch.",
                seed=self.options.seed,
                command=text.command,
            ),
            intended_use=COHORTS_ALIKE,
            must_not=(
                NO_DIAGNOSIS,
                "Must not be used to stage a patient: a group is named after the stage that most "
                "of its patients had, and may follow something else."
                if staged
                else UNTESTED,
            ),
        )


def _grouped(
    table: Table, trained: TrainedAutoencoder, groups: int
) -> tuple[Mixture | None, tuple[str, ...]]:
    """Return the groups of the training patients, and their codes; None if all units collapsed.

    Four groups are called T1 to T4 if they follow T stage in the training patients, and only then.
    """
    if not trained.active.any():
        return None, ()
    space = trained.space[table.train]
    mixture = fit_mixture(space, groups)
    if groups == len(STAGES) and "t_stage" in table.facts:
        stages = [table.facts["t_stage"][row] for row in table.train]
        if follow_stages(mixture(space), stages):
            return by_stage(mixture, mixture(space), stages), STAGES
    return mixture, _group_codes(groups)


def _group_codes(groups: int) -> tuple[str, ...]:
    """Return codes of groups that have no stage's name."""
    return tuple(f"g{number}" for number in range(1, groups + 1))


def _group_name(code: str, staged: bool) -> str:
    return f"Group like {code}" if staged else f"Group {code.removeprefix('g')}"


def _set_groups(network: Autoencoder, mixture: Mixture, active: np.ndarray) -> None:
    """Write groups into a network; inactive units do not distinguish them."""
    network.group_weight.copy_(torch.from_numpy(mixture.weights))
    network.group_mean[:, active] = torch.from_numpy(mixture.means).float()
    within = np.eye(len(active))
    within[np.ix_(active, active)] = mixture.precision
    network.group_precision.copy_(torch.from_numpy(within).expand_as(network.group_precision))


def _test_error(errors: np.ndarray) -> Metric:
    where = "held-out patients: squared error of the reconstruction of a standardised column"
    return Metric.of(bootstrap(np.mean, errors, stratify=False), n=len(errors), where=where)
