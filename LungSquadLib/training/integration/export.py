"""The model that a training on tables ends in: weights, card, reference patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...data.overlap import seen
from ...fields import identifier
from ...models.card import Card, Metric, NetworkSpec, ReferenceSpec, Training
from ...models.file import write_model_file
from ...statistics.calibration import brier, log_odds
from ...statistics.discrimination import balanced_accuracy
from ..classifier.export import Naming, card_metric, class_labels, predictions_of
from ..reference import HeldOut, reference_of
from .fold import Job, final_job, read_fitted
from .setup import Setup
from .task import SETTINGS, Setting, network_arguments
from .task import answers as network_answers

Answers = Sequence[Mapping[str, str]]


def write_model(setup: Setup, place: Path, *, answers: Answers, naming: Naming) -> str:
    """Write `model.safetensors` of a finished run; return its SHA-256.

    Args:
        setup: the run.
        place: its folder.
        answers: out of fold, which the card's metrics are taken from.
        naming: what else the card says.
    """
    job = final_job(setup)
    setting, fitted = read_fitted(setup, job, place / "fits")
    training, validation = (
        setup.rows.x[setup.numbers(names)][:, fitted.columns]
        for names in (job.parts.train, job.parts.validation)
    )
    _, known = network_answers(fitted.network, training)
    logits, _ = network_answers(fitted.network, validation)
    reference = reference_of(known, _held_out(setup, place / "fits"))
    card = replace(
        _card(setup, naming, setting, fitted.columns),
        temperature=fitted.temperature,
        metrics=_metrics(setup, [row for row in answers if row["part"] == "test"]),
        reference=ReferenceSpec(len(training), float(log_odds(logits, setup.positive).std(ddof=1))),
    )
    return write_model_file(
        place / "model.safetensors", fitted.network, card=card, reference=reference
    )


def _held_out(setup: Setup, folder: Path) -> Iterator[HeldOut]:
    """The first seed's test patients, each by the network of the fold that they were kept from."""
    for (seed, fold), parts in setup.splits.items():
        if seed == 0:
            _, fitted = read_fitted(setup, Job(seed, fold, parts), folder)
            features = (
                network_answers(
                    fitted.network, setup.rows.x[setup.numbers(names)][:, fitted.columns]
                )[1]
                for names in (parts.train, parts.test)
            )
            yield HeldOut(*features)


def draft(setup: Setup, naming: Naming) -> Card:
    """The card as far as it is known before the training.

    Raises:
        ModelError: the naming, the classes or the columns do not fit into a card.
    """
    return _card(setup, naming, SETTINGS[0], np.arange(setup.rows.x.shape[1]))


def _card(setup: Setup, naming: Naming, setting: Setting, columns: np.ndarray) -> Card:
    label, spec = setup.options.label, setup.spec(columns)
    job = final_job(setup)
    training = [setup.patients[setup.index[name]] for name in job.parts.train]
    validation = [setup.patients[setup.index[name]] for name in job.parts.validation]
    y = setup.y[setup.numbers(job.parts.train)]
    counts = np.bincount(y, minlength=len(setup.classes)).tolist()
    each = ", ".join(f"{n} {name}" for n, name in zip(counts, setup.classes, strict=True))
    arguments = network_arguments(setup.shape(setup.sources), setting, spec.widths)
    card = Card(
        name=naming.name or identifier(label),
        title=naming.title or f"{label}: {' or '.join(setup.classes)}"[:200],
        task=identifier(label),
        question=naming.question or f"Which {label} is it?",
        classes=class_labels(setup.classes),
        network=NetworkSpec("integration", arguments),
        input=spec,
        positive=setup.positive,
        training=Training(
            data=f"{len(training)} patients ({each}) with {spec}; {len(validation)} more to "
            "choose the epoch and the temperature."[:2000],
            patients=len(training),
            fingerprint=setup.fingerprint,
            split_hash=setup.split_hash,
            seed=setup.options.seed,
            command=naming.command,
            seen=seen([*training, *validation]),
        ),
        licence=naming.licence or "Not stated by who trained it.",
        intended_use="Research on cohorts like the one it was trained on.",
        must_not=(
            "Must not be used to diagnose, to choose a treatment or to tell a patient a prognosis.",
            "Must not be used without validating it on local patients first.",
        ),
        notice=naming.notice,
    )
    return Card.from_json(card.to_json())


def _metrics(setup: Setup, rows: Answers) -> dict[str, Metric]:
    """Of the answers out of fold: means over seeds, with intervals over patients."""
    y = np.array([setup.classes.index(row[setup.options.label]) for row in rows])
    right = np.array([setup.classes.index(row["predicted"]) for row in rows])
    where = f"{setup.options.folds}-fold cross-validation"
    where += " by site" if setup.options.by_site else ""
    where = "another cohort" if setup.other_cohort else where
    held_out = predictions_of(rows, y)
    balanced = held_out.bootstrap(balanced_accuracy, right, stratify=True)
    measured = {"balanced_accuracy": balanced}
    if len(setup.classes) == 2:
        scored = replace(held_out, label=(y == setup.positive).astype(int))
        score = np.array([float(row["score"]) for row in rows])
        measured = {"AUC": scored.auc(score), **measured, "Brier": scored.bootstrap(brier, score)}
    return {name: card_metric(one, held_out, where) for name, one in measured.items()}
