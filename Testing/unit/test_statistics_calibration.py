"""Log odds, temperature, logistic baseline; Brier, calibration line, curve and error."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve as reference_curve

from LungSquadLib.statistics.calibration import (
    BOUND,
    brier,
    brier_reference,
    brier_skill,
    calibration_curve,
    calibration_line,
    ece,
    fit_logistic,
    fit_temperature,
    log_loss,
    log_odds,
)

ROWS = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=40)


def simulated(intercept, slope, *, n=20_000, seed=0):
    """Labels, and probabilities whose log odds would have to be mapped by this line."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 1.2, n)
    truth = 1 / (1 + np.exp(-(intercept + slope * logit)))
    return (random.random(n) < truth).astype(int), 1 / (1 + np.exp(-logit))


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


def test_the_temperature_of_a_prior_is_the_one_that_scipy_finds():
    random = np.random.default_rng(3)
    prior = np.log([0.7, 0.2, 0.1])
    logits = prior + random.normal(0, 2, (300, 3))
    chance = np.exp(prior + (logits - prior) / 2.5)
    labels = np.array([random.choice(3, p=row / row.sum()) for row in chance])

    def loss(temperature):
        told = log_softmax(prior + (logits - prior) / temperature, axis=1)
        return -told[np.arange(300), labels].mean()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6}).x
    assert 1.5 < best < 4
    assert fit_temperature(logits, labels, prior=prior) == pytest.approx(best, rel=1e-3)


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


def test_the_published_networks_brier_scores(shared_data):
    for name, score, reference in (("Radboud", 0.246, 0.197), ("HarvardRT", 0.496, 0.248)):
        file = shared_data / f"noncommercial/deep_prognosis/{name}.csv"
        table = np.genfromtxt(file, delimiter=",", names=True, usecols=("surv2yr", "logit_1"))
        assert brier(table["surv2yr"], table["logit_1"]) == pytest.approx(score, abs=0.0005)
        assert brier_reference(table["surv2yr"]) == pytest.approx(reference, abs=0.0005)


@given(ROWS)
def test_brier_log_loss_and_bins_are_those_of_scikit_learn(rows):
    y, p = np.array(rows).T
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p))
    inside = np.clip(p, BOUND, 1 - BOUND)
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, inside, labels=[0, 1]))
    assert 0 <= ece(y, p) <= 1
    curve = calibration_curve(y, p, bins=5)
    # scikit-learn's first and last bins lose cases on the outer edges only where p is constant.
    if len(np.unique(p)) > 1:
        observed, predicted = reference_curve(y, p, n_bins=5, strategy="quantile")
        np.testing.assert_allclose(curve.observed, observed)
        np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.count.sum() == len(y)
    assert (curve.low <= curve.observed).all()
    assert (curve.observed <= curve.high).all()


def test_ece_by_hand():
    y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.6, 0.8])
    assert ece(y, p, bins=2) == pytest.approx((0.2 + 0.3) / 2)
    assert ece(y, p, bins=1) == pytest.approx(0.05)
    # Of ten equal bins six are empty, and each case is alone in its own.
    assert ece(y, p, bins=10, equal_mass=False) == pytest.approx((0.1 + 0.3 + 0.4 + 0.2) / 4)
    assert ece(np.array([0, 1]), np.full(2, 0.5)) == 0


def test_brier_skill_compares_with_the_prevalence():
    y = np.array([0, 0, 0, 1])
    assert brier_skill(y, y) == 1
    assert brier_skill(y, np.full(4, 0.25)) == pytest.approx(0)
    assert brier_skill(y, 1 - y) < 0


@pytest.mark.parametrize("line", [(0.0, 1.0), (0.7, 0.5), (-0.4, 1.8)])
def test_the_calibration_line_of_simulated_answers_is_found(line):
    found = calibration_line(*simulated(*line))
    assert found[:2] == pytest.approx(line, abs=0.08)


def test_in_the_large_makes_the_mean_probability_right():
    y, p = simulated(0.7, 0.5, n=500)
    shift = calibration_line(y, p).in_the_large
    logit = np.log(p / (1 - p)) + shift
    assert np.mean(1 / (1 + np.exp(-logit))) == pytest.approx(y.mean(), abs=1e-9)


@pytest.mark.filterwarnings("error")
@given(ROWS.filter(lambda rows: len({label for label, _ in rows}) == 2))
@example([(0, 0.5)] * 490 + [(1, 0.73)] + [(1, 1.0)] * 3)  # whole Newton steps go astray
def test_the_calibration_line_is_the_likeliest_whatever_the_probabilities(rows):
    y, p = np.array(rows).T
    line = calibration_line(y, p)
    p = np.clip(p, BOUND, 1 - BOUND)
    logit = np.log(p / (1 - p))
    rest = y - 1 / (1 + np.exp(-(line.intercept + line.slope * logit)))
    assert abs(rest.sum()) < 1e-6
    assert abs((rest * (logit - logit.mean())).sum() - 1e-3 * line.slope) < 1e-6
    assert abs((y - 1 / (1 + np.exp(-(logit + line.in_the_large)))).sum()) < 1e-6


def test_the_calibration_line_where_probabilities_are_equal_or_certain():
    y = np.array([0, 1, 1, 1])
    flat = calibration_line(y, np.full(4, 0.5))
    assert flat == pytest.approx((np.log(3), 0, np.log(3)))
    certain = calibration_line(np.array([0, 1, 0, 1]), np.array([0.0, 1, 1, 0]))
    assert certain == pytest.approx((0, 0, 0), abs=1e-6)


def test_the_smooth_curve_follows_the_truth():
    y, p = simulated(0.5, 0.6)
    curve = calibration_curve(y, p)
    truth = 1 / (1 + np.exp(-(0.5 + 0.6 * np.log(curve.smooth_x / (1 - curve.smooth_x)))))
    inner = (curve.smooth_x > 0.05) & (curve.smooth_x < 0.95)
    assert np.abs(curve.smooth_y - truth)[inner].max() < 0.05
    inside = (curve.low <= np.interp(curve.predicted, curve.smooth_x, truth)) & (
        np.interp(curve.predicted, curve.smooth_x, truth) <= curve.high
    )
    assert inside.sum() >= 9


@pytest.mark.parametrize("measure", [brier, log_loss, ece, calibration_curve, calibration_line])
def test_what_is_no_probability_is_said(measure):
    for wrong, match in ((1.2, "above 1"), (-0.1, "below 0"), (np.nan, "NaN")):
        with pytest.raises(ValueError, match=match):
            measure(np.array([0, 1, 1]), np.array([0.2, 0.4, wrong]))
    with pytest.raises(ValueError, match="together"):
        measure(np.array([]), np.array([]))


def test_what_needs_both_classes_says_so():
    for measure in (brier_skill, calibration_line):
        with pytest.raises(ValueError, match="both classes"):
            measure(np.ones(3), np.full(3, 0.9))
