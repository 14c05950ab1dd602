"""Agreement: a published example, and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import cohen_kappa_score

from LungSquadLib.statistics.agreement import icc_2_1, icc_estimate, weighted_kappa


def test_icc_of_shrout_and_fleiss():
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_2_1(np.array(ratings)) == pytest.approx(0.29, abs=0.005)


def test_icc_extremes():
    assert icc_2_1(np.repeat([[1.0], [2], [5]], 4, axis=1)) == pytest.approx(1)
    assert np.isnan(icc_2_1(np.ones((3, 4))))
    with pytest.raises(ValueError, match="two patients"):
        icc_2_1(np.ones((1, 4)))


def test_kappa_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    true = random.integers(0, 4, 80)
    called = np.clip(true + random.integers(-1, 2, 80), 0, 3)
    table = np.zeros((4, 4), int)
    np.add.at(table, (true, called), 1)
    expected = cohen_kappa_score(true, called, weights="quadratic")
    assert weighted_kappa(table) == pytest.approx(expected)


@pytest.mark.filterwarnings("error")
def test_kappa_extremes():
    assert weighted_kappa(np.diag([3, 4, 5])) == 1
    assert weighted_kappa(np.ones((3, 3))) == pytest.approx(0)
    assert np.isnan(weighted_kappa(np.diag([7, 0, 0])))
    for table, match in (
        (np.ones((2, 3)), "square"),
        (np.zeros((2, 2)), "at least one"),
        (np.array([[1, -1], [0, 2]]), "counts"),
    ):
        with pytest.raises(ValueError, match=match):
            weighted_kappa(table)


def test_the_interval_of_the_icc_is_the_95_percent_one_of_scipys_bootstrap():
    random = np.random.default_rng(0)
    ratings = random.normal(0, 1, (30, 1)) + random.normal(0, 0.7, (30, 3))
    estimate = icc_estimate(ratings, n=3000)
    found = bootstrap(
        (np.arange(30),),
        lambda rows: icc_2_1(ratings[rows]),
        method="percentile",
        vectorized=False,
        n_resamples=3000,
        rng=np.random.default_rng(7),
    ).confidence_interval
    # Of a 90 % interval each end would lie 0.03 nearer.
    assert (estimate.low, estimate.high) == pytest.approx((found.low, found.high), abs=0.015)
    assert estimate.value == icc_2_1(ratings)
