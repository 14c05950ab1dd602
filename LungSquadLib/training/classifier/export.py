"""The model that a run ends in: weights, card, reference cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from ...data.overlap import seen
from ...data.splits import Case, Fold
from ...data.store import StoredCase
from ...fields import identifier
from ...imaging.crop import central_cube
from ...imaging.jitter import JITTER_MM
from ...inference.classifier import logits_and_features
from ...models.card import (
    Baseline,
    Card,
    ClassLabel,
    Metric,
    ReferenceSpec,
    Seen,
    Training,
)
from ...models.file import write_model_file
from ...networks.folding import folded
from ...networks.trunk_and_head import TrunkAndHead
from ...statistics.agreement import icc_estimate
from ...statistics.calibration import brier, fit_logistic, log_odds
from ...statistics.intervals import Estimate
from ...statistics.labelled_rows import LabelledRows
from ..reference import HeldOut, reference_of
from .fitting import Job, jobs_of, pairs_of, read_rows, trained_network
from .setup import Setup

IMAGES_MUST_NOT = (
    "Must not be used for the care of a patient.",
    "Must not be shown as the CT of a patient.",
)
AGREEMENT_CASES = 20  # whose crops are moved about


@dataclass(frozen=True)
class Naming:
    """What the card says that the data do not.

    Attributes:
        name: identifier of the model; the label if left out.
        title, question: for people; made of the classes if left out.
        licence: of the weights; that of the start, where it is left out, is named.
        command: that made it, without paths.
        notice: a sentence that every output must show.
    """

    name: str | None = None
    title: str | None = None
    question: str | None = None
    licence: str | None = None
    command: str | None = None
    notice: str | None = None


def write_model(setup: Setup, job: Job, place: Path, *, predictions: Path, naming: Naming) -> str:
    """Write `model.safetensors` of a finished run; return its SHA-256.

    Args:
        setup: the run.
        job: the training whose weights they are.
        place: the run's folder.
        predictions: the table of answers that the card's metrics are taken from.
        naming: what else the card says.
    """
    network, temperature = trained_network(setup, job, place / "fits")
    training = [setup.by_name[name] for name in job.parts.train]
    held_out = [setup.by_name[name] for name in job.parts.validation]
    inference = folded(network)
    _, known = _answers(inference, setup, training)
    logits, _ = _answers(inference, setup, held_out)
    reference = reference_of(known, _out_of_fold(setup, place / "fits"))
    spec = ReferenceSpec(
        len(training),
        float(log_odds(logits, setup.positive).std(ddof=1)),
        _agreement(inference, setup, held_out[:AGREEMENT_CASES]),
    )
    rows = [row for row in read_rows(predictions) if row["part"] == "test"]
    y = np.array([setup.label(case) == setup.positive for case in training], np.float64)
    volumes = np.log([case.volume_ml for case in training])
    intercept, slope = fit_logistic(volumes, y)
    alone = {"AUC": _auc(setup, rows, "volume")} if len(setup.classes) == 2 else {}
    card = replace(
        draft(setup, job, naming),
        temperature=temperature,
        metrics=_metrics(setup, rows),
        baseline=Baseline("log_volume_logistic", intercept, slope, alone),
        reference=spec,
    )
    return write_model_file(place / "model.safetensors", network, card=card, reference=reference)


def draft(setup: Setup, job: Job, naming: Naming) -> Card:
    """The card as far as it is known before the training.

    Raises:
        ModelError: the naming, the classes or the network's input do not fit into a card.
    """
    card = Card(
        name=naming.name or identifier(setup.options.label),
        title=naming.title or f"{setup.options.label}: {' or '.join(setup.classes)}"[:200],
        task=identifier(setup.options.label),
        question=naming.question or f"Which {setup.options.label} is it?",
        classes=class_labels(setup.classes),
        network=setup.network,
        input=setup.spec,
        positive=setup.positive,
        training=_training(setup, job, naming),
        licence=naming.licence or _licence(setup),
        intended_use="Research on cohorts like the one it was trained on.",
        must_not=(
            "Must not be used to diagnose, to choose a treatment or to tell a patient a prognosis.",
            "Must not be used without validating it on local patients first.",
        ),
        notice=" ".join(filter(None, (_notice(setup), naming.notice))) or None,
    )
    return Card.from_json(card.to_json())


def class_labels(names: Sequence[str]) -> tuple[ClassLabel, ...]:
    """Classes with their codes; numbered where two names, such as + and -, leave the same one."""
    codes = [identifier(name) for name in names]
    if len(set(codes)) < len(codes):
        codes = [identifier(f"{number}-{code}") for number, code in enumerate(codes)]
    return tuple(ClassLabel(code, name) for code, name in zip(codes, names, strict=True))


def _answers(
    network: TrunkAndHead, setup: Setup, cases: Sequence[StoredCase]
) -> tuple[np.ndarray, np.ndarray]:
    return logits_and_features(network, setup.spec, (setup.store.hu(case) for case in cases))


def _out_of_fold(setup: Setup, folder: Path) -> Iterator[HeldOut]:
    """The first seed's test cases, each by the network of the fold that it was kept from."""
    for job in jobs_of(setup):
        if job.kind == "main" and job.seed == 0:
            inference = folded(trained_network(setup, job, folder)[0])
            training, test = (
                [setup.by_name[name] for name in names]
                for names in (job.parts.train, job.parts.test)
            )
            each = {case.patient: case for case in reversed(test)}  # cases of one are too alike
            features = (
                _answers(inference, setup, cases)[1] for cases in (training, [*each.values()])
            )
            yield HeldOut(*features)


