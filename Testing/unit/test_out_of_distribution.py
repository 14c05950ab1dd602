"""The out-of-distribution flag's level is what it says, whatever the scores' distribution."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis as by_scipy

from LungSquadLib.inference.out_of_distribution import LEAST_HELD_OUT, ood_flags, ood_score
from LungSquadLib.models.file import Reference
from LungSquadLib.training.card import HeldOut, reference_of


def scored(score, held_out):
    """The OOD score of a case with one feature, which is its distance."""
    return ood_score(np.array([score]), Reference(np.zeros(1), np.eye(1), np.sort(held_out)))


def test_the_p_value_is_the_rank_among_held_out_cases():
    held_out = np.array([1.0, 2.0, 2.0, 3.0, 9.0] + [0.5] * 95)
    for score in (0.0, 0.5, 1.0, 2.0, 2.5, 9.0, 9.5):
        ood = scored(score, held_out)
        as_far = sum(value >= score for value in held_out)  # ties count as as far
        assert ood.p == pytest.approx((as_far + 1) / 101, abs=1e-6), score
        assert (ood.held_out, ood.distance) == (100, score)
        assert ood.out_of_distribution is (score > 9), score


def test_of_like_cases_one_in_a_hundred_is_flagged_at_most():
    """Held-out and new cases from one heavy-tailed law, again and again."""
    random, runs = np.random.default_rng(0), 8000
    for count in (99, 200, 1000):
        held_out = np.sort(random.lognormal(0, 1.5, (runs, count)), axis=1)
        new = random.lognormal(0, 1.5, runs)
        flagged = np.mean(
            [scored(*each).out_of_distribution for each in zip(new, held_out, strict=True)]
        )
        error = 3 * np.sqrt(0.01 * 0.99 / runs)
        exact = int(0.01 * (count + 1)) / (count + 1)  # the ranks that the level allows
        assert flagged <= 0.01 + error, count
        assert flagged == pytest.approx(exact, abs=error), count


def test_with_fewer_than_99_held_out_cases_only_that_is_flagged():
    for count, silent in ((1, True), (12, True), (98, True), (99, False)):
        ood = scored(1e9, np.ones(count))
        codes = [flag.code for flag in ood_flags(ood, "tumour")]
        assert (ood.out_of_distribution is None) == silent, count
        assert codes == ["few_reference_cases" if silent else "out_of_distribution"], count
    assert LEAST_HELD_OUT == 99
    (flag,) = ood_flags(scored(1, np.ones(12)), "tumour")
    assert "only 12 held-out cases, and 99 are needed" in flag.sentence
    assert flag.severity == "warning"
    (flag,) = ood_flags(scored(1e9, np.ones(200)), "tumour")
    assert "p = 0.005" in flag.sentence
    assert flag.severity == "severe"
    (flag,) = ood_flags(None, "patient")
    assert flag.code == "no_reference"


def test_held_out_cases_are_measured_from_the_training_of_their_own_fold():
    random = np.random.default_rng(1)
    training, held_out = random.normal(size=(60, 4)), random.normal(size=(2, 7, 4))
    scale = np.array([1.0, 100.0])  # each fold's network has features of its own
    folds = [
        HeldOut(random.normal(size=(50, 4)) * s, one * s)
        for one, s in zip(held_out, scale, strict=True)
    ]
    reference = reference_of(training, folds)
    expected = []
    for fold in folds:
        covariance = np.cov(fold.training.T)
        ball = np.eye(4) * np.trace(covariance) / 4
        inverse = np.linalg.inv(0.9 * covariance + 0.1 * ball)
        mean = fold.training.mean(0)
        expected += [by_scipy(case, mean, inverse) for case in fold.test]
    np.testing.assert_allclose(reference.distances, np.sort(expected), rtol=1e-9)
    np.testing.assert_allclose(reference.mean, training.mean(0))
