"""A training of a translator on a store, from the split to the model that comes out of it.

Its folder holds `run.json` (what decides the results), `splits.csv`, `pictures/` (of a few
validation cases after each epoch), `checkpoint`, and in the end `model.safetensors`. The same call
goes on where a run was stopped, and ends with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.split_files import write_splits
from ...data.splits import Fold, folds, held_out
from ...data.store import Store, StoredCase, open_store
from ...errors import InputError
from ...imaging.crop import central_cube
from ...inference.inpainting import TYPICAL
from ...models.card import Card, Metric, NetworkSpec
from ...models.file import write_model_file
from ...models.inputs import InputSpec
from ...networks import build
from ...networks.devices import thread_count
from ...networks.inpainting import Inpainter
from ...progress import Part, Progress, Silent, step
from ..allocator import keep_blocks
from ..classifier.export import IMAGES_MUST_NOT, Naming, class_labels, trained_on
from ..distributed import World, world
from ..logs import TensorBoard
from ..loop import Plan, fit
from ..run_folder import begun
from .data import Hollows
from .pictures import Pictures
from .quality import Tested, measured
from .task import Recipe, Translation

MODEL, CHECKPOINT = "model.safetensors", "checkpoint"
HU = (-1000.0, 500.0)
NOTICE = "The tumours of this model are synthetic, and of no patient's disease."


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Attributes:
        label: the column of the store whose classes can be asked for; None: nothing to choose.
        size: voxels a side.
        width, depth: of the network.
        device: to train on.
        recipe: how.
    """

    label: str | None = None
    size: int = 64
    width: int = 8
    depth: int = 4
    device: str = "cpu"
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True)
class _Setup:
    """A store and options that belong together."""

    store: Store
    options: Options
    cases: tuple[StoredCase, ...]
    classes: tuple[str, ...]
    fold: Fold

    @cached_property
    def network(self) -> NetworkSpec:
        arguments = {
            "input_size": self.options.size,
            "width": self.options.width,
            "depth": self.options.depth,
            "classes": len(self.classes),
        }
        return NetworkSpec("inpainting", arguments)

    @cached_property
    def spec(self) -> InputSpec:
        return InputSpec(self.options.size, self.store.preprocessing.spacing, *HU, True)

    @cached_property
    def labels(self) -> np.ndarray:
        label = self.options.label
        if label is None:
            return np.full(len(self.cases), -1)
        return np.array([self.classes.index(case.said(label)) for case in self.cases])

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Where the named cases stand."""
        place = {case.case: number for number, case in enumerate(self.cases)}
        return np.array([place[name] for name in names], np.int64)

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """HU and mask of a case with its margins."""
        content = self.store.content(self.cases[number])
        return content.hu, content.mask

    def described(self) -> dict[str, Any]:
        """What decides the results."""
        return {
            "training": "inpainting",
            "store": self.store.preprocessing.hash,
            "options": {**asdict(self.options), "recipe": asdict(self.options.recipe)},
            "classes": list(self.classes),
            "split": self.fold.hash(self.cases),
        }


def train_translation(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: Options,
    *,
    naming: Naming | None = None,
    progress: Progress | None = None,
) -> dict[str, Metric]:
    """Train a translator on the cubes of a store, and write the run and its model.

    Args:
        store: of `cohort.build`.
        folder: of the run; one that was stopped goes on.
        options: what to train.
        naming: what the model's card is to say.
        progress: told how it goes; may cancel, and nothing is lost.

    Returns:
        How good it is on the patients that were held out.

    Raises:
        InputError: the store, the options or the folder cannot be used.
    """
    progress, place, naming = progress or Silent(), Path(folder), naming or Naming()
    keep_blocks()
    setup = _set_up(open_store(store), options)
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with repeatable, world(torch.device(options.device)) as processes:
        _card(setup, naming, {})  # what is wrong with it is said before anything is written
        network = _network(setup)
        with thread_count(begun(place, setup.described(), processes)):
            _train(setup, network, place, processes, Part(progress, 0.0, 0.97))
            metrics: dict[str, Metric] = {}
            if processes.leads:
                step(progress, 0.97, "Painting the tumours of the test patients")
                metrics = measured(
                    network.cpu(),
                    setup.spec,
                    [_tested(setup, n) for n in setup.numbers(setup.fold.test).tolist()],
                    where="tumours of held-out patients, inpainted anew",
                )
                metrics[TYPICAL] = _typical(setup)
                card = _card(setup, naming, metrics)
                write_model_file(place / MODEL, network, card=card)
            processes.wait()
    return metrics


def _train(
    setup: _Setup, network: Inpainter, place: Path, processes: World, progress: Progress
) -> None:
    training, validation = (
        setup.numbers(names) for names in (setup.fold.train, setup.fold.validation)
    )
    keys = [case.crop for case in setup.cases]
    samples = Hollows(keys, setup.read, training, setup.spec, setup.options.recipe.seed)
    task = Translation(
        network,
        samples,
        labels=setup.labels,
        training=training,
        validation=validation,
        recipe=setup.options.recipe,
        world=processes,
    )
    if processes.leads:
        write_splits(place / "splits.csv", [(setup.options.recipe.seed, 0, setup.fold.parts)])
    fit(
        task,
        Plan(setup.options.recipe.epochs),
        checkpoint=place / CHECKPOINT,
        world=processes,
        progress=progress,
        watchers=(TensorBoard(place), Pictures(task, place / "pictures")),
    )


def _set_up(store: Store, options: Options) -> _Setup:
    _check(store, options)
    label, seed = options.label, options.recipe.seed
    if label is None:
        return _Setup(store, options, store.cases, (), held_out(store.cases, seed=seed))
    if not store.cases or label not in store.cases[0].columns:
        there = ", ".join(store.cases[0].columns) if store.cases else "none"
        raise InputError(f"The store has no column '{label}'; it has {there}.")
    cases = tuple(case for case in store.cases if case.said(label))
    said = [case.said(label) for case in cases]
    return _Setup(
        store, options, cases, tuple(sorted(set(said))), folds(cases, said, count=1, seed=seed)[0]
    )


def _check(store: Store, options: Options) -> None:
    recipe = options.recipe
    for name, value in {"--epochs": recipe.epochs, "--batch": recipe.batch}.items():
        if value < 1:
            raise InputError(f"{name} must be 1 or more, not {value}.")
    if not 0 <= recipe.seed < 1 << 32:
        raise InputError(f"--seed must be 0 to {(1 << 32) - 1}, not {recipe.seed}.")
    if not 0 < recipe.learning_rate <= 1:
        raise InputError(
            f"--learning-rate must be above 0 and at most 1, not {recipe.learning_rate}."
        )
    if options.size > store.preprocessing.side:
        raise InputError(
            f"The store has {store.preprocessing.side} voxels a side, fewer than --size "
            f"{options.size}: build it with a larger size."
        )


def _network(setup: _Setup) -> Inpainter:
    torch.manual_seed(setup.options.recipe.seed)
    try:
        network: Inpainter = build(setup.network.name, setup.network.arguments)
    except ValueError as error:
        raise InputError(f"There is no such network: {error}.") from error
    return network.to(  # type: ignore[call-overload]
        setup.options.device, memory_format=torch.channels_last_3d
    )


def _tested(setup: _Setup, number: int) -> Tested:
    hu, mask = setup.read(number)
    size, case = setup.options.size, setup.cases[number]
    return Tested(
        central_cube(hu, size).astype(np.int16),
        central_cube(mask, size).astype(np.uint8),
        case.patient,
        int(setup.labels[number]),
    )


def _typical(setup: _Setup) -> Metric:
    """The mean HU of the training's tumours: what is usual, and where nearly all lie."""
    means = []
    for number in setup.numbers(setup.fold.train).tolist():
        hu, mask = setup.read(number)
        means.append(float(hu[mask != 0].mean()))
    low, middle_, high = np.quantile(means, (0.025, 0.5, 0.975)).tolist()
    where = "tumours of the training: the median, and where 95 % of them lie"
    return Metric(middle_, low, high, len(means), where)


def _card(setup: _Setup, naming: Naming, metrics: dict[str, Metric]) -> Card:
    fold, by_name = setup.fold, {case.case: case for case in setup.cases}
    training = [by_name[name] for name in fold.train]
    patients = {case.patient for case in training}
    card = Card(
        name=naming.name or "inpainting",
        title=naming.title or "Tumours inpainted in a CT",
        task="inpainting",
        question=naming.question or "What would a tumour of this shape look like here?",
        classes=class_labels(setup.classes),
        network=setup.network,
        input=setup.spec,
        positive=0,
        training=trained_on(
            setup.cases,
            fold,
            data=f"From scratch, with the tumours of {len(patients)} patients; "
            f"{len(fold.validation)} more cases to choose the epoch.",
            seed=setup.options.recipe.seed,
            command=naming.command,
        ),
        metrics=metrics,
        licence=naming.licence or "Not stated by who trained it.",
        intended_use="Data for the training and testing of networks.",
        must_not=IMAGES_MUST_NOT,
        notice=naming.notice or NOTICE,
    )
    return Card.from_json(card.to_json())
