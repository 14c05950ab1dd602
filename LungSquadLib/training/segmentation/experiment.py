"""The training of a segmentation network: one fit, and its masks on held-out patients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from ...files import write_json
from ...models.card import Card, Metric
from ...models.file import read_card, read_model_file, write_model_file
from ...progress import Part, Progress
from ..card import CardText
from ..experiment import MODEL, Fit, Session, finish_fit, fit_task, run, write_rows
from ..loop import Schedule
from ..single_fit import SingleFit
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
    run(SegmentationExperiment(setup, card_text), Path(folder), progress=progress)
    return read_card(Path(folder) / MODEL).metrics


class SegmentationExperiment(SingleFit[SegmentationOptions, SegmentationSetup]):
    """One fit of the segmentation network."""

    distributable = False

    def fit(self, fit: Fit, session: Session) -> None:
        setup, folder = self.setup, session.of_fit(fit)
        layout = torch.channels_last_3d if setup.source.dimensions == 3 else torch.channels_last
        task = SegmentationTask(
            setup.initial_network().to(self.options.device, memory_format=layout),
            setup,
            training=setup.repeated(setup.indices(fit.parts.train)),
            validation=setup.indices(fit.parts.validation),
        )
        fit_task(task, Schedule(self.options.epochs), folder, session)
        finish_fit(folder, task.network.state_dict())

    def export(self, session: Session) -> None:
        (fit,), setup, path = self.fits(), self.setup, session.folder / MODEL
        network = self.trained_network(session)
        write_model_file(path, network, card=self.card({}))
        quality = segmentation_quality(
            read_model_file(path),
            setup.source,
            [setup.source.cases[number] for number in setup.indices(fit.parts.test).tolist()],
            where="held-out patients",
            progress=Part(session.progress, 0.0, 1.0),
        )
        write_rows(session.folder / CASES, quality.rows)
        write_json(session.folder / RESULT, quality.to_dict())
        write_model_file(path, network, card=self.card(quality.metrics))

    def card(self, metrics: Mapping[str, Metric]) -> Card:
        fold, patients = self.setup.fold, self.setup.patients(self.setup.fold.train)
        default = CardText(
            name="segmenter",
            title="Tumour masks from clicks",
            question="Which voxels belong to the tumour that was clicked into?",
        )
        return self.image_card(
            default,
            task="segmentation",
            data=f"From scratch, with the tumours of {patients} patients; "
            f"{len(fold.validation)} more cases to choose the epoch.",
            intended_use="A mask to start from, which a person checks.",
            metrics=metrics,
        )
