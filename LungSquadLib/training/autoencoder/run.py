"""A training of autoencoders on a table, from the split to the model with the groups it found.

Its folder holds `run.json` (what decides the results), `splits.csv`, `fits/` (a checkpoint and a
log of each seed) and in the end `model.safetensors`. The same call goes on where a run was stopped,
and ends with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ...data.split_files import write_splits
from ...data.tables.matrix import Joined
from ...errors import InputError, need
from ...files import write_csv
from ...models.card import Card, ClassLabel, Metric, NetworkSpec, ReferenceSpec
from ...models.file import write_model_file
from ...models.inputs import Source, TableSpec
from ...networks import build
from ...networks.autoencoder import Autoencoder
from ...networks.devices import float64_of, on_device, thread_count
from ...progress import Part, Progress, Silent, step
from ...statistics.intervals import bootstrap
from ..allocator import keep_blocks
from ..classifier.export import Naming, trained_on
from ..distributed import World
from ..loop import Plan, Row, fit
from ..reference import HeldOut, reference_of
from ..run_folder import begun
from .data import Table, table_of
from .grouping import STAGES, Mixture, by_stage, fit_mixture, follow_stages
from .task import ALIVE, Autoencoding, Parts, Recipe, unit_divergences

MODEL, FITS, LOG, CHECKPOINT = "model.safetensors", "fits", "log.csv", "checkpoint"
_TOLD = ("error", "validation error")
_MOST_GROUPS = 32  # that a card can name


@dataclass(frozen=True)
class AutoencoderOptions:
    """What the user asks for.

    Attributes:
        groups: to be found in the latent space.
        latent: its dimensions.
        hidden: units of the encoder's dense layers; the decoder has them in reverse.
        seeds: trainings, which differ in nothing but what is drawn.
        test: share of the patients who are held out for the test.
        device: to train on.
        recipe: how.
    """

    groups: int = 4
    latent: int = 8
    hidden: tuple[int, ...] = (128,)
    seeds: int = 5
    test: float = 0.2
    device: str = "cpu"
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, eq=False)
class Trained:
    """One seed's network, in eval mode.

    Attributes:
        network: without groups.
        history: its epochs; `kept` is the one whose weights it has.
        divergences: what each unit says of the training patients, in nats (latent,).
        places: of all patients (N, latent).
        active: the units that say something; see `autoencoder.ALIVE`.
    """

    network: Autoencoder
    history: tuple[Row, ...]
    divergences: np.ndarray
    places: np.ndarray
    active: np.ndarray

    @property
    def kept(self) -> int:
        losses = [row.get("validation loss", np.inf) for row in self.history]
        return int(np.argmin(losses))

    @property
    def loss(self) -> float:
        """The validation loss of the epoch that was kept."""
        return self.history[self.kept]["validation loss"]

    @property
    def space(self) -> np.ndarray:
        """Places (N, active) in the units that say something."""
        return self.places[:, self.active]


@dataclass(frozen=True, eq=False)
class AutoencoderRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        options: what was asked.
        table: what was learnt from.
        seeds: one training each.
        best: the one with the lowest validation loss: the model's.
        mixture: the groups in the space of its active units; None where all units collapsed.
        classes: codes of the groups: T1 to T4 where they follow T stage, else g1, g2, ...
    """

    folder: Path
    options: AutoencoderOptions
    table: Table
    seeds: tuple[Trained, ...]
    best: int
    mixture: Mixture | None
    classes: tuple[str, ...]

    @property
    def trained(self) -> Trained:
        """The model's training."""
        return self.seeds[self.best]

    @cached_property
    @torch.no_grad()
    def standardised(self) -> np.ndarray:
        """The table's numbers (N, columns) as the model's network sees them."""
        x: np.ndarray = self.trained.network.scale(self._rows).numpy()
        return x

    @cached_property
    @torch.no_grad()
    def rebuilt(self) -> np.ndarray:
        """The same out of the latent space (N, columns)."""
        network = self.trained.network
        return network.decode(network.encode(self._rows).mean).numpy()

    @torch.no_grad()
    def squared_errors(self, rebuilt: np.ndarray) -> np.ndarray:
        """Of standardised numbers (N, columns): the mean (N,) over those that are known."""
        network = self.trained.network
        return network.squared_error(self._rows, torch.from_numpy(rebuilt)).numpy()

    @property
    def _rows(self) -> torch.Tensor:
        return torch.from_numpy(self.table.matrix.values)