def _agreement(network: TrunkAndHead, setup: Setup, cases: Sequence[StoredCase]) -> Estimate | None:
    """ICC(2,1) of the logit over crops as they are and moved along their diagonals."""
    moved = round(JITTER_MM / setup.spec.spacing)
    side = setup.spec.size
    if setup.store.preprocessing.side < side + 2 * moved or len(cases) < 2:
        return None
    offsets = [(0, 0, 0), *product((-moved, moved), repeat=3)]
    ratings = []
    for case in cases:
        hu = central_cube(setup.store.hu(case), side + 2 * moved)
        crops = [hu[tuple(slice(moved + n, moved + n + side) for n in at)] for at in offsets]
        ratings.append(log_odds(logits_and_features(network, setup.spec, crops)[0], setup.positive))
    return icc_estimate(np.array(ratings))


def _training(setup: Setup, job: Job, naming: Naming) -> Training:
    training = [setup.by_name[name] for name in job.parts.train]
    known = [
        setup.by_name[name] for part in ("train", "validation") for name in getattr(job.parts, part)
    ]
    counts = {
        name: sum(setup.label(case) == n for case in training)
        for n, name in enumerate(setup.classes)
    }
    start = setup.start
    begun = "From scratch" if start.card is None else f"On {setup.origin}"
    patients = {case.patient for case in training}
    data = (
        f"{begun}, with {len(patients)} patients "
        f"({', '.join(f'{count} {name}' for name, count in counts.items())}); "
        f"{len({case.patient for case in known} - patients)} more to choose the epoch and the "
        "temperature."
    )
    whole = seen(known)
    if start.seen is not None:
        whole |= start.seen
    if setup.painter is not None:
        model = setup.painter.model
        data += (
            f" Trained on {len(pairs_of(setup, job))} synthetic samples as well, tumours of these "
            f"patients painted by '{model.card.name}' (SHA-256 {model.sha256})."
        )
        whole |= model.card.training.seen or Seen()
    return Training(
        data=data[:2000],
        patients=len(patients),
        fingerprint=hashlib.sha256(
            "".join(sorted(case.crop for case in training)).encode()
        ).hexdigest(),
        split_hash=setup.split_hash,
        seed=setup.options.recipe.seed,
        command=naming.command,
        seen=whole,
        started_from=start.sha256,
        overlap_allowed=" ".join(setup.overlaps)[:1000] or None,
    )


