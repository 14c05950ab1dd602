"""Rows of `predictions.csv`: a classifier's predictions beside those of the baselines.

The baselines, tumour volume, clinical columns and radiomics, are fitted on the training cases of
each fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...data.feature_table import FeatureTable
from ...data.store import StoredCase
from ...errors import InputError
from ...statistics.calibration import fit_logistic, fit_ridge_logistic, log_odds
from ...statistics.selection import fit_selected_logistic

Encoder = Callable[[Sequence[str]], np.ndarray]  # texts to columns (N, d)


def prediction_row(
    case: StoredCase, logits: np.ndarray, classes: Sequence[str], positive: int
) -> dict[str, Any]:
    """Return the prediction for a case.

    Args:
        case: of a store.
        logits: (classes,), calibrated.
        classes: their names.
        positive: number of the positive class.
    """
    powers = np.exp(logits - logits.max())
    probabilities = powers / powers.sum()
    return {
        "case": case.case,
        "patient": case.patient,
        "site": case.site,
        "volume_ml": case.volume_ml,
        "predicted": classes[int(np.argmax(logits))],
        "score": float(probabilities[positive]),
        "log_odds": float(log_odds(logits, positive)),
        **{
            f"p_{name}": float(p)
            for name, p in zip(classes, probabilities, strict=True)
            if len(classes) > 2
        },
    }


def volume_baseline(
    training: Sequence[StoredCase], positive: np.ndarray, cases: Sequence[StoredCase]
) -> np.ndarray:
    """Return probabilities (N,) of the positive class by the logarithm of tumour volume.

    Args:
        training: the cases to fit on.
        positive: (M,) 0 or 1, of these.
        cases: the cases to predict.
    """
    intercept, slope = fit_logistic(_log_volumes(training), positive)
    return _probability(intercept + slope * _log_volumes(cases))


def clinical_baseline(
    training: Sequence[StoredCase],
    positive: np.ndarray,
    cases: Sequence[StoredCase],
    columns: Sequence[str],
) -> np.ndarray:
    """Return probabilities (N,) of the positive class by ridge logistic regression on columns.

    A column of numbers is standardised, any other becomes one column for each of its values;
    missing values are imputed by the training cases' mean and marked in a column of their own.
    Scaling and values are those of the training cases.
    """
    encoders = [_encoder([case.value(name) for case in training]) for name in columns]

    def encoded(cases: Sequence[StoredCase]) -> np.ndarray:
        blocks = [
            encode([case.value(name) for case in cases])
            for name, encode in zip(columns, encoders, strict=True)
        ]
        return np.concatenate(blocks, axis=1)

    model = fit_ridge_logistic(encoded(training), positive)
    return _probability(model.log_odds(encoded(cases)))


def radiomics_baseline(
    training: Sequence[StoredCase],
    positive: np.ndarray,
    cases: Sequence[StoredCase],
    table: FeatureTable,
    *,
    least_icc: float | None = None,
) -> np.ndarray:
    """Return probabilities (N,) of the positive class by radiomics; NaN for cases without it.

    Scaling, selection of features and penalty are those of the training cases; see
    `fit_selected_logistic`.

    Args:
        training: the cases to fit on.
        positive: (M,) 0 or 1, of these.
        cases: the cases to predict.
        table: with their features.
        least_icc: leave out features with a lower ICC over the perturbed masks of the training
            cases; None keeps all.

    Raises:
        InputError: the training cases with features are of one class, or no feature is robust.
    """
    keys = table.keys_of(training)
    x, known = table.of(keys), np.isin(keys, table.keys)
    if not 0 < positive[known].sum() < known.sum():
        raise InputError(
            "The training cases of a fold that have radiomics are all of one class. Make the table "
            "of all cases of the store."
        )
    kept = np.ones(len(table.columns), bool)
    if least_icc is not None:
        kept = table.robust(keys, least_icc)
    patients = np.array([case.patient for case in training])
    model = fit_selected_logistic(x[known][:, kept], positive[known], patients[known])
    tested = table.keys_of(cases)
    probability = model.probability(table.of(tested)[:, kept])
    return np.where(np.isin(tested, table.keys), probability, np.nan)


def _encoder(texts: Sequence[str]) -> Encoder:
    present = [text for text in texts if text]
    numbers = [number(text) for text in present]
    if present and not np.isnan(numbers).any():
        return _numeric(float(np.mean(numbers)), float(np.std(numbers)) or 1.0)
    return _one_hot(sorted(set(present)))


def _numeric(mean: float, sd: float) -> Encoder:
    def encode(texts: Sequence[str]) -> np.ndarray:
        values = np.array([number(text) for text in texts])
        missing = np.isnan(values)
        return np.column_stack([np.where(missing, 0, (values - mean) / sd), missing])

    return encode


def _one_hot(categories: Sequence[str]) -> Encoder:
    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.array([[text == name for name in categories] for text in texts], np.float64)

    return encode


def number(text: str) -> float:
    """Return the finite number that a text is, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _log_volumes(cases: Sequence[StoredCase]) -> np.ndarray:
    return np.log([case.volume_ml for case in cases])


def _probability(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
