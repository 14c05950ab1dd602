"""The training of inpainting: one fit on a store, and its errors on held-out patients.

The folder of the fit has pictures of some validation cases after each epoch in `samples/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from ...data.store import open_store
from ...imaging.files.write import write_png
from ...imaging.pictures import windowed
from ...inference.inpainting import TYPICAL
from ...models.card import Card, Metric
from ...models.file import read_card, write_model_file
from ...progress import Progress, step
from ..card import CardText
from ..experiment import MODEL, Fit, Session, finish_fit, fit_task, run
from ..loop import Row, Schedule
from ..single_fit import SingleFit
from .data import InpaintingSetup, set_up
from .options import InpaintingOptions
from .quality import HeldOutCase, inpainting_errors
from .task import Batch, InpaintingTask

NOTICE = "The tumours of this model are synthetic, and of no patient's disease."
SAMPLES = "samples"
_PICTURE_CASES = 4  # validation cases of a picture


def train_inpainting(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: InpaintingOptions,
    *,
    card_text: CardText | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Metric]:
    """Train inpainting on the cubes of a store, and write the run and its model.

    Args:
        store: of `build_cohort`.
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Returns:
        The metrics on held-out patients; none if this is not the main process.

    Raises:
        InputError: the store, the options or the folder cannot be used.
    """
    experiment = InpaintingExperiment(set_up(open_store(store), options), card_text)
    context = run(experiment, Path(folder), progress=progress)
    return read_card(Path(folder) / MODEL).metrics if context.is_main_process else {}


class InpaintingExperiment(SingleFit[InpaintingOptions, InpaintingSetup]):
    """One fit of the inpainting network and its discriminator."""

    def fit(self, fit: Fit, session: Session) -> None:
        setup, folder = self.setup, session.of_fit(fit)
        task = InpaintingTask(
            setup.initial_network().to(self.options.device, memory_format=torch.channels_last_3d),
            setup.dataset(),
            labels=setup.labels,
            training=setup.indices(fit.parts.train),
            validation=setup.indices(fit.parts.validation),
            options=self.options,
            context=session.context,
        )
        pictures = CasePictures(task, folder / SAMPLES)
        fit_task(task, Schedule(self.options.epochs), folder, session, (pictures,))
        if session.context.is_main_process:
            finish_fit(folder, task.network.state_dict())

    def export(self, session: Session) -> None:
        (fit,), setup = self.fits(), self.setup
        network = self.trained_network(session).to(memory_format=torch.channels_last_3d)
        step(session.progress, 0.0, "Inpainting the tumours of the test patients")
        metrics = inpainting_errors(
            network.eval(),
            setup.spec,
            [self._held_out(number) for number in setup.indices(fit.parts.test).tolist()],
            where="tumours of held-out patients, inpainted anew",
        )
        metrics[TYPICAL] = self._typical_mean()
        write_model_file(session.folder / MODEL, network, card=self.card(metrics))

    def _held_out(self, number: int) -> HeldOutCase:
        case, label = self.setup.cases[number], int(self.setup.labels[number])
        content = self.setup.store.content(case)
        return HeldOutCase.of(content, self.options.size, patient=case.patient, label=label)

    def _typical_mean(self) -> Metric:
        """Return the median and the central 95 % of the training tumours' mean HU."""
        means = []
        for number in self.setup.indices(self.setup.fold.train).tolist():
            hu, mask = self.setup.read(number)
            means.append(float(hu[mask != 0].mean()))
        low, median, high = np.quantile(means, (0.025, 0.5, 0.975)).tolist()
        where = "tumours of the training: the median, and the range of 95 % of them"
        return Metric(median, low, high, len(means), where)

    def card(self, metrics: Mapping[str, Metric]) -> Card:
        fold, patients = self.setup.fold, self.setup.patients(self.setup.fold.train)
        default = CardText(
            name="inpainting",
            title="Tumours inpainted in a CT",
            question="What would a tumour of this shape look like here?",
            notice=NOTICE,
        )
        return self.image_card(
            default,
            task="inpainting",
            data=f"From scratch, with the tumours of {patients} patients; "
            f"{len(fold.validation)} more cases to choose the epoch.",
            intended_use="Data for the training and testing of networks.",
            metrics=metrics,
        )


class CasePictures:
    """A `loop.Callback` that writes a picture: a row of tiles for each validation case.

    Original, CT without the region, and inpainted CT; axial, then coronal.
    """

    def __init__(self, task: InpaintingTask, folder: Path) -> None:
        self._task, self._folder = task, folder

    @torch.no_grad()
    def epoch(self, number: int, row: Row) -> None:
        del row
        task = self._task
        chosen = task.validation[:_PICTURE_CASES]
        x = task.samples.plain(chosen).to(task.device)
        batch = Batch.of(x, torch.from_numpy(task.labels[chosen]).to(task.device))
        task.network.eval()
        inpainted = batch.inpainted(task.network) + batch.noise * batch.region
        masked = batch.ct * (1 - batch.region)
        cubes = torch.cat([batch.ct, masked, inpainted], 1).cpu().numpy()
        spec, middle = task.samples.spec, cubes.shape[-1] // 2
        hu = cubes * (spec.hu_high - spec.hu_low) + spec.hu_low
        tiles = np.concatenate([hu[:, :, middle], hu[:, :, ::-1, middle]], 1)  # (n, 6, side, side)
        sheet = np.concatenate(np.concatenate(tiles.transpose(1, 0, 2, 3), 2), 0)
        write_png(self._folder / f"epoch-{number:04d}.png", windowed(sheet))