def trained_on(
    cases: Sequence[Case], fold: Fold, *, data: str, seed: int, command: str | None
) -> Training:
    """What a model without an answer to learn was trained on: a fold's training cases.

    Args:
        cases: all of the run's.
        fold: which of them are for what.
        data: of it, in words.
        seed: of the run.
        command: see `Naming`.
    """
    by_name = {case.case: case for case in cases}
    training = [by_name[name] for name in fold.train]
    content = "".join(sorted(case.crop for case in training))
    return Training(
        data=data,
        patients=len({case.patient for case in training}),
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        split_hash=fold.hash(cases),
        seed=seed,
        command=command,
        seen=seen([by_name[name] for name in (*fold.train, *fold.validation)]),
    )


def _licence(setup: Setup) -> str:
    said = "Not stated by who trained it."
    if (card := setup.start.card) is not None:
        said += f" '{card.name}', its start: {card.licence}"
    if setup.painter is not None:
        card = setup.painter.model.card
        said += f" '{card.name}', which painted synthetic samples for it: {card.licence}"
    return said


def _notice(setup: Setup) -> str | None:
    """What every output must show: that its test was not clean."""
    if not setup.overlaps:
        return None
    return "Trained with patients of its own test set: what is said of its accuracy is too good."


def _metrics(setup: Setup, rows: Sequence[dict[str, str]]) -> dict[str, Metric]:
    """Of the answers out of fold: means over seeds, with intervals over patients."""
    held_out, where = _held_out(setup, rows), _where(setup)
    right = np.array([row[setup.options.label] == row["predicted"] for row in rows])
    accuracy = held_out.bootstrap(lambda _, right: right.mean(), right)
    measured = {"accuracy": card_metric(accuracy, held_out, where)}
    if len(setup.classes) == 2:
        measured = {"AUC": _auc(setup, rows, "score"), **measured}
        scored = held_out.bootstrap(brier, _column(rows, "score"))
        measured["Brier"] = card_metric(scored, held_out, where)
    return measured


def _auc(setup: Setup, rows: Sequence[dict[str, str]], column: str) -> Metric:
    held_out = _held_out(setup, rows)
    return card_metric(held_out.auc(_column(rows, column)), held_out, _where(setup))


def _held_out(setup: Setup, rows: Sequence[dict[str, str]]) -> LabelledRows:
    return predictions_of(rows, _positive(setup, rows))


def _where(setup: Setup) -> str:
    folds = len({number for _, number in setup.splits})
    return "held-out patients" if folds == 1 else f"{folds}-fold cross-validation"


def predictions_of(rows: Sequence[Mapping[str, str]], y: np.ndarray) -> LabelledRows:
    """The rows of a run's predictions as measures take them, with their labels (N,)."""
    patients, seeds, folds = (
        np.array([row[name] for row in rows]) for name in ("patient", "seed", "fold")
    )
    repeat, fold = (None if len(np.unique(one)) < 2 else one for one in (seeds, folds))
    return LabelledRows(y, patients, repeat, fold)


def card_metric(found: Estimate, rows: LabelledRows, where: str) -> Metric:
    """A measure for a card: on how many patients, and on which, in words."""
    seeds = 1 if rows.repeat is None else len(np.unique(rows.repeat))
    where += f", mean of {seeds} seeds" if seeds > 1 else ""
    if found.method is not None and "within folds" in found.method:
        where += ", pairs of patients in the same fold"
    low, high = min(found.low, found.value), max(found.high, found.value)
    return Metric(found.value, low, high, rows.patients, where)


def _positive(setup: Setup, rows: Sequence[dict[str, str]]) -> np.ndarray:
    positive = setup.classes[setup.positive]
    return np.array([row[setup.options.label] == positive for row in rows], np.int64)


def _column(rows: Sequence[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])
