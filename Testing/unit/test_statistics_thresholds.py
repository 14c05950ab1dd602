"""Cut-offs, what they are worth, and whether acting on them pays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from LungSquadLib.statistics.classification import (
    at_sensitivity,
    at_threshold,
    decision_curve,
    youden,
)
from LungSquadLib.statistics.intervals import wilson

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)
PROBABILITIES = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0])),
    min_size=2,
    max_size=30,
).filter(lambda rows: len({label for label, _ in rows}) == 2)


def measured(y, score, t):
    """Sensitivity and specificity, counted."""
    return np.mean(score[y == 1] >= t), np.mean(score[y == 0] < t)


@given(ROWS, st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_thresholds_reach_their_target_and_no_better_one_does(rows, target):
    y, score = np.array(rows).T
    candidates = [*np.unique(score), score.max() + 1]
    t = at_sensitivity(y, score, target)
    assert measured(y, score, t)[0] >= target
    assert all(measured(y, score, higher)[0] < target for higher in candidates[:-1] if higher > t)
    best = sum(measured(y, score, youden(y, score)))
    assert best >= max(sum(measured(y, score, t)) for t in candidates[:-1]) - 1e-9


def test_of_equally_good_thresholds_the_highest_is_taken():
    y, score = np.array([1, 0, 1, 0, 1, 0]), np.arange(6, 0, -1)
    assert youden(y, score) == 6  # 1 - 2/3 is more than 1/3 only by rounding


def test_what_a_threshold_is_worth():
    random = np.random.default_rng(0)
    y, score = random.integers(0, 2, 60), random.normal(0, 1, 60)
    called = score >= 0.2
    found = at_threshold(y, score, 0.2)
    assert found.sensitivity.value == pytest.approx(metrics.recall_score(y, called))
    assert found.specificity.value == pytest.approx(metrics.recall_score(1 - y, ~called))
    assert found.ppv.value == pytest.approx(metrics.precision_score(y, called))
    assert found.npv.value == pytest.approx(metrics.precision_score(1 - y, ~called))
    assert found.f1 == pytest.approx(metrics.f1_score(y, called))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, called))
    hits, n = int((called & (y == 1)).sum()), int(y.sum())
    assert (found.sensitivity.low, found.sensitivity.high) == wilson(hits, n)


def test_a_case_at_the_threshold_is_called():
    assert at_threshold(np.array([1]), np.array([0.5]), 0.5).sensitivity.value == 1


def test_what_is_undefined_at_a_threshold_is_none():
    found = at_threshold(np.zeros(3), np.zeros(3), 1.0)
    assert found.specificity.value == found.npv.value == 1
    assert found.sensitivity.value is found.ppv.value is None
    assert found.f1 is found.balanced_accuracy is None
    assert (found.ppv.low, found.ppv.high) == (0, 1)


def test_targets_out_of_range_are_said():
    with pytest.raises(ValueError, match="target of 90"):
        at_sensitivity(np.array([0, 1]), np.array([0.0, 1]), 90)


@given(PROBABILITIES)
def test_net_benefit_is_counted_as_vickers_and_elkin_do(rows):
    y, p = np.array(rows).T
    curve = decision_curve(y, p, np.array([0.0, 0.1, 0.4, 0.9]))
    for place, t in enumerate(curve.thresholds):
        hits, alarms = ((p >= t) & (y == 1)).sum(), ((p >= t) & (y == 0)).sum()
        expected = hits / len(y) - alarms / len(y) * t / (1 - t)
        assert curve.model[place] == pytest.approx(expected)
        all_of_them = y.mean() - (1 - y.mean()) * t / (1 - t)
        assert curve.treat_all[place] == pytest.approx(all_of_them)
    assert (curve.treat_none == 0).all()
    assert curve.model[0] == pytest.approx(curve.treat_all[0])


def test_thresholds_of_a_decision_out_of_range_are_said():
    for wrong in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="threshold"):
            decision_curve(np.array([0, 1]), np.array([0.1, 0.9]), np.array([0.5, wrong]))
