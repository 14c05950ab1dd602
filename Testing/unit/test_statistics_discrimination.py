"""ROC, precision-recall, DeLong: against pairs counted one by one, scikit-learn, simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from LungSquadLib.statistics.discrimination import (
    auc,
    auc_interval,
    average_precision,
    delong,
    paired_difference,
    pr_curve,
    roc_curve,
)

# Few distinct scores, so that ties are everywhere; both classes are there.
TIED = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def drawn(seed, positives, negatives, shift=1.0):
    """Labels and scores, N(shift, 1) of the positives and N(0, 1) of the negatives."""
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.normal(shift, 1, positives), random.normal(0, 1, negatives)])
    return np.repeat([1, 0], [positives, negatives]), scores


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


def test_the_interval_of_one_case_of_a_class_says_nothing():
    assert auc_interval(np.array([0, 0, 1]), np.array([1.0, 2, 3])) == (0, 1)


@given(TIED)
def test_curves_and_areas_are_those_of_scikit_learn(rows):
    y, score = np.array(rows).T
    curve = roc_curve(y, score)
    x, height, thresholds = metrics.roc_curve(y, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.x, x)
    np.testing.assert_allclose(curve.y, height)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    curve = pr_curve(y, score)
    precision, recall, _ = metrics.precision_recall_curve(y, score)
    np.testing.assert_allclose(curve.x, recall[::-1])
    np.testing.assert_allclose(curve.y, precision[::-1])
    assert auc(y, score) == pytest.approx(metrics.roc_auc_score(y, score))
    assert average_precision(y, score) == pytest.approx(metrics.average_precision_score(y, score))


@given(TIED)
def test_the_area_knows_only_the_order_of_scores(rows):
    y, score = np.array(rows).T
    assert auc(y, np.exp(score / 2.0) - 7) == auc(y, score)
    assert auc(y, -score) == pytest.approx(1 - auc(y, score))
    assert auc(1 - y, score) == pytest.approx(1 - auc(y, score))


def test_delong_is_the_variance_of_the_u_statistics_counted_pair_by_pair():
    random = np.random.default_rng(3)
    y, scores = np.repeat([1, 0], [7, 9]), random.integers(0, 6, (3, 16))
    wins = np.array(
        [
            [[(p > n) + (p == n) / 2 for n in row[y == 0]] for p in row[y == 1]]
            for row in scores.astype(float)
        ]
    )
    areas, covariance = delong(y, scores)
    np.testing.assert_allclose(areas, wins.mean(axis=(1, 2)))
    for i in range(3):
        for j in range(3):
            over_positives = np.cov(wins[i].mean(axis=1), wins[j].mean(axis=1))[0, 1] / 7
            over_negatives = np.cov(wins[i].mean(axis=0), wins[j].mean(axis=0))[0, 1] / 9
            assert covariance[i, j] == pytest.approx(over_positives + over_negatives)


def test_the_paired_difference_covers_and_its_p_is_uniform_where_there_is_none():
    hits, small = 0, 0
    for seed in range(400):
        y, a = drawn(seed, 40, 60)
        b = drawn(seed + 10_000, 40, 60)[1]  # as good as a, and independent of it
        difference, p = paired_difference(y, a, b)
        hits += difference.low <= 0 <= difference.high
        small += p < 0.05
    assert 0.92 <= hits / 400 <= 0.98
    assert small == 400 - hits


def test_a_paired_difference_gains_from_what_scores_share():
    y, a = drawn(5, 40, 60)
    near = a + np.random.default_rng(6).normal(0, 0.2, 100)
    apart = drawn(7, 40, 60)[1]
    (close, p_close), (far, _) = paired_difference(y, a, near), paired_difference(y, a, apart)
    assert close.high - close.low < (far.high - far.low) / 2
    back, p = paired_difference(y, near, a)
    assert (back.value, back.low, p) == pytest.approx((-close.value, -close.high, p_close))


def test_a_paired_difference_without_variance_claims_nothing():
    y, a = np.array([0, 0, 1, 1]), np.array([1.0, 2, 3, 4])
    same, p = paired_difference(y, a, a)
    assert (same.value, same.low, same.high, p) == (0, 0, 0, 1)
    as_good, p = paired_difference(y, a, np.exp(a))
    assert (as_good.value, as_good.low, as_good.high, p) == (0, 0, 0, 1)
    perfect, p = paired_difference(y, a, np.zeros(4))
    assert (perfect.value, perfect.low, perfect.high, p) == (0.5, -1, 1, 1)
    lone, p = paired_difference(np.array([0, 0, 1]), np.array([1.0, 2, 3]), np.array([3.0, 1, 2]))
    assert (lone.low, lone.high, p) == (-1, 1, 1)


def test_constant_scores_are_chance():
    y = np.array([0, 1, 1, 0])
    assert auc(y, np.ones(4)) == 0.5
    assert auc_interval(y, np.ones(4)) == (0.5, 0.5)
    assert roc_curve(y, np.ones(4)).x.tolist() == [0, 1]
    assert average_precision(y, np.ones(4)) == 0.5


@pytest.mark.parametrize(
    "measure", [auc, auc_interval, roc_curve, pr_curve, average_precision, delong]
)
def test_what_cannot_be_measured_is_said(measure):
    def scores(*values):
        return np.array([values]) if measure is delong else np.array(values)

    with pytest.raises(ValueError, match="both classes"):
        measure(np.ones(3), scores(1.0, 2, 3))
    with pytest.raises(ValueError, match="NaN"):
        measure(np.array([0, 1, 1]), scores(1.0, np.nan, 3))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        measure(np.array([0, 1, 2]), scores(1.0, 2, 3))
    with pytest.raises(ValueError, match="together"):
        measure(np.array([0, 1]), scores(1.0, 2, 3))
