"""What trainings write into a model's file: parts of its card, and the reference cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.overlap import seen
from ..data.splits import Case, Fold
from ..fields import identifier
from ..models.card import ClassLabel, Metric, Training
from ..models.file import Reference
from ..statistics.distance import mahalanobis, shrunk_precision
from ..statistics.intervals import Estimate
from ..statistics.labelled_rows import LabelledRows

IMAGES_MUST_NOT = (
    "Must not be used for the care of a patient.",
    "Must not be shown as the CT of a patient.",
)
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
