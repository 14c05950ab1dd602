"""The model of a finished run: its weights, card and reference cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from ...data.overlap import seen
from ...data.store import StoredCase
from ...imaging.crop import central_cube
from ...imaging.jitter import JITTER_MM
from ...inference.classifier import logits_and_features
from ...models.card import Baseline, Card, Metric, ReferenceSpec, Seen, Training
from ...models.file import write_model_file
from ...networks.folding import folded
from ...networks.trunk_and_head import TrunkAndHead
from ...statistics.agreement import icc_estimate
from ...statistics.calibration import brier, fit_logistic, log_odds
from ...statistics.intervals import Estimate
from ...statistics.labelled_rows import LabelledRows
from ..card import (
    NO_LICENCE,
    CardText,
    HeldOut,
    card_metric,
    fingerprint_of,
    label_card,
    predictions_of,
    reference_of,
)
from ..experiment import MODEL, Fit
from .data import Setup
from .fit import pairs_of, trained_network

AGREEMENT_CASES = 20  # whose crops are shifted


def write_model(
    setup: Setup,
    fit: Fit,
    folder: Path,
    *,
    cross_validated: Sequence[Fit],
    predictions: Sequence[dict[str, str]],
    card_text: CardText,
) -> str:
    """Write `model.safetensors` of a finished run; return its SHA-256.

    Args:
        setup: the run.
        fit: the fit with the model's weights.
        folder: of the run.
        cross_validated: the fits of one seed, whose test cases are the reference's.
        predictions: rows of `predictions.csv`, for the card's metrics.
        card_text: what the user writes into the card.
    """
    network, temperature = trained_network(setup, fit, folder)
    training = [setup.by_name[name] for name in fit.parts.train]
    validation = [setup.by_name[name] for name in fit.parts.validation]
    inference = folded(network)
    _, features = _predictions(inference, setup, training)
    logits, _ = _predictions(inference, setup, validation)
    reference = reference_of(features, _out_of_fold(setup, cross_validated, folder))
    spec = ReferenceSpec(
        len(training),
        float(log_odds(logits, setup.positive).std(ddof=1)),
        _agreement(inference, setup, validation[:AGREEMENT_CASES]),
    )
    rows = [row for row in predictions if row["part"] == "test"]
    y = (setup.labels(training) == setup.positive).astype(np.float64)
    volumes = np.log([case.volume_ml for case in training])
    intercept, slope = fit_logistic(volumes, y)
    by_volume = {"AUC": _auc(setup, rows, "volume")} if len(setup.classes) == 2 else {}
    card = replace(
        initial_card(setup, fit, card_text),
        temperature=temperature,
        metrics=_metrics(setup, rows),
        baseline=Baseline("log_volume_logistic", intercept, slope, by_volume),
        reference=spec,
    )
    return write_model_file(folder / MODEL, network, card=card, reference=reference)


def initial_card(setup: Setup, fit: Fit, card_text: CardText) -> Card:
    """Return the card as far as it is known before the training.

    Raises:
        ModelError: the user's texts, the classes or the network's input do not fit into a card.
    """
    notice = " ".join(filter(None, (_notice(setup), card_text.notice))) or None
    return label_card(
        replace(card_text, notice=notice),
        setup.options.label,
        setup.classes,
        licence=_licence(setup),
        network=setup.network,
        input=setup.spec,
        positive=setup.positive,
        training=_training(setup, fit, card_text),
    )


def _predictions(
    network: TrunkAndHead, setup: Setup, cases: Sequence[StoredCase]
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, classes) and features (N, D) of cases."""
    return logits_and_features(
        network, setup.spec, (setup.store.visible(case, setup.spec) for case in cases)
    )


def _out_of_fold(setup: Setup, fits: Sequence[Fit], folder: Path) -> Iterator[HeldOut]:
    """Yield features of each fit's training and test cases, by its own network."""
    for fit in fits:
        inference = folded(trained_network(setup, fit, folder)[0])
        training, test = (
            [setup.by_name[name] for name in names] for names in (fit.parts.train, fit.parts.test)
        )
        first = {case.patient: case for case in reversed(test)}  # cases of a patient are alike
        features = (
            _predictions(inference, setup, cases)[1] for cases in (training, [*first.values()])
        )
        yield HeldOut(*features)


