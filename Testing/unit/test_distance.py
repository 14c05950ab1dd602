"""Distances from a cloud of cases."""

import numpy as np
import pytest

from LungSquadLib.inference.out_of_distribution import mahalanobis, shrunk_precision


def test_a_ball_measures_as_a_ruler_does():
    cases = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert mahalanobis(cases, np.zeros(2), np.eye(2)) == pytest.approx([5.0, 0.0])


def test_the_cloud_measures_in_its_own_standard_deviations():
    random = np.random.default_rng(0)
    mixed = random.normal(size=(100_000, 3)) @ np.array([[1, 0.5, 0], [0, 3, 1], [0, 0, 0.2]])
    distances = mahalanobis(mixed, mixed.mean(axis=0), shrunk_precision(mixed, share=0.0))
    assert np.mean(distances**2) == pytest.approx(3, rel=1e-3)  # chi-squared with 3 degrees


def test_fewer_cases_than_features_still_have_a_distance():
    random = np.random.default_rng(1)
    cases = random.normal(size=(5, 20))
    precision = shrunk_precision(cases)
    assert np.isfinite(
        mahalanobis(random.normal(size=(3, 20)), cases.mean(axis=0), precision)
    ).all()
    assert np.linalg.eigvalsh(precision).min() > 0
