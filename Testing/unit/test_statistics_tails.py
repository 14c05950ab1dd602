"""Tails and Wilson's interval, against scipy."""

import math

import pytest
from scipy import stats

from LungSquadLib.statistics.intervals import (
    HALF_WIDTH,
    chi_square_tail,
    proportion,
    two_sided_p,
    wilson,
)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 10, 31, 100])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, 1.0, 3.84, 20.0, 150.0, 910.0])
def test_the_chi_square_tail_is_that_of_scipy(x, df):
    assert chi_square_tail(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-10, abs=0)


@pytest.mark.parametrize("z", [0.0, 0.5, -1.96, 8.0, 30.0, 37.0])
def test_the_normal_tail_is_that_of_scipy(z):
    assert two_sided_p(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-10, abs=0)


def test_small_tails_do_not_vanish():
    assert 0 < two_sided_p(30.2) < 1e-199
    assert 0 < chi_square_tail(1400, 3) < 1e-300
    assert chi_square_tail(math.inf, 3) == 0


def test_the_reach_of_an_interval():
    assert pytest.approx(1.959963984540054, rel=1e-10) == HALF_WIDTH


def test_what_has_no_tail_is_said():
    for x, df in ((-1, 1), (math.nan, 1), (1, 0)):
        with pytest.raises(ValueError, match="no chi-square"):
            chi_square_tail(x, df)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 7), (0, 50), (49, 50), (50, 50)])
def test_wilson_is_that_of_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(hits, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-10, abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_a_share_of_nothing():
    nothing = proportion(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0, 1)
    for hits, n in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(hits, n)
