"""The model of a finished run on tables: its weights, card and reference patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...data.overlap import seen
from ...models.card import Card, Metric, NetworkSpec, ReferenceSpec, Seen, Training
from ...models.file import write_model_file
from ...statistics.calibration import brier, log_odds
from ...statistics.discrimination import balanced_accuracy
from ..card import (
    NO_LICENCE,
    CardText,
    HeldOut,
    card_metric,
    label_card,
    predictions_of,
    reference_of,
)
from ..checkpoint import load_weights
from ..experiment import FITS, MODEL, Fit, read_fit
from .data import Setup
from .synthetic_rows import pairs_of
from .task import SETTINGS, FittedNetwork, Setting, initial_network, network_arguments, predict


def write_model(
    setup: Setup,
    fit: Fit,
    folder: Path,
    *,
    cross_validated: Sequence[Fit],
    predictions: Sequence[Mapping[str, str]],
    card_text: CardText,
) -> str:
    """Write `model.safetensors` of a finished run; return its SHA-256.

    Args:
        setup: the run.
        fit: the fit with the model's weights.
        folder: of the run.
        cross_validated: the fits of one seed, whose test patients are the reference's.
        predictions: rows of `predictions.csv`, for the card's metrics.
        card_text: what the user writes into the card.
    """
    setting, fitted = read_fitted(setup, fit, folder)
    training, validation = (
        setup.rows.x[setup.indices(names)][:, fitted.columns]
        for names in (fit.parts.train, fit.parts.validation)
    )
    _, features = predict(fitted.network, training)
    logits, _ = predict(fitted.network, validation)
    reference = reference_of(features, _out_of_fold(setup, cross_validated, folder))
    card = replace(
        _card(setup, fit, card_text, setting, fitted.columns),
        temperature=fitted.temperature,
        metrics=_metrics(setup, [row for row in predictions if row["part"] == "test"]),
        reference=ReferenceSpec(len(training), float(log_odds(logits, setup.positive).std(ddof=1))),
    )
    return write_model_file(folder / MODEL, fitted.network, card=card, reference=reference)


def read_fitted(setup: Setup, fit: Fit, folder: Path) -> tuple[Setting, FittedNetwork]:
    """Return the network of a finished fit, and its setting.

    Args:
        setup: the run.
        fit: one of it.
        folder: of the run.
    """
    weights, facts = read_fit(folder / FITS / fit.name)
    setting, columns = Setting(**facts["setting"]), np.array(facts["columns"], np.int64)
    widths = setup.spec(columns).widths
    network = initial_network(network_arguments(setup.shape(setup.sources), setting, widths), 0)
    load_weights(network, weights)
    return setting, FittedNetwork(network.eval(), columns, float(facts["temperature"]))


def _out_of_fold(setup: Setup, fits: Sequence[Fit], folder: Path) -> Iterator[HeldOut]:
    """Yield features of each fit's training and test patients, by its own network."""
    for fit in fits:
        _, fitted = read_fitted(setup, fit, folder)
        features = (
            predict(fitted.network, setup.rows.x[setup.indices(names)][:, fitted.columns])[1]
            for names in (fit.parts.train, fit.parts.test)
        )
        yield HeldOut(*features)


def initial_card(setup: Setup, fit: Fit, card_text: CardText) -> Card:
    """Return the card as far as it is known before the training.

    Raises:
        ModelError: the user's texts, the classes or the columns do not fit into a card.
    """
    return _card(setup, fit, card_text, SETTINGS[0], np.arange(setup.rows.x.shape[1]))


def _card(
    setup: Setup, fit: Fit, card_text: CardText, setting: Setting, columns: np.ndarray
) -> Card:
    label, spec = setup.options.label, setup.spec(columns)
    training = [setup.patients[setup.index[name]] for name in fit.parts.train]
    validation = [setup.patients[setup.index[name]] for name in fit.parts.validation]
    y = setup.y[setup.indices(fit.parts.train)]
    counts = np.bincount(y, minlength=len(setup.classes)).tolist()
    classes = ", ".join(f"{n} {name}" for n, name in zip(counts, setup.classes, strict=True))
    arguments = network_arguments(setup.shape(setup.sources), setting, spec.widths)
    data = (
        f"{len(training)} patients ({classes}) with {spec}; {len(validation)} more to choose the "
        "epoch and the temperature."
    )
    known, licence = seen([*training, *validation]), NO_LICENCE
    if setup.synthetic is not None:
        synthesis = setup.synthetic.synthesis
        data += f" {synthesis.sentence(len(pairs_of(setup, fit)))}"
        known |= synthesis.model.card.training.seen or Seen()
        licence += f" {synthesis.licence}"
    return label_card(
        card_text,
        label,
        setup.classes,
        licence=licence,
        network=NetworkSpec("integration", arguments),
        input=spec,
        positive=setup.positive,
        training=Training(
            data=data[:2000],
            patients=len(training),
            fingerprint=setup.fingerprint,
            split_hash=setup.split_hash,
            seed=setup.options.seed,
            command=card_text.command,
            seen=known,
        ),
    )


def _metrics(setup: Setup, rows: Sequence[Mapping[str, str]]) -> dict[str, Metric]:
    """Return metrics of the predictions out of fold: means over seeds, intervals over patients."""
    y = np.array([setup.classes.index(row[setup.options.label]) for row in rows])
    predicted = np.array([setup.classes.index(row["predicted"]) for row in rows])
    where = f"{setup.options.folds}-fold cross-validation"
    where += " by site" if setup.options.by_site else ""
    where = "another cohort" if setup.external else where
    test = predictions_of(rows, y)
    estimates = {"balanced_accuracy": test.bootstrap(balanced_accuracy, predicted, stratify=True)}
    if len(setup.classes) == 2:
        binary = replace(test, label=(y == setup.positive).astype(int))
        score = np.array([float(row["score"]) for row in rows])
        estimates = {"AUC": binary.auc(score), **estimates, "Brier": binary.bootstrap(brier, score)}
    return {name: card_metric(estimate, test, where) for name, estimate in estimates.items()}
