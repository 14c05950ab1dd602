"""Whether a patient's numbers can be on the scale of a model's training patients."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError
from ..models.card import Card
from ..models.inputs import Source

_ENOUGH = 20  # numbers, so that their signs say something
_SURPRISE = 0.15  # of the numbers, below 0 beyond those that may be
_SIZE = 5  # times as far from 0 as in training, of the median gene or of the farthest


def check_scale(
    card: Card,
    source: Source,
    values: np.ndarray,
    *,
    mean: np.ndarray,
    sd: np.ndarray,
    what: str,
) -> None:
    """Refuse expression that cannot be on the scale of the model's training patients.

    Numbers of another size; numbers that are never below 0 where genes' means lie round it (as
    z-scores' do), or far more often than normal numbers with these means and deviations would be.
    Means of numbers that are never below 0 do not lie round it: among N patients they are above
    sd / sqrt(N).

    Args:
        card: of a model of tables.
        source: of its sources, the one that is checked.
        values: (N, D) of patients, NaN where nothing is known.
        mean: (D,) of the training patients.
        sd: (D,) of the training patients, 0 where a column never changed.
        what: the numbers are called in the sentence, "profile" say.

    Raises:
        InputError: they cannot be.
    """
    known = ~np.isnan(values) & (sd > 0)
    if not known.any():
        return
    there = known.any(axis=0)
    values, mean, sd = values[known], mean[there], sd[there]
    round_zero = np.mean(mean < 1e-3 * sd) > 0.2  # of every fifth gene at least
    usual = sd if round_zero else mean**2 / np.hypot(mean, sd)  # the median of a lognormal number
    sizes = np.quantile(np.abs(values), (0.5, 0.95)) / np.quantile(usual, (0.5, 0.95))
    below = np.mean(values < 0)
    expected = np.mean([math.erfc(one) / 2 for one in mean / sd / math.sqrt(2)])
    signs = len(values) >= _ENOUGH and (below == 0 if round_zero else below > expected + _SURPRISE)
    if signs or (sizes < 1 / _SIZE).any() or (sizes > _SIZE).any():
        raise InputError(
            f"The {what} cannot be on the scale of the model '{card.name}', which takes "
            f"{source.scale}: the {what}'s numbers run from {values.min():.3g} to "
            f"{values.max():.3g}, {below:.0%} of them below 0. Bring them to the model's scale."
        )
