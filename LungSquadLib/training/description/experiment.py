"""The training of a network that describes nodules: one fit on a store, tested on a fold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.store import open_store
from ...errors import InputError
from ...inference.description import IMPRESSION
from ...models.card import Card, Metric, ReferenceSpec
from ...models.characteristics import Characteristic
from ...models.file import read_card, write_model_file
from ...networks import build
from ...networks.description import DescriptionNetwork
from ...options import described
from ...progress import Progress, step
from ...statistics.agreement import (
    mean_and_sd,
    same_variance,
    sd_by_value,
    temperature_of_votes,
    tempered,
)
from ..card import NO_CARE, UNTESTED, CardText, HeldOut, reference_of, trained_card, trained_on
from ..checkpoint import load_weights
from ..experiment import MODEL, Experiment, Fit, Session, finish_fit, fit_task, read_fit, run
from ..loop import Schedule
from .data import LOWEST, SCALES, Nodules, input_spec, network_spec, split, votes_of
from .options import DescriptionOptions
from .quality import description_metrics
from .task import DescriptionTask

_REFERENCE = 500  # training nodules of the out-of-distribution score, at most
MUST_NOT = (
    NO_CARE,
    "Must not be taken for a diagnosis: it repeats how radiologists rate images.",
    UNTESTED,
)


def train_description(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: DescriptionOptions,
    *,
    card_text: CardText | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Metric]:
    """Train on the nodules of a store and their readers' ratings, and write run and model.

    Args:
        store: of `build_cohort`, with columns such as `malignancy_readers` ("4 5 3").
        folder: of the run; a run that was stopped is resumed.
        options: of the training.
        card_text: what the user writes into the model's card.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Returns:
        The metrics on the patients of the test fold.

    Raises:
        InputError: the store, the options or the folder cannot be used.
    """
    opened = open_store(store)
    spec = input_spec(opened, options)
    nodules = Nodules.of(opened, tuple(SCALES), spec, sets=options.sets)
    run(
        DescriptionExperiment(nodules, options, card_text or CardText()),
        Path(folder),
        progress=progress,
    )
    return read_card(Path(folder) / MODEL).metrics


class DescriptionExperiment(Experiment[DescriptionOptions]):
    """One fit; the model has the weights of the epoch with the least validation loss."""

    distributable = False

    def __init__(self, nodules: Nodules, options: DescriptionOptions, text: CardText) -> None:
        self.nodules, self.options, self.card_text = nodules, options, text
        self.fold = split(nodules, options)
        self.network = network_spec(options)
        self.votes = np.concatenate(
            [
                votes_of(ratings, LOWEST, len(SCALES[name].words))
                for name, ratings in zip(nodules.names, nodules.ratings, strict=True)
            ],
            1,
        )

    def described(self) -> dict[str, Any]:
        return {
            "training": "description",
            "options": described(self.options),
            "store": self.nodules.store.preprocessing.hash,
            "split": self.fold.hash(self.nodules.cases),
        }

    def check(self) -> None:
        for part in self.fold.parts:
            if len(self._indices(part)) < 2:
                raise InputError(f"The {part} part has fewer than two nodules with ratings.")

    def fits(self) -> list[Fit]:
        return [Fit("final", self.options.seed, 0, self.fold)]

    def fit(self, fit: Fit, session: Session) -> None:
        folder = session.of_fit(fit)
        task = self._task(self._network().to(self.options.device))
        fit_task(task, Schedule(self.options.epochs), folder, session)
        finish_fit(folder, task.network.state_dict())

    def export(self, session: Session) -> None:
        (fit,), network = self.fits(), self._network()
        load_weights(network, read_fit(session.of_fit(fit))[0])
        task = self._task(network.to(self.options.device))
        parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for number, part in enumerate(self.fold.parts):
            step(session.progress, number / 3, f"Describing the {part} nodules")
            chosen = self._indices(part)
            parts[part] = task.predict(_spaced(chosen) if part == "train" else chosen)
        characteristics = self._characteristics(parts["validation"][0])
        metrics = description_metrics(
            self.nodules,
            self._indices("test"),
            parts["test"][0],
            characteristics,
            where=f"nodules of {self._patients('test')} patients whom the training never saw",
        )
        training, tested = parts["train"][1], parts["test"][1]
        reference = reference_of(training, [HeldOut(training, tested[self._first_of_patients()])])
        write_model_file(
            session.folder / MODEL,
            network,
            card=self._card(characteristics, metrics, ReferenceSpec(len(training))),
            reference=reference,
        )

    def _characteristics(self, output: np.ndarray) -> tuple[Characteristic, ...]:
        """Return the scales, calibrated on the output for the validation nodules."""
        nodules, training = self.nodules, self._indices("train")
        validation = self._indices("validation")
        log_volume = np.log([case.volume_ml for case in nodules.cases])
        result, start = [], 0
        for name, scale in SCALES.items():
            stop = start + len(scale.words)
            columns, votes = output[:, start:stop], self.votes[validation, start:stop]
            temperature = temperature_of_votes(columns, votes) if votes.any() else 1.0
            expected, sd = mean_and_sd(tempered(columns, temperature), LOWEST)
            means = nodules.means(name)
            known, rated = (part[~np.isnan(means[part])] for part in (training, validation))
            validated = ~np.isnan(means[validation])
            ratings = nodules.ratings[nodules.names.index(name)]
            result.append(
                Characteristic(
                    name,
                    LOWEST,
                    scale.words,
                    same_variance(expected[validated], means[rated]),
                    temperature,
                    float(np.quantile(sd, 1 - self.options.abstaining)),
                    tuple(
                        sd_by_value(
                            [ratings[n] for n in training.tolist()], LOWEST, len(scale.words)
                        ).tolist()
                    ),
                    scale.groups,
                    same_variance(log_volume[known], means[known]),
                )
            )
            start = stop
        return tuple(result)

    def _card(
        self,
        characteristics: tuple[Characteristic, ...],
        metrics: Mapping[str, Metric],
        reference: ReferenceSpec | None,
    ) -> Card:
        text, cases = self.card_text, self.nodules.cases
        default = CardText(
            name="nodule-description",
            title="Description of a nodule as radiologists give it",
            question="How would radiologists describe this nodule?",
            notice=IMPRESSION,
        )
        return trained_card(
            text,
            default,
            task="description",
            classes=(),
            network=self.network,
            input=self.nodules.spec,
            positive=0,
            training=trained_on(
                cases,
                self.fold,
                data=f"From scratch, on the ratings of up to four radiologists of "
                f"{len(self.fold.train)} nodules of {self._patients('train')} patients; "
                f"{len(self.fold.validation)} nodules of {self._patients('validation')} more "
                "patients chose the epoch, the temperatures and the limits of abstention."
                + self.options.kept_for_test,
                seed=self.options.seed,
                command=text.command,
            ),
            metrics=metrics,
            reference=reference,
            intended_use="A structured description of a nodule with a mask, for research.",
            must_not=MUST_NOT,
            characteristics=characteristics,
        )

    def _patients(self, part: str) -> int:
        return len(set(self.nodules.patients[self._indices(part)].tolist()))

    def _first_of_patients(self) -> np.ndarray:
        """Return the first test nodule of each patient, by its position among the test nodules."""
        patients = self.nodules.patients[self._indices("test")]
        return np.sort(np.unique(patients, return_index=True)[1])

    def _task(self, network: DescriptionNetwork) -> DescriptionTask:
        return DescriptionTask(
            network,
            self.nodules,
            self.votes,
            training=self._indices("train"),
            validation=self._indices("validation"),
            options=self.options,
        )

    def _indices(self, part: str) -> np.ndarray:
        names = set(self.fold.parts[part])
        return np.array([n for n, case in enumerate(self.nodules.cases) if case.case in names])

    def _network(self) -> DescriptionNetwork:
        torch.manual_seed(self.options.seed)
        network: DescriptionNetwork = build(self.network.name, self.network.arguments)
        return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def _spaced(chosen: np.ndarray) -> np.ndarray:
    """Return at most `_REFERENCE` of the indices, evenly spaced."""
    return chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _REFERENCE)).astype(np.int64)]
