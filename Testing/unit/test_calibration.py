"""Log odds, temperature, logistic baseline."""

import numpy as np
import pytest

from LungSquadLib.statistics.calibration import fit_logistic, fit_temperature, log_odds


def test_log_odds_of_two_classes_are_the_difference_of_logits():
    logits = np.array([[1.0, 3.0], [1000.0, -1000.0]])
    assert log_odds(logits, 1) == pytest.approx([2.0, -2000.0])
    assert log_odds(logits, 0) == pytest.approx([-2.0, 2000.0])


def test_log_odds_of_three_classes_are_those_of_the_softmax():
    logits = np.array([0.3, -1.2, 2.0])
    probability = np.exp(logits) / np.exp(logits).sum()
    assert log_odds(logits, 2) == pytest.approx(np.log(probability[2] / (1 - probability[2])))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_of_simulated_answers_is_found(temperature):
    random = np.random.default_rng(0)
    truth = random.normal(0, 1.5, (20_000, 2))
    chance = 1 / (1 + np.exp(truth[:, 0] - truth[:, 1]))
    labels = (random.random(len(chance)) < chance).astype(int)
    assert fit_temperature(truth * temperature, labels) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_stays_finite_where_every_answer_is_right():
    logits = np.array([[3.0, -3.0], [-3.0, 3.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(0.05, rel=1e-3)


def test_the_logistic_regression_is_where_its_gradient_vanishes():
    random = np.random.default_rng(1)
    x = random.normal(3, 2, 500)
    labels = random.random(500) < 1 / (1 + np.exp(1 - 0.5 * x))
    intercept, slope = fit_logistic(x, labels)
    rest = labels - 1 / (1 + np.exp(-(intercept + slope * x)))
    assert abs(rest.sum()) < 1e-6
    assert abs((rest * (x - x.mean())).sum()) < 1e-3  # the penalty's share
    assert (intercept, slope) == pytest.approx((-1, 0.5), abs=0.3)


def test_the_logistic_regression_stays_finite_where_the_number_separates():
    intercept, slope = fit_logistic(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1]))
    assert np.isfinite([intercept, slope]).all()
    assert intercept + slope * 2 < 0 < intercept + slope * 3
