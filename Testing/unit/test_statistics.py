"""Statistics agree with published examples and with brute force."""

import numpy as np
import pytest

from LungSquadLib.statistics.agreement import icc_2_1
from LungSquadLib.statistics.discrimination import auc, auc_interval


def test_icc_of_shrout_and_fleiss():
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_2_1(np.array(ratings)) == pytest.approx(0.29, abs=0.005)


def test_icc_extremes():
    assert icc_2_1(np.repeat([[1.0], [2], [5]], 4, axis=1)) == pytest.approx(1)
    assert np.isnan(icc_2_1(np.ones((3, 4))))
    with pytest.raises(ValueError, match="two patients"):
        icc_2_1(np.ones((1, 4)))


def test_auc_counts_pairs_and_halves_ties():
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 2, 60), random.integers(0, 8, 60)
    pairs = [(p > n) + (p == n) / 2 for p in scores[labels == 1] for n in scores[labels == 0]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs))


def test_auc_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(1)
    truth = 0.760  # of N(1, 1) against N(0, 1)
    hits = 0
    for _ in range(400):
        scores = np.concatenate([random.normal(1, 1, 40), random.normal(0, 1, 60)])
        low, high = auc_interval(np.repeat([1, 0], [40, 60]), scores)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_auc_reproduces_the_published_cohorts(shared_data):
    for name, expected in (("Radboud", 0.698), ("HarvardRT", 0.574)):
        file = shared_data / f"noncommercial/deep_prognosis/{name}.csv"
        table = np.genfromtxt(file, delimiter=",", names=True, usecols=("surv2yr", "logit_1"))
        assert auc(table["surv2yr"], table["logit_1"]) == pytest.approx(expected, abs=0.0006)


def test_a_perfect_score_has_an_honest_interval():
    low, high = auc_interval(np.repeat([0, 1], [50, 20]), np.arange(70))
    assert 0.8 < low < 0.9
    assert high == 1
