"""Intervals and p values by drawing and shuffling patients; several classes."""

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from LungSquadLib.statistics.discrimination import auc, auc_interval, macro_auc
from LungSquadLib.statistics.intervals import bootstrap, permutation_test, repeated
from LungSquadLib.statistics.survival import concordance


def drawn(random, n=100, shift=1.0):
    """Labels, two in five of them 1, and scores N(shift, 1) of those and N(0, 1) of the others."""
    y = np.repeat([1, 0], [2 * n // 5, n - 2 * n // 5])
    return y, random.normal(0, 1, n) + shift * y


def mean(values):
    return float(np.mean(values))


def test_the_interval_is_near_delongs_and_repeats_with_its_seed():
    y, score = drawn(np.random.default_rng(0), 200)
    found = bootstrap(auc, y, score)
    assert found.value == auc(y, score)
    assert (found.low, found.high) == pytest.approx(auc_interval(y, score), abs=0.015)
    assert bootstrap(auc, y, score) == found
    assert bootstrap(auc, y, score, seed=1) != found


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(1)
    truth = 0.760  # of N(1, 1) against N(0, 1)
    found = [bootstrap(auc, *drawn(random), n=150) for _ in range(200)]
    hits = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 <= hits <= 0.985  # 0.95 give or take three standard errors


def test_rows_of_one_patient_are_no_new_evidence():
    y, score = drawn(np.random.default_rng(2))
    one = bootstrap(auc, y, score, n=500)
    copied = [np.tile(column, 5) for column in (y, score)]
    patient = np.tile([f"patient {number:02}" for number in range(100)], 5)
    grouped, not_grouped = (
        bootstrap(auc, *copied, groups=groups, n=500) for groups in (patient, None)
    )
    expected = (one.value, one.low, one.high)
    assert (grouped.value, grouped.low, grouped.high) == pytest.approx(expected)
    assert not_grouped.high - not_grouped.low < 0.6 * (one.high - one.low)


def test_repeats_are_averaged_and_draw_the_same_patients():
    random = np.random.default_rng(3)
    y, score = drawn(random)
    noisy = np.concatenate([score + random.normal(0, 0.1, 100) + 50 * r for r in range(4)])
    labels, patient, repeat = np.tile(y, 4), np.tile(np.arange(100), 4), np.repeat(range(4), 100)
    found = repeated(auc, labels, noisy, repeat, groups=patient, n=500)
    each = [auc(y, noisy[repeat == r]) for r in range(4)]
    assert found.value == pytest.approx(np.mean(each))
    one = bootstrap(auc, y, score, n=500)
    assert found.high - found.low == pytest.approx(one.high - one.low, rel=0.15)
    with pytest.raises(ValueError, match="groups must give"):
        repeated(auc, labels, noisy, repeat)
    alone = repeated(auc, y, score, np.zeros(100), n=50)
    once = bootstrap(auc, y, score, n=50)
    assert (alone.value, alone.low, alone.high) == (once.value, once.low, once.high)
    assert (alone.method, once.method) == ("mean of repeats, bootstrap", "bootstrap")


def test_patients_with_both_labels_are_a_stratum_of_their_own():
    y = np.array([0, 0, 0, 0, 1, 1, 0, 1, 1, 0])
    patient = np.array([0, 1, 2, 2, 3, 4, 5, 5, 6, 6])
    seen = bootstrap(np.sum, y, groups=patient, n=300)
    # Always two patients of label 1, and two with one row of each label.
    assert (seen.low, seen.value, seen.high) == (4, 4, 4)


def test_samples_without_both_classes_are_left_out():
    y, score = np.repeat([1, 0], [2, 8]), np.arange(10.0)
    areas: list[float] = []

    def counted(labels, scores):
        areas.append(auc(labels, scores))
        return areas[-1]

    free = bootstrap(counted, y, score, stratify=False, n=1000)
    assert len(areas[1:]) == pytest.approx(1000 * (1 - 0.8**10 - 0.2**10), abs=40)
    assert (free.low, free.high) == tuple(np.quantile(areas[1:], (0.025, 0.975)))
    areas.clear()
    bootstrap(counted, y, score, n=1000)
    assert len(areas[1:]) == 1000


def test_what_cannot_be_drawn_from_is_said():
    with pytest.raises(ValueError, match="both classes"):
        bootstrap(auc, np.ones(4), np.arange(4.0))
    with pytest.raises(ValueError, match="cannot be stratified"):
        bootstrap(auc, np.array([0, 1]), np.array([1.0, 2]))
    with pytest.raises(ValueError, match="different lengths"):
        bootstrap(auc, np.array([0, 1]), np.array([1.0]))
    with pytest.raises(ValueError, match="groups for"):
        bootstrap(auc, np.array([0, 1]), np.array([1.0, 2]), groups=np.array([1]))
    with pytest.raises(ValueError, match="group is missing"):
        bootstrap(mean, np.array([0, 1]), groups=np.array([1, np.nan]))
    with pytest.raises(ValueError, match="no sample"):
        bootstrap(lambda y: float("nan"), np.array([0, 0, 1, 1]), n=5)


def test_times_are_drawn_without_strata():
    random = np.random.default_rng(4)
    risk = random.normal(0, 1, 60)
    months = random.exponential(np.exp(-risk))
    event = random.random(60) < 0.7
    with pytest.raises(ValueError, match="cannot be stratified"):
        bootstrap(concordance, months, event, risk)
    found = bootstrap(concordance, months, event, risk, stratify=False, n=200)
    assert 0.5 < found.low < found.value < found.high < 1


def test_two_thousand_samples_of_three_hundred_rows_take_no_time():
    y, score = drawn(np.random.default_rng(5), 300)
    start = time.process_time()
    bootstrap(auc, y, score)
    assert time.process_time() - start < 2


def test_shuffled_labels_give_an_exact_p():
    y, score = np.repeat([0, 1], 20), np.arange(40.0)
    best = permutation_test(auc, y, score, n=99)
    assert (best.value, best.p) == (1, 0.01)
    assert best.null.mean() == pytest.approx(0.5, abs=0.03)
    assert permutation_test(auc, y, np.zeros(40), n=99).p == 1
    assert permutation_test(lambda y, s: float("nan"), y, score, n=9).p == 1


def test_p_is_uniform_where_there_is_nothing_to_find():
    random = np.random.default_rng(6)
    found = [
        permutation_test(auc, *drawn(random, 30, shift=0.0), n=39, seed=seed).p
        for seed in range(300)
    ]
    for level in (0.1, 0.5):  # give or take three standard errors
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.09)


def test_labels_change_places_between_patients():
    random = np.random.default_rng(7)
    patient = np.repeat(np.arange(12), 20)
    y = (np.arange(12) % 2)[patient]
    of_patients = random.normal(0, 1, (20, 12))  # have nothing to do with their labels
    by_row, by_patient = (
        [permutation_test(auc, y, score[patient], groups=groups, n=99).p for score in of_patients]
        for groups in (None, patient)
    )
    assert np.mean(np.array(by_row) < 0.05) > 0.2
    assert np.mean(np.array(by_patient) < 0.05) < 0.2
    with pytest.raises(ValueError, match="several labels"):
        permutation_test(auc, np.array([0, 1]), np.array([0.0, 1]), groups=np.array([0, 0]))


def test_several_classes():
    random = np.random.default_rng(8)
    y, p = random.integers(0, 3, 50), random.dirichlet(np.ones(3), 50)
    expected = roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert macro_auc(y, p) == pytest.approx(expected)
    with pytest.raises(ValueError, match="both classes"):
        macro_auc(np.array([0, 1]), np.eye(3)[:2])
    with pytest.raises(ValueError, match="a label is none"):
        macro_auc(np.array([0, 3]), np.eye(3)[:2])
    with pytest.raises(ValueError, match="together"):
        macro_auc(np.array([0, 1, 2]), np.eye(3)[:2])
