"""Readers' ratings: agreement against scikit-learn, spread and ranges against counted values."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, log_loss

from LungSquadLib.statistics.agreement import (
    central_range,
    leave_one_reader_out,
    mean_and_sd,
    nearest,
    same_variance,
    scale_kappa,
    sd_by_value,
    temperature_of_votes,
    tempered,
)


def test_kappa_of_rounded_means_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    truth = random.integers(1, 7, 200)
    other = np.clip(truth + random.normal(0, 1.5, 200), 1, 6)
    expected = cohen_kappa_score(
        truth, np.floor(other + 0.5).astype(int), weights="quadratic", labels=range(1, 7)
    )
    assert scale_kappa(truth, other, 1, 6) == pytest.approx(expected, abs=1e-12)


def test_halves_are_rounded_up_and_numbers_beyond_the_scale_become_its_ends():
    assert nearest(np.array([1.5, 2.5, 2.49, 0.2, 9.0]), 1, 5).tolist() == [2, 3, 2, 1, 5]


def test_each_reader_is_compared_with_the_mean_of_the_others():
    rows = list(leave_one_reader_out([(5, 4, 3), (2,), (1, 2)]))
    assert rows == [(0, 5, 3.5), (0, 4, 4.0), (0, 3, 4.5), (2, 1, 2.0), (2, 2, 1.0)]


def test_the_spread_is_pooled_over_the_nodules_of_a_mean_rating():
    low = [(1, 1, 2)] * 3 + [(1, 1, 1)] * 3  # variance 1/3 and 0
    high = [(3, 5), (4, 4), (5, 3), (4, 4), (3, 5), (4,)]  # variance 2 and 0; one reader counts not
    sd = sd_by_value([*low, *high], 1, 5)
    assert sd[0] == pytest.approx(np.sqrt(1 / 6))
    assert sd[3] == pytest.approx(np.sqrt(6 / 5))
    pooled = (6 * 2 / 6 + 5 * 6 / 5) / (6 * 2 + 5)  # by degrees of freedom
    assert sd[[1, 2, 4]] == pytest.approx(np.sqrt(pooled))


def test_mean_spread_and_range_are_those_of_a_discrete_distribution():
    p = np.array([[0.05, 0.15, 0.4, 0.3, 0.1], [0.9, 0.04, 0.03, 0.02, 0.01]])
    mean, sd = mean_and_sd(p, 1)
    low, high = central_range(p, 1, level=0.8)
    for row, distribution in enumerate(p):
        known = stats.rv_discrete(values=(range(1, 6), distribution))
        assert mean[row] == pytest.approx(known.mean())
        assert sd[row] == pytest.approx(known.std())
        assert (low[row], high[row]) == (known.ppf(0.1), known.ppf(0.9))


def test_the_line_gives_mean_and_variance_and_keeps_the_sign():
    random = np.random.default_rng(2)
    x = random.normal(2, 0.5, 100)
    for sign in (1, -1):
        y = 3 + sign * x + random.normal(0, 1, 100)
        intercept, slope = same_variance(x, y)
        line = intercept + slope * x
        assert np.sign(slope) == sign
        assert line.mean() == pytest.approx(y.mean())
        assert line.std() == pytest.approx(y.std())
    assert same_variance(np.arange(3.0) / 100, np.arange(3.0)) == pytest.approx((0.95, 5))
    assert same_variance(np.ones(5), np.arange(5.0)) == (2.0, 0.0)


def test_the_temperature_is_the_best_for_the_readers_ratings():
    random = np.random.default_rng(1)
    truth = random.dirichlet(np.ones(4), 300)
    votes = np.array([random.multinomial(4, row) for row in truth])
    overconfident = 2 * np.log(truth)
    temperature = temperature_of_votes(overconfident, votes)
    assert temperature == pytest.approx(2, rel=0.1)

    def loss(of):
        p = tempered(overconfident, of)
        rows = np.repeat(np.arange(300), 4)
        return log_loss(np.concatenate([np.repeat(range(4), v) for v in votes]), p[rows])

    assert loss(temperature) < min(loss(temperature * 1.05), loss(temperature / 1.05))
