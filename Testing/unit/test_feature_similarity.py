"""Distances in feature spaces, against closed forms, scipy and scikit-learn."""

import numpy as np
import pytest
from scipy import linalg
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from LungSquadLib.statistics.image_similarity import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    standardised,
)


def normal(n, d=3, *, seed=0, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, (n, d))


def test_kernel_distance_is_that_of_scikit_learns_kernel():
    a, b = normal(20), normal(30, seed=1, mean=0.5)

    def within(one):
        kernel = polynomial_kernel(one, degree=3, coef0=1)
        np.fill_diagonal(kernel, 0)
        return kernel.sum() / (len(one) * (len(one) - 1))

    expected = within(a) + within(b) - 2 * polynomial_kernel(a, b, degree=3, coef0=1).mean()
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_kernel_distance_has_no_bias_however_few_there_are():
    found = [kernel_distance(normal(5, seed=n), normal(5, seed=5000 + n)) for n in range(2000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_frechet_distance_is_that_of_scipys_matrix_root():
    a, b = normal(50) @ normal(3, seed=2), normal(60, seed=1, mean=1)
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected += np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert frechet_distance(a, b, share=0) == pytest.approx(expected)


def test_frechet_distance_of_a_set_moved_and_stretched():
    a = normal(40)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(3 * 4)
    stretched = a.mean(0) + 3 * (a - a.mean(0))
    assert frechet_distance(a, stretched) == pytest.approx(4 * np.cov(a.T).trace())


def test_frechet_distance_of_fewer_rows_than_features():
    assert np.isfinite(frechet_distance(normal(4, 10), normal(5, 10, seed=1)))


def test_precision_and_recall_are_those_of_scikit_learns_neighbours():
    reals, fakes = normal(40), normal(50, seed=1, mean=0.8)

    def share(inside, of):
        reach = NearestNeighbors(n_neighbors=4).fit(of).kneighbors(of)[0][:, -1]
        apart = np.linalg.norm(inside[:, None] - of, axis=2)
        return (apart <= reach).any(1).mean()

    found = precision_recall(reals, fakes)
    assert found.precision == share(fakes, reals)
    assert found.recall == share(reals, fakes)
    assert 0.3 < found.precision < found.recall < 1


def test_a_generator_of_one_image_is_precise_and_recalls_little():
    reals = normal(100)
    found = precision_recall(reals, reals[:1] + 1e-6 * normal(100, seed=1))
    assert found.precision == 1
    assert found.recall < 0.05
    far = precision_recall(reals, reals + 50)
    assert (far.precision, far.recall) == (0, 0)


def test_features_are_in_deviations_of_the_reals():
    reals = np.array([[0.0, 5.0], [2.0, 5.0]])
    scaled, others = standardised(reals, np.array([[4.0, 6.0]]))
    assert scaled.tolist() == [[-1, 0], [1, 0]]
    assert others.tolist() == [[3, 1]]  # what never varies keeps its unit


def test_too_few_rows_are_refused():
    for measure in (kernel_distance, frechet_distance):
        with pytest.raises(ValueError, match="needed"):
            measure(normal(1), normal(5))
    with pytest.raises(ValueError, match="needed"):
        precision_recall(normal(3), normal(9))
    with pytest.raises(ValueError, match="together"):
        kernel_distance(normal(5, 2), normal(5, 3))
