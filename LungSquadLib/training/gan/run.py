"""A training of the progressive GAN on a set of slices, from the split to the model it ends in.

Its folder holds `run.json` (what decides the results), `splits.csv`, `ticks.csv` (what was
measured), `fakes/` (the same latents after each tick), `checkpoint`, and in the end
`model.safetensors`. The same call goes on where a run was stopped, and ends with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...data.slice_set import SliceCase, SliceSet, open_slices
from ...data.split_files import write_splits
from ...data.splits import Fold, held_out
from ...errors import InputError
from ...files import write_csv
from ...imaging.channels import to_channels
from ...models.card import Card, NetworkSpec
from ...models.file import write_model_file
from ...models.inputs import InputSpec
from ...networks import build
from ...networks.devices import thread_count
from ...networks.progressive import Critic, Generator, level_of
from ...progress import Part, Progress, Silent, step
from ..allocator import keep_blocks
from ..classifier.export import IMAGES_MUST_NOT, Naming, class_labels, trained_on
from ..distributed import World, world
from ..logs import TensorBoard
from ..loop import Plan, Row, fit
from ..run_folder import begun
from .options import PRESETS, SMALLEST, GanOptions
from .pictures import Fakes
from .task import Gan, GanRecipe, Material

MODEL, CHECKPOINT, TICKS = "model.safetensors", "checkpoint", "ticks.csv"
NOTICE = "The images of this model are synthetic, and of no patient."
_TOLD = ("images", "resolution", "gap", "overfit", "s per 1000")


@dataclass(frozen=True)
class GanSetup:
    """A set of slices and options that belong together."""

    slices: SliceSet
    options: GanOptions
    cases: tuple[SliceCase, ...]
    classes: tuple[str, ...]
    fold: Fold

    @cached_property
    def network(self) -> NetworkSpec:
        """The generator."""
        preset = PRESETS[self.options.preset]
        arguments = {
            "resolution": self.slices.slicing.resolution,
            "channels": 2,
            "classes": len(self.classes),
            "latent": preset.latent,
            "base": preset.base,
            "most": preset.most,
        }
        return NetworkSpec("progressive", arguments)

    @cached_property
    def spec(self) -> InputSpec:
        """What comes out of it."""
        made = self.slices.slicing
        return InputSpec(made.resolution, made.pixel_mm, made.hu_low, made.hu_high, True)

    def described(self) -> dict[str, Any]:
        """What decides the results."""
        return {
            "training": "gan",
            "slices": self.slices.slicing.hash,
            "options": asdict(self.options),
            "classes": list(self.classes),
            "split": self.fold.hash(self.cases),
        }

    def material(self, names: Sequence[str]) -> Material:
        """The slices of the named cases, in memory."""
        wanted, spec = set(names), self.spec
        images, labels = [], []
        for case in self.cases:
            if case.case in wanted:
                hu, mask = self.slices.content(case)
                images.append(to_channels(hu, mask, low=spec.hu_low, high=spec.hu_high))
                if self.classes:
                    label = self.classes.index(case.said(str(self.options.label)))
                    labels += [label] * len(hu)
        x = torch.from_numpy(np.concatenate(images))
        return Material(
            x.contiguous(memory_format=torch.channels_last),
            torch.tensor(labels) if self.classes else None,
        )


def train_gan(
    slices: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: GanOptions,
    *,
    naming: Naming | None = None,
    progress: Progress | None = None,
) -> Path | None:
    """Train a progressive GAN on a set of slices, and write the run and its model.

    Args:
        slices: of `cohort.slicing`.
        folder: of the run; one that was stopped goes on.
        options: what to train.
        naming: what the model's card is to say.
        progress: told how it goes; may cancel, and nothing is lost.

    Returns:
        The model's file; None in a process of several that does not write it.

    Raises:
        InputError: the set, the options or the folder cannot be used.
    """
    progress, place, naming = progress or Silent(), Path(folder), naming or Naming()
    keep_blocks()
    setup = set_up(open_slices(slices), options)
    card = gan_card(setup, naming)  # what is wrong with it is said before anything is written
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with repeatable, world(torch.device(options.device)) as processes:
        with thread_count(begun(place, setup.described(), processes)):
            task = _task(setup, processes)
            if processes.leads:
                write_splits(place / "splits.csv", [(options.seed, 0, setup.fold.parts)])
            rows = _fit(task, place, processes, Part(progress, 0.0, 0.99))
        if not processes.leads:
            return None
        step(progress, 0.99, "Writing the model")
        write_csv(place / TICKS, list(rows[0]), rows)
        write_model_file(place / MODEL, task.average.cpu(), card=card)
    return place / MODEL


def set_up(slices: SliceSet, options: GanOptions) -> GanSetup:
    """Split a set of slices for a training.

    Raises:
        InputError: the set lacks what the options name, or has too few patients.
    """
    cases, classes = slices.cases, tuple[str, ...]()
    if slices.slicing.resolution < SMALLEST:
        raise InputError(f"Slices of fewer than {SMALLEST} pixels a side are no images.")
    if options.label is not None:
        if options.label not in cases[0].columns:
            there = ", ".join(cases[0].columns) or "none"
            raise InputError(f"The slices have no column '{options.label}'; they have {there}.")
        cases = tuple(case for case in cases if case.said(str(options.label)))
        classes = tuple(sorted({case.said(str(options.label)) for case in cases}))
    half = options.held_out / 2
    fold = held_out(cases, seed=options.seed, validation=half, test=half)
    return GanSetup(slices, options, cases, classes, fold)


def _task(setup: GanSetup, processes: World) -> Gan:
    torch.manual_seed(setup.options.seed)
    arguments = dict(setup.network.arguments)
    generator: Generator = build(setup.network.name, arguments)
    arguments.pop("latent")
    critic = Critic(arguments.pop("resolution"), **arguments)
    for network in (generator, critic):
        _channels_last(network.to(setup.options.device))
    preset = PRESETS[setup.options.preset]
    growth = setup.options.growth(level_of(setup.spec.size))
    fewest = min(tick.batch for tick in growth.ticks)
    if processes.size > fewest // 4:
        raise InputError(
            f"{processes.size} processes cannot share a minibatch of {fewest} images: "
            f"start {fewest // 4} at most."
        )
    return Gan(
        generator,
        critic,
        growth,
        training=setup.material(setup.fold.train),
        held_out=setup.material(setup.fold.validation),
        recipe=GanRecipe(
            learning_rate=setup.options.learning_rate,
            average=preset.average,
            patience=preset.patience,
            seed=setup.options.seed,
        ),
        world=processes,
    )


def _fit(task: Gan, place: Path, processes: World, progress: Progress) -> list[Row]:
    return fit(
        task,
        Plan(len(task.growth.ticks), told=_TOLD),
        checkpoint=place / CHECKPOINT,
        world=processes,
        progress=progress,
        message="Training the GAN",
        watchers=(TensorBoard(place), Fakes(task, place / "fakes")),
    )


def _channels_last(network: nn.Module) -> None:
    """A third faster on a processor."""
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def gan_card(setup: GanSetup, naming: Naming) -> Card:
    """The model's card as far as it is known before the training.

    Raises:
        ModelError: the naming or the classes do not fit into a card.
    """
    by_name = {case.case: case for case in setup.cases}
    training = [by_name[name] for name in setup.fold.train]
    patients = {case.patient for case in training}
    count, made = sum(case.count for case in training), setup.slices.slicing
    card = Card(
        name=naming.name or "generator",
        title=naming.title or "Generated slices of tumours",
        task="generation",
        question=naming.question or "What do other tumours look like?",
        classes=class_labels(setup.classes),
        network=setup.network,
        input=setup.spec,
        positive=0,
        training=trained_on(
            setup.cases,
            setup.fold,
            data=f"From scratch, with {count} slices of {len(patients)} patients, {made}; "
            f"{len(setup.fold.validation)} more cases to detect overfitting.",
            seed=setup.options.seed,
            command=naming.command,
        ),
        licence=naming.licence or "Not stated by who trained it.",
        intended_use="To look at, and as data for the training and testing of networks.",
        must_not=IMAGES_MUST_NOT,
        notice=naming.notice or NOTICE,
    )
    return Card.from_json(card.to_json())