def _agreement(network: TrunkAndHead, setup: Setup, cases: Sequence[StoredCase]) -> Estimate | None:
    """Return ICC(2,1) of the logit over crops in place and shifted along their diagonals."""
    shift = round(JITTER_MM / setup.spec.spacing)
    side = setup.spec.size
    if setup.store.preprocessing.side < side + 2 * shift or len(cases) < 2:
        return None
    offsets = [(0, 0, 0), *product((-shift, shift), repeat=3)]
    ratings = []
    for case in cases:
        hu = central_cube(setup.store.visible(case, setup.spec), side + 2 * shift)
        crops = [hu[tuple(slice(shift + n, shift + n + side) for n in at)] for at in offsets]
        ratings.append(log_odds(logits_and_features(network, setup.spec, crops)[0], setup.positive))
    return icc_estimate(np.array(ratings))


def _training(setup: Setup, fit: Fit, card_text: CardText) -> Training:
    training = [setup.by_name[name] for name in fit.parts.train]
    known = [setup.by_name[name] for name in (*fit.parts.train, *fit.parts.validation)]
    counts = np.bincount(setup.labels(training), minlength=len(setup.classes)).tolist()
    classes = ", ".join(f"{n} {name}" for n, name in zip(counts, setup.classes, strict=True))
    start = setup.start
    begin = "From scratch" if start.card is None else f"On {setup.origin}"
    patients = {case.patient for case in training}
    data = (
        f"{begin}, with {len(patients)} patients ({classes}); "
        f"{len({case.patient for case in known} - patients)} more to choose the epoch and the "
        "temperature."
    )
    seen_cases = seen(known)
    if start.seen is not None:
        seen_cases |= start.seen
    if setup.synthesis is not None:
        data += f" {setup.synthesis.sentence(len(pairs_of(setup, fit)))}"
        seen_cases |= setup.synthesis.model.card.training.seen or Seen()
    return Training(
        data=data[:2000],
        patients=len(patients),
        fingerprint=fingerprint_of(training),
        split_hash=setup.split_hash,
        seed=setup.options.seed,
        command=card_text.command,
        seen=seen_cases,
        started_from=start.sha256,
        overlap_allowed=" ".join(setup.overlaps)[:1000] or None,
    )


def _licence(setup: Setup) -> str:
    text = NO_LICENCE
    if (card := setup.start.card) is not None:
        text += f" '{card.name}', its start: {card.licence}"
    if setup.synthesis is not None:
        text += f" {setup.synthesis.licence}"
    return text


def _notice(setup: Setup) -> str | None:
    """Return what every output must show: tested patients in the training, terms of an encoder."""
    card = setup.start.card
    terms = card.notice if card is not None and card.kind == "encoder" else None
    if not setup.overlaps:
        return terms
    tested = "Trained with patients of its own test set: its measured accuracy is too high."
    return f"{tested} {terms or ''}".strip()


def _metrics(setup: Setup, rows: Sequence[dict[str, str]]) -> dict[str, Metric]:
    """Return metrics of the predictions out of fold: means over seeds, intervals over patients."""
    test, where = _test_predictions(setup, rows), _where(setup)
    right = np.array([row[setup.options.label] == row["predicted"] for row in rows])
    accuracy = test.bootstrap(lambda _, right: right.mean(), right)
    metrics = {"accuracy": card_metric(accuracy, test, where)}
    if len(setup.classes) == 2:
        metrics = {"AUC": _auc(setup, rows, "score"), **metrics}
        metrics["Brier"] = card_metric(test.bootstrap(brier, _column(rows, "score")), test, where)
    return metrics


def _auc(setup: Setup, rows: Sequence[dict[str, str]], column: str) -> Metric:
    test = _test_predictions(setup, rows)
    return card_metric(test.auc(_column(rows, column)), test, _where(setup))


def _test_predictions(setup: Setup, rows: Sequence[dict[str, str]]) -> LabelledRows:
    positive = setup.classes[setup.positive]
    y = np.array([row[setup.options.label] == positive for row in rows], np.int64)
    return predictions_of(rows, y)


def _where(setup: Setup) -> str:
    folds = len({number for _, number in setup.splits})
    return "held-out patients" if folds == 1 else f"{folds}-fold cross-validation"


def _column(rows: Sequence[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])