def train_autoencoder(
    joined: Joined,
    folder: str | os.PathLike[str],
    options: AutoencoderOptions | None = None,
    *,
    naming: Naming | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> AutoencoderRun:
    """Train autoencoders on a table of patients, find groups, and write the run and its model.

    Args:
        joined: of `read_sources`: one table of numbers; facts, as T stage, name the groups.
        folder: of the run; one that was stopped goes on.
        options: what to train.
        naming: what the model's card is to say.
        threads: of the processor; with layers so small a second one makes it slower.
        progress: told how it goes; may cancel, and nothing is lost.

    Raises:
        InputError: the table, the options or the folder cannot be used.
        MissingPackageError: scikit-learn is not installed.
    """
    need("sklearn")
    options, naming = options or AutoencoderOptions(), naming or Naming()
    progress = progress or Silent()
    check_autoencoder_options(options)
    keep_blocks()
    place, table = Path(folder), table_of(joined, seed=options.recipe.seed, test=options.test)
    if 2 * options.groups > len(table.train):
        raise InputError(
            f"{options.groups} groups cannot be found among {len(table.train)} training patients: "
            "ask for fewer, or bring more patients."
        )
    # What is wrong with the card is said before anything is written.
    _card(table, options, naming, _neutral(options.groups))
    with thread_count(begun(place, _described(table, options), World(), threads=threads)):
        write_splits(place / "splits.csv", [(options.recipe.seed, 0, table.fold.parts)])
        seeds = tuple(
            _trained(
                table,
                replace(options, recipe=replace(options.recipe, seed=options.recipe.seed + number)),
                place / FITS / f"seed-{number}",
                Part(progress, number / options.seeds, (number + 1) / options.seeds),
            )
            for number in range(options.seeds)
        )
        best = int(np.argmin([one.loss for one in seeds]))
        step(progress, 1.0, "Writing the model")
        mixture, codes = _grouped(table, seeds[best], options.groups)
        run = AutoencoderRun(place, options, table, seeds, best, mixture, codes)
        _write_model(run, naming)
    return run


def check_autoencoder_options(options: AutoencoderOptions) -> None:
    """Raise `InputError` for what no table could make right."""
    recipe = options.recipe
    least = {
        "--groups": (options.groups, 2),
        "--latent": (options.latent, 1),
        "--hidden": (min(options.hidden, default=1), 1),
        "--seeds": (options.seeds, 1),
        "--epochs": (recipe.epochs, 1),
        "--patience": (recipe.patience, 0),
        "--batch": (recipe.batch, 2),
        "--seed": (recipe.seed, 0),
        "--free-bits": (recipe.free_bits, 0),
    }
    for name, (value, low) in least.items():
        if not value >= low:
            raise InputError(f"{name} must be {low} or more, not {value}.")
    if options.groups > _MOST_GROUPS:
        raise InputError(f"--groups must be {_MOST_GROUPS} at most, not {options.groups}.")
    if not 0 < options.test < 0.9:
        raise InputError(f"--test must be above 0 and below 0.9, not {options.test:g}.")
    if not 0 < recipe.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {recipe.learning_rate:g}."
        )
    if not 0 <= recipe.seed < 1 << 32:
        raise InputError(f"--seed must be less than {1 << 32}, not {recipe.seed}.")


def _neutral(groups: int) -> tuple[str, ...]:
    """Codes of groups that are called after nothing."""
    return tuple(f"g{number}" for number in range(1, groups + 1))


def _described(table: Table, options: AutoencoderOptions) -> Mapping[str, object]:
    """What decides the results, as JSON has it."""
    return {
        "training": "autoencoder",
        "table": table.fingerprint,
        "options": {**asdict(options), "hidden": list(options.hidden)},
        "split": table.fold.hash(table.cases),
    }


def _network(table: Table, options: AutoencoderOptions, *, classes: int) -> NetworkSpec:
    arguments = {
        "widths": (len(table.matrix.columns),),
        "classes": classes,
        "latent": options.latent,
        "hidden": options.hidden,
    }
    return NetworkSpec("autoencoder", arguments)


def _built(spec: NetworkSpec, seed: int) -> Autoencoder:
    torch.manual_seed(seed)
    try:
        network: Autoencoder = build(spec.name, spec.arguments)
    except ValueError as error:
        raise InputError(f"There is no such network: {error}.") from error
    return network


def _trained(table: Table, options: AutoencoderOptions, place: Path, progress: Progress) -> Trained:
    """One training, which goes on where it was stopped, or its weights where it is over."""
    recipe = options.recipe
    network = _built(_network(table, options, classes=0), recipe.seed).to(options.device)
    rows = on_device(table.matrix.values, options.device)
    parts = Parts(*(rows[table.rows(part)] for part in ("train", "validation", "test")))
    task = Autoencoding(network, parts, recipe=recipe)
    place.mkdir(parents=True, exist_ok=True)
    history = fit(
        task,
        Plan(recipe.epochs, recipe.patience, recipe.warming, _TOLD, each=False),
        checkpoint=place / CHECKPOINT,
        world=World(),
        progress=progress,
        message=f"Training on {len(table.train)} patients",
    )
    write_csv(place / LOG, list(history[-1]), history)
    network.eval()
    divergences = unit_divergences(network, parts.train)
    with torch.no_grad():
        places = float64_of(network.encode(rows).mean)
    active = divergences > recipe.free_bits + ALIVE
    return Trained(network.cpu(), tuple(history), divergences, places, active)


