"""Survival: the trial of 6-mercaptopurine, lifelines, and what must hold of any curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import concordance_index

from LungSquadLib.statistics.survival import concordance, kaplan_meier, log_rank

# Weeks in remission, Freireich et al., Blood 1963;21:699-716; a minus sign where watching ended.
MERCAPTOPURINE = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32]
MERCAPTOPURINE += [-34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

# Small times, so that they tie, and 0 among them.
CASES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(-2, 2)), min_size=2, max_size=25
)


def test_the_trial_of_6_mercaptopurine():
    signed = np.array(MERCAPTOPURINE + PLACEBO)
    time, event, group = np.abs(signed), signed > 0, np.repeat(["6-MP", "placebo"], 21)
    curve = kaplan_meier(time[:21], event[:21])
    assert curve.survival[curve.time == 6] == pytest.approx(0.857, abs=5e-4)
    assert curve.survival[curve.time == 23] == pytest.approx(0.448, abs=5e-4)
    assert curve.at_risk[curve.time == 10] == 15
    assert curve.low[curve.time == 6] == pytest.approx(0.620, abs=5e-4)
    assert curve.high[curve.time == 6] == pytest.approx(0.952, abs=5e-4)
    found = log_rank(time, event, group)
    assert found.chi2 == pytest.approx(16.79, abs=0.005)
    assert found.df == 1
    assert found.p == pytest.approx(4.17e-5, rel=1e-3)


@settings(max_examples=40)
@given(CASES)
def test_the_curve_is_that_of_lifelines(cases):
    time, event, _ = np.array(cases).T
    curve = kaplan_meier(time, event)
    fitted = KaplanMeierFitter().fit(time, event)
    np.testing.assert_array_equal(curve.time, fitted.survival_function_.index)
    np.testing.assert_allclose(curve.survival, fitted.survival_function_.iloc[:, 0], atol=1e-12)
    between = (curve.survival > 0) & (curve.survival < 1)
    bounds = fitted.confidence_interval_.to_numpy()[between]
    np.testing.assert_allclose(curve.low[between], bounds[:, 0], atol=1e-9)
    np.testing.assert_allclose(curve.high[between], bounds[:, 1], atol=1e-9)
    assert (curve.low <= curve.survival).all()
    assert (curve.survival <= curve.high).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_with_nobody_censored_the_curve_is_the_share_alive(times):
    curve = kaplan_meier(np.array(times), np.ones(len(times)))
    alive = (np.array(times) > curve.time[:, None]).mean(axis=1)
    np.testing.assert_allclose(curve.survival, alive, atol=1e-12)


@settings(max_examples=60)
@given(CASES, st.integers(2, 4))
def test_the_log_rank_is_that_of_lifelines(cases, groups):
    time, event, _ = np.array(cases).T
    group = np.arange(len(cases)) % groups
    found = log_rank(time, event, group)
    assert 0 <= found.p <= 1
    reference = multivariate_logrank_test(time, group, event)
    # lifelines drops another group, which only matters where the covariance is singular.
    if np.linalg.matrix_rank(_covariance(time, event, group)) == found.df:
        assert found.chi2 == pytest.approx(reference.test_statistic, abs=1e-8)
        assert found.p == pytest.approx(reference.p_value, abs=1e-8)


def _covariance(time, event, group):
    names = np.unique(group)
    total = np.zeros((len(names), len(names)))
    for t in np.unique(time[event == 1]):
        share = np.array([((time >= t) & (group == name)).sum() for name in names], float)
        n, d = share.sum(), ((time == t) & (event == 1)).sum()
        share /= n
        total += d * (n - d) / max(n - 1, 1) * (np.diag(share) - np.outer(share, share))
    return total


@given(CASES)
def test_concordance_is_that_of_lifelines(cases):
    time, event, risk = np.array(cases).T
    try:
        expected = concordance_index(time, -risk, event)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="no pair"):
            concordance(time, event, risk)
        return
    assert concordance(time, event, risk) == pytest.approx(expected)


def test_all_censored():
    time, event = np.array([1.0, 2, 3, 4]), np.zeros(4)
    curve = kaplan_meier(time, event)
    assert (curve.survival == 1).all()
    assert (curve.low == 1).all()
    assert log_rank(time, event, np.array([0, 0, 1, 1])) == (0, 1, 1)


def test_the_last_death_keeps_the_upper_end():
    curve = kaplan_meier(np.arange(1, 25), np.ones(24))
    assert (curve.survival[-1], curve.low[-1]) == (0, 0)
    assert curve.high[-1] == curve.high[-2] < 0.5


def test_all_dead_at_once_at_time_zero():
    curve = kaplan_meier(np.zeros(3), np.ones(3))
    assert (curve.time.tolist(), curve.survival.tolist()) == ([0], [0])
    assert (curve.low.tolist(), curve.high.tolist()) == ([0], [1])


def test_what_is_no_time_is_said():
    event = np.array([1, 0])
    for measure in (
        kaplan_meier,
        lambda time, event: log_rank(time, event, np.array([0, 1])),
        lambda time, event: concordance(time, event, np.array([0, 1])),
    ):
        for wrong in (-1, np.nan, np.inf):
            with pytest.raises(ValueError, match="negative or missing"):
                measure(np.array([1, wrong]), event)
        with pytest.raises(ValueError, match="neither 0 nor 1"):
            measure(np.array([1, 2]), np.array([0, 2]))
        with pytest.raises(ValueError, match="together"):
            measure(np.array([1]), event)
    with pytest.raises(ValueError, match="1 groups"):
        log_rank(np.array([1, 2]), event, np.array([0, 0]))
    with pytest.raises(ValueError, match="NaN"):
        concordance(np.array([1, 2]), event, np.array([0, np.nan]))
