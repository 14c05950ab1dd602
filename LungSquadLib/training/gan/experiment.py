"""The training of the progressive GAN: one fit, which ends in a generator.

The folder of the fit has samples of the same latents after each tick in `samples/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...data.slice_set import open_slices
from ...errors import InputError
from ...imaging.files.write import write_png
from ...models.card import Card, Metric
from ...models.file import write_model_file
from ...networks.progressive import GROUP, Critic, Generator, level_of
from ...progress import Progress
from ..card import CardText
from ..distributed import DistributedContext
from ..experiment import MODEL, Fit, Session, finish_fit, fit_task, run
from ..loop import Row, Schedule
from ..single_fit import SingleFit
from .data import GanSetup, set_up
from .options import PRESETS, GanOptions
from .task import Gan, GanRecipe

NOTICE = "The images of this model are synthetic, and of no patient."
SAMPLES = "samples"
_REPORTED = ("images", "resolution", "gap", "overfit", "s per 1000")
_ROWS, _COLUMNS = 4, 8  # of a picture of samples
_SMALLEST = 64  # pixels a side of each sample in it


def train_gan(
    slices: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: GanOptions,
    *,
    card_text: CardText | None = None,
    progress: Progress | None = None,
) -> Path | None:
    """Train a progressive GAN on a set of slices, and write the run and its model.

    Args:
        slices: of `make_slices`.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Returns:
        The model's file; None if this is not the main process.

    Raises:
        InputError: the set, the options or the folder cannot be used.
    """
    experiment = GanExperiment(set_up(open_slices(slices), options), card_text)
    context = run(experiment, Path(folder), progress=progress)
    return Path(folder) / MODEL if context.is_main_process else None


class GanExperiment(SingleFit[GanOptions, GanSetup]):
    """One fit of generator and critic; the model is the running average of the generator."""

    def fit(self, fit: Fit, session: Session) -> None:
        task, folder = self._task(session.context), session.of_fit(fit)
        schedule = Schedule(len(task.growth.ticks), reported=_REPORTED)
        fit_task(task, schedule, folder, session, (SampleSheet(task, folder / SAMPLES),))
        if session.context.is_main_process:
            finish_fit(folder, task.average.state_dict())

    def export(self, session: Session) -> None:
        network = self.trained_network(session)
        write_model_file(session.folder / MODEL, network, card=self.card({}))

    def _task(self, context: DistributedContext) -> Gan:
        setup, options, preset = self.setup, self.options, PRESETS[self.options.preset]
        growth = options.growth(level_of(setup.spec.size))
        fewest = min(tick.batch for tick in growth.ticks)
        if context.size > fewest // GROUP:
            raise InputError(
                f"{context.size} processes cannot share a minibatch of {fewest} images: "
                f"start {fewest // GROUP} at most."
            )
        generator: Generator = setup.initial_network()
        arguments = dict(setup.network.arguments)
        for name in ("latent", "noise"):
            arguments.pop(name, None)
        critic = Critic(arguments.pop("resolution"), **arguments)
        for network in (generator, critic):
            _to_channels_last(network.to(options.device))
        recipe = GanRecipe(
            learning_rate=options.learning_rate,
            loss=options.loss,
            penalty_interval=options.penalty_interval,
            average=preset.average,
            patience=preset.patience,
            seed=options.seed,
        )
        return Gan(
            generator,
            critic,
            growth,
            training=setup.images(setup.fold.train),
            held_out=setup.images(setup.fold.validation),
            recipe=recipe,
            context=context,
        )

    def card(self, metrics: Mapping[str, Metric]) -> Card:
        setup, fold = self.setup, self.setup.fold
        count = sum(setup.cases[number].count for number in setup.indices(fold.train).tolist())
        default = CardText(
            name="generator",
            title="Generated slices of tumours",
            question="What do other tumours look like?",
            notice=NOTICE,
        )
        return self.image_card(
            default,
            task="generation",
            data=f"From scratch, with {count} slices of {setup.patients(fold.train)} patients, "
            f"{setup.slices.slicing}; {len(fold.validation)} more cases to detect overfitting.",
            intended_use="To look at, and as data for the training and testing of networks.",
            metrics=metrics,
        )


def _to_channels_last(network: nn.Module) -> None:
    """Order the weights of convolutions channels last: a third faster on a processor."""
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


class SampleSheet:
    """A `loop.Callback` that writes a picture: samples on the left, their masks on the right."""

    def __init__(self, task: Gan, folder: Path) -> None:
        self._task, self._folder = task, folder

    @torch.no_grad()
    def epoch(self, number: int, row: Row) -> None:
        del row
        images = self._task.samples(_ROWS * _COLUMNS).clamp(-1, 1)
        grey = ((images + 1) * 127.5).round().byte().cpu().numpy()
        sheet = np.concatenate([_tiled(grey[:, channel]) for channel in range(grey.shape[1])], 1)
        factor = max(_SMALLEST // images.shape[-1], 1)
        sheet = sheet.repeat(factor, 0).repeat(factor, 1)
        write_png(self._folder / f"tick-{number:04d}.png", sheet)


def _tiled(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:]
    grid = images.reshape(_ROWS, _COLUMNS, height, width).transpose(0, 2, 1, 3)
    return grid.reshape(_ROWS * height, _COLUMNS * width)
