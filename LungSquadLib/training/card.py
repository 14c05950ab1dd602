"""What trainings write into a model's file: parts of its card, and the reference cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.overlap import seen
from ..data.splits import Case, Fold
from ..fields import identifier
from ..inference.out_of_distribution import mahalanobis, shrunk_precision
from ..models.card import Card, ClassLabel, Metric, Training
from ..models.file import Reference
from ..statistics.intervals import Estimate
from ..statistics.labelled_rows import LabelledRows

NO_DIAGNOSIS = (
    "Must not be used to diagnose, to choose a treatment or to tell a patient a prognosis."
)
NO_CARE = "Must not be used for the care of a patient."
COHORTS_ALIKE = "Research on cohorts like the one it was trained on."
UNTESTED = "Must not be used without validating it on local patients first."
NO_LICENCE = "Not stated by who trained it."


@dataclass(frozen=True)
class CardText:
    """What the user writes into a model's card.

    Attributes:
        name: identifier of the model.
        title, question: for people.
        licence: of the weights.
        command: that made the model, without paths.
        notice: a sentence that every output must show.
    """

    name: str | None = None
    title: str | None = None
    question: str | None = None
    licence: str | None = None
    command: str | None = None
    notice: str | None = None


def trained_card(text: CardText, default: CardText, **fields: Any) -> Card:
    """Return a card with the texts of the user, or else the default ones.

    Args:
        text: of the user.
        default: name, title and question; licence and notice where there are such.
        fields: the other fields of the `Card`.

    Raises:
        ModelError: the texts, the classes or the input do not fit into a card.
    """
    card = Card(
        name=text.name or str(default.name),
        title=text.title or str(default.title),
        question=text.question or str(default.question),
        licence=text.licence or default.licence or NO_LICENCE,
        notice=text.notice or default.notice,
        **fields,
    )
    return Card.from_json(card.to_json())


def label_card(
    text: CardText, label: str, classes: Sequence[str], *, licence: str = NO_LICENCE, **fields: Any
) -> Card:
    """Return the card of a classifier of a label; see `trained_card`."""
    default = CardText(
        name=identifier(label),
        title=f"{label}: {' or '.join(classes)}"[:200],
        question=f"Which {label} is it?",
        licence=licence,
    )
    return trained_card(
        text,
        default,
        task=identifier(label),
        classes=class_labels(classes),
        intended_use=COHORTS_ALIKE,
        must_not=(NO_DIAGNOSIS, UNTESTED),
        **fields,
    )


def class_labels(names: Sequence[str]) -> tuple[ClassLabel, ...]:
    """Return classes with codes; numbered if two names, such as + and -, have the same code."""
    codes = [identifier(name) for name in names]
    if len(set(codes)) < len(codes):
        codes = [identifier(f"{number}-{code}") for number, code in enumerate(codes)]
    return tuple(ClassLabel(code, name) for code, name in zip(codes, names, strict=True))


def trained_on(
    cases: Sequence[Case], fold: Fold, *, data: str, seed: int, command: str | None
) -> Training:
    """Return the card's description of the training cases of a fold.

    Args:
        cases: all cases of the run.
        fold: their split.
        data: description in words.
        seed: of the run.
        command: see `CardText`.
    """
    by_name = {case.case: case for case in cases}
    training = [by_name[name] for name in fold.train]
    return Training(
        data=data,
        patients=len({case.patient for case in training}),
        fingerprint=fingerprint_of(training),
        split_hash=fold.hash(cases),
        seed=seed,
        command=command,
        seen=seen([by_name[name] for name in (*fold.train, *fold.validation)]),
    )


def fingerprint_of(cases: Sequence[Case]) -> str:
    """Return the SHA-256 of the content of cases, in any order."""
    return hashlib.sha256("".join(sorted(case.crop for case in cases)).encode()).hexdigest()


def predictions_of(rows: Sequence[Mapping[str, str]], y: np.ndarray) -> LabelledRows:
    """Return rows of `predictions.csv`, with their labels (N,), in the form that measures take."""
    patients, seeds, folds = (
        np.array([row[name] for row in rows]) for name in ("patient", "seed", "fold")
    )
    repeat, fold = (None if len(np.unique(ids)) < 2 else ids for ids in (seeds, folds))
    return LabelledRows(y, patients, repeat, fold)


def card_metric(estimate: Estimate, rows: LabelledRows, where: str) -> Metric:
    """Return an estimate for a card: its value, patients and, in words, the evaluation set."""
    seeds = 1 if rows.repeat is None else len(np.unique(rows.repeat))
    where += f", mean of {seeds} seeds" if seeds > 1 else ""
    if estimate.method is not None and "within folds" in estimate.method:
        where += ", pairs of patients in the same fold"
    low, high = min(estimate.low, estimate.value), max(estimate.high, estimate.value)
    return Metric(estimate.value, low, high, rows.patients, where)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Features by one network of its training cases and of cases held out from its training.

    Attributes:
        training: (N, D).
        test: (M, D), one case a patient. No weight, epoch, mean or precision comes from them.
    """

    training: np.ndarray
    test: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Out-of-distribution scores (M,) of the held-out cases: Mahalanobis distances."""
        return mahalanobis(self.test, self.training.mean(axis=0), shrunk_precision(self.training))


def reference_of(training: np.ndarray, held_out: Iterable[HeldOut]) -> Reference:
    """Return the reference of a model.

    The score of a new case is ranked among those of held-out cases. Where no patient can be spared,
    these come from cross-validation: each by the network of the fold that did not train on it, from
    that fold's training cases (cross-conformal prediction, Vovk, Ann Math Artif Intell
    2015;74:9-28).

    Args:
        training: (N, D) features, by the model's own network, of its training cases.
        held_out: of the model's network, or of one network for each fold.

    Raises:
        ValueError: nothing was held out.
    """
    distances = np.concatenate([fold.distances for fold in held_out])
    return Reference(training.mean(axis=0), shrunk_precision(training), np.sort(distances))
