"""The training of a segmentation network: one fit, and its masks on held-out patients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import InputError
from ...files import write_json
from ...models.card import Card, Metric
from ...models.file import read_card, read_model_file, write_model_file
from ...networks import build
from ...networks.segmentation import SegmentationNetwork
from ...progress import Part, Progress
from ..card import CardText, image_card, trained_on
from ..checkpoint import load_weights
from ..experiment import (
    MODEL,
    Experiment,
    Fit,
    Session,
    finish_fit,
    fit_task,
    read_fit,
    run,
    write_rows,
)
from ..loop import Schedule
from .data import SegmentationSetup, open_source, set_up
from .options import SegmentationOptions
from .quality import CASES, RESULT, segmentation_quality
from .task import SegmentationTask


def train_segmentation(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: SegmentationOptions,
    *,
    card_text: CardText | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Metric]:
    """Train a segmenter on cubes or slices, and write the run and its model.

    Args:
        source: store of `build_cohort`, or a set of slices.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Returns:
        The metrics on held-out patients.

    Raises:
        InputError: the data, the options or the folder cannot be used.
    """
    setup = set_up(open_source(source), options)
    run(SegmentationExperiment(setup, card_text or CardText()), Path(folder), progress=progress)
    return read_card(Path(folder) / MODEL).metrics


class SegmentationExperiment(Experiment[SegmentationOptions]):
    """One fit of the segmentation network."""

    distributable = False

    def __init__(self, setup: SegmentationSetup, card_text: CardText) -> None:
        self.setup, self.card_text = setup, card_text
        self.options = setup.options

    def described(self) -> dict[str, Any]:
        return self.setup.described()

    def check(self) -> None:
        self._card({})
        self._network()

    def fits(self) -> list[Fit]:
        return [Fit("final", self.options.seed, 0, self.setup.fold)]

    def fit(self, fit: Fit, session: Session) -> None:
        setup, folder = self.setup, session.of_fit(fit)
        layout = torch.channels_last_3d if setup.source.dimensions == 3 else torch.channels_last
        task = SegmentationTask(
            self._network().to(self.options.device, memory_format=layout),  # type: ignore[call-overload]
            setup,
            training=setup.repeated(setup.indices(fit.parts.train)),
            validation=setup.indices(fit.parts.validation),
        )
        fit_task(task, Schedule(self.options.epochs), folder, session)
        finish_fit(folder, task.network.state_dict())

    def export(self, session: Session) -> None:
        (fit,), setup, path = self.fits(), self.setup, session.folder / MODEL
        network = self._network()
        load_weights(network, read_fit(session.of_fit(fit))[0])
        write_model_file(path, network, card=self._card({}))
        quality = segmentation_quality(
            read_model_file(path),
            setup.source,
            [setup.source.cases[number] for number in setup.indices(fit.parts.test).tolist()],
            where="held-out patients",
            progress=Part(session.progress, 0.0, 1.0),
        )
        write_rows(session.folder / CASES, quality.rows)
        write_json(session.folder / RESULT, quality.to_dict())
        write_model_file(path, network, card=self._card(quality.metrics))

    def _network(self) -> SegmentationNetwork:
        torch.manual_seed(self.options.seed)
        spec = self.setup.network
        try:
            network: SegmentationNetwork = build(spec.name, spec.arguments)
        except ValueError as error:
            raise InputError(f"There is no such network: {error}.") from error
        return network

    def _card(self, metrics: Mapping[str, Metric]) -> Card:
        setup, text = self.setup, self.card_text
        by_name = {case.case: case for case in setup.source.cases}
        patients = {by_name[name].patient for name in setup.fold.train}
        default = CardText(
            name="segmenter",
            title="Tumour masks from clicks",
            question="Which voxels belong to the tumour that was clicked into?",
        )
        return image_card(
            text,
            default,
            task="segmentation",
            classes=(),
            network=setup.network,
            spec=setup.spec,
            training=trained_on(
                setup.source.cases,
                setup.fold,
                data=f"From scratch, with the tumours of {len(patients)} patients; "
                f"{len(setup.fold.validation)} more cases to choose the epoch."
                + self.options.kept_for_test,
                seed=self.options.seed,
                command=text.command,
            ),
            intended_use="A mask to start from, which a person checks.",
            metrics=metrics,
        )
