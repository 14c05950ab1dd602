"""From logits to probabilities, and from many answers to an interval."""

from __future__ import annotations

import numpy as np

from ..models.card import Card
from .prediction import Interval

LEVEL = 0.95
NO_PROOF = (
    "It shows how far the answer hangs on things that should not matter; it does not show whether "
    "the network is right about such patients."
)


def probabilities(logits: np.ndarray, card: Card) -> np.ndarray:
    """Calibrated probabilities of logits (..., classes)."""
    scaled = logits / card.temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def interval_of(samples: np.ndarray, answer: float, explanation: str) -> Interval:
    """Where most of the samples (N,) of a probability lie; the answer itself always does."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, (tail, 1 - tail))
    return Interval(min(float(low), answer), max(float(high), answer), LEVEL, explanation)
