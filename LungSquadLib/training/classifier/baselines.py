"""What tumour volume alone and clinical data alone say, fitted on the training cases of a fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...data.store import StoredCase
from ...statistics.calibration import fit_logistic, fit_ridge_logistic

Encoder = Callable[[Sequence[str]], np.ndarray]  # texts to columns (N, d)


def volume_alone(
    training: Sequence[StoredCase], positive: np.ndarray, cases: Sequence[StoredCase]
) -> np.ndarray:
    """Probability of the positive class (N,) of `cases` by the logarithm of tumour volume.

    Args:
        training: the cases to fit on.
        positive: (M,) 0 or 1, of those.
        cases: the cases to answer for.
    """
    intercept, slope = fit_logistic(_log_volumes(training), positive)
    return _probability(intercept + slope * _log_volumes(cases))


def clinical_alone(
    training: Sequence[StoredCase],
    positive: np.ndarray,
    cases: Sequence[StoredCase],
    columns: Sequence[str],
) -> np.ndarray:
    """Probability of the positive class (N,) by a ridge logistic regression on columns.

    A column of numbers is standardised, any other becomes one column for each of its values; what
    is missing is the training cases' mean, and a column of its own. All of that is learnt from the
    training cases.
    """
    encoders = [_encoder([case.said(name) for case in training]) for name in columns]

    def encoded(cases: Sequence[StoredCase]) -> np.ndarray:
        blocks = [
            encode([case.said(name) for case in cases])
            for name, encode in zip(columns, encoders, strict=True)
        ]
        return np.concatenate(blocks, axis=1)

    fitted = fit_ridge_logistic(encoded(training), positive)
    return _probability(fitted.log_odds(encoded(cases)))


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


def _one_hot(known: Sequence[str]) -> Encoder:
    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.array([[text == one for one in known] for text in texts], np.float64)

    return encode


def number(text: str) -> float:
    """The finite number that a text says, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _log_volumes(cases: Sequence[StoredCase]) -> np.ndarray:
    return np.log([case.volume_ml for case in cases])


def _probability(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