def _grouped(table: Table, trained: Trained, groups: int) -> tuple[Mixture | None, tuple[str, ...]]:
    """The groups of the training patients, and their codes; None where no unit says anything.

    Four groups are called T1 to T4 where they follow T stage in the training patients, and only
    there.
    """
    if not trained.active.any():
        return None, ()
    space = trained.space[table.train]
    mixture = fit_mixture(space, groups)
    if groups == len(STAGES) and "t_stage" in table.facts:
        stages = [table.facts["t_stage"][row] for row in table.train]
        if follow_stages(mixture(space), stages):
            return by_stage(mixture, mixture(space), stages), STAGES
    return mixture, _neutral(groups)


def _write_model(run: AutoencoderRun, naming: Naming) -> None:
    """Write the model: the network, its groups, and how unlike others a patient can be."""
    table, trained = run.table, run.trained
    network = _built(_network(table, run.options, classes=len(run.classes)), 0)
    weights = {k: v for k, v in trained.network.state_dict().items() if not k.startswith("group_")}
    network.load_state_dict(weights, strict=False)
    if run.mixture is not None:
        _teach(network.eval(), run.mixture, trained.active)
    rows = run._rows
    with torch.no_grad():
        features = float64_of(network.eval()(rows).features)
    known = features[table.train]
    # Not the validation's patients: the epoch was chosen by them.
    reference = reference_of(known, [HeldOut(known, features[table.rows("test")])])
    card = replace(
        _card(table, run.options, naming, run.classes),
        metrics={"test_error": _test_error(np.exp(features[table.rows("test"), -1]))},
        reference=ReferenceSpec(len(known)),
    )
    write_model_file(run.folder / MODEL, network, card=card, reference=reference)


def _teach(network: Autoencoder, mixture: Mixture, active: np.ndarray) -> None:
    """Tell a network its groups; units that say nothing tell no group from another."""
    network.group_weight.copy_(torch.from_numpy(mixture.weights))
    network.group_mean[:, active] = torch.from_numpy(mixture.means).float()
    within = np.eye(len(active))
    within[np.ix_(active, active)] = mixture.precision
    network.group_precision.copy_(torch.from_numpy(within).expand_as(network.group_precision))


def _test_error(errors: np.ndarray) -> Metric:
    where = "held-out patients: squared error of a standardised column, rebuilt"
    return Metric.of(bootstrap(np.mean, errors, stratify=False), n=len(errors), where=where)


def _card(
    table: Table, options: AutoencoderOptions, naming: Naming, codes: tuple[str, ...]
) -> Card:
    """The card as far as it is known before the training.

    Raises:
        ModelError: the naming or the columns do not fit into a card.
    """
    matrix, staged = table.matrix, codes == STAGES
    source = Source(
        matrix.name, matrix.kind, matrix.columns, matrix.scale, matrix.extractor, matrix.cube
    )
    card = Card(
        name=naming.name or "autoencoder",
        title=naming.title or f"Groups of patients by {matrix.name}",
        task="t_stage" if staged else "groups",
        question=naming.question or f"Which group of patients is this one's {matrix.name} like?",
        classes=tuple(ClassLabel(code, _group_name(code, staged)) for code in codes),
        network=_network(table, options, classes=len(codes)),
        input=TableSpec((source,)),
        positive=0,
        training=trained_on(
            table.cases,
            table.fold,
            data=f"From scratch, on {len(table.matrix.columns)} columns of {matrix.name} "
            f"({matrix.scale}) of {len(table.train)} patients; "
            f"{len(table.fold.validation)} more to choose the epoch.",
            seed=options.recipe.seed,
            command=naming.command,
        ),
        licence=naming.licence or "Not stated by who trained it.",
        intended_use="Research on cohorts like the one it was trained on.",
        must_not=(
            "Must not be used to diagnose, to choose a treatment or to tell a patient a prognosis.",
            "Must not be used to stage a patient: a group is named after the stage that most of "
            "its patients had, and may follow something else."
            if staged
            else "Must not be used without validating it on local patients first.",
        ),
        notice=naming.notice,
    )
    return Card.from_json(card.to_json())


def _group_name(code: str, staged: bool) -> str:
    return f"Group like {code}" if staged else f"Group {code.removeprefix('g')}"
