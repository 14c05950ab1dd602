"""Groups in a small space: the same however it is stretched, and as many as there are."""

import numpy as np
import pytest

from LungSquadLib.errors import CancelledError
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.clustering import adjusted_rand
from LungSquadLib.training.autoencoder import grouping
from LungSquadLib.training.autoencoder.grouping import (
    Stability,
    by_stage,
    fit_k_means,
    fit_mixture,
    follow_stages,
    stability,
)
from Testing.unit.test_training_run import StopAt

pytest.importorskip("sklearn")


def blobs(count, *, apart=6.0, each=25, seed=0):
    """Places (count * each, 3) and the blob of each."""
    random = np.random.default_rng(seed)
    centres = apart * np.stack([np.cos(np.arange(count) * 1.7), np.sin(np.arange(count) * 1.7)], 1)
    member = np.repeat(np.arange(count), each)
    points = random.normal(size=(len(member), 3))
    points[:, :2] += centres[member]
    return points, member


def likelihood(mixture, points):
    stats = pytest.importorskip("scipy.stats")
    covariance = np.linalg.inv(mixture.precision)
    densities = [
        weight * stats.multivariate_normal(mean, covariance).pdf(points)
        for weight, mean in zip(mixture.weights, mixture.means, strict=True)
    ]
    return np.log(np.sum(densities, 0)).mean()


@pytest.mark.parametrize("groups", [2, 4])
def test_a_mixture_is_as_likely_as_scikit_learns(groups):
    points, _ = blobs(3, apart=2.0)
    peer = pytest.importorskip("sklearn.mixture").GaussianMixture(
        groups, covariance_type="tied", n_init=20, random_state=0
    )
    own = likelihood(fit_mixture(points, groups), points)
    assert own >= peer.fit(points).score(points) - 0.01


def test_a_stretched_and_turned_space_has_the_same_groups():
    points, member = blobs(3)
    stretched = points @ np.array([[9.0, 2, 0], [0, 0.1, 3], [1, 0, 1]]) + 5
    for space in (points, stretched):
        groups = fit_mixture(space, 3)(space)
        assert adjusted_rand(groups, member) == 1
        sizes = np.bincount(groups)
        assert (np.diff(sizes) <= 0).all()


def test_groups_across_the_longest_axis_are_found():
    random = np.random.default_rng(0)
    member = np.arange(100) % 2
    points = random.normal(size=(100, 6)) * (5, 4, 3, 2, 2, 0.1)
    points[:, 5] += member
    assert adjusted_rand(fit_mixture(points, 2)(points), member) == 1
    assert adjusted_rand(fit_k_means(points, 2)(points), member) < 0.1


@pytest.mark.slow
def test_as_many_groups_as_there_are_are_stable(monkeypatch):
    monkeypatch.setattr(grouping, "_STARTS", 12)  # blobs as far apart as these need no more
    found = stability(blobs(3, each=16)[0], counts=(2, 3), progress=Silent())
    assert found.best == 3
    assert found.values[1] == 1
    assert found.p == 1 / 200
    assert found.significant
    few = Stability(found.counts, found.values, found.clouds[:19])
    assert few.p == 0.05
    assert not few.significant  # the least that 19 clouds can give
    mean, low, high = found.chance
    assert 0 <= low <= mean <= high < 1


def test_no_number_of_groups_is_stable_in_a_cloud():
    cloud = np.random.default_rng(1).normal(size=(60, 3)) * (4, 1, 1)
    found = stability(cloud, counts=(2, 3), progress=Silent())
    assert found.p > 0.1
    assert not found.significant
    assert len(found.clouds) in (19, 199)


def test_counting_groups_can_be_cancelled():
    with pytest.raises(CancelledError):
        stability(blobs(2)[0], counts=(2,), progress=StopAt(2))


def test_groups_are_named_after_the_stages_that_most_patients_have():
    points, member = blobs(4)
    stages = np.array(["T3", "T1", "T4", "T2"])[member]
    stages[::5] = ""
    mixture = fit_mixture(points, 4)
    named = by_stage(mixture, mixture(points), stages.tolist())
    for group, stage in zip(named(points), stages, strict=True):
        assert stage in ("", f"T{group + 1}")


def test_groups_bear_the_names_of_stages_only_where_they_follow_them():
    random, member = np.random.default_rng(0), np.repeat(np.arange(4), 30)
    stages = np.array(["T3", "T1", "T4", "T2"])[member]
    some = np.where(random.random(120) < 0.2, random.permutation(stages), stages)
    assert follow_stages(member, some.tolist())
    some[::7] = ""
    assert follow_stages(member, some.tolist())
    assert not follow_stages(member, random.permutation(stages).tolist())
    weak = np.where(random.random(120) < 0.7, random.permutation(stages), stages)
    assert not follow_stages(member, weak.tolist())  # beyond chance or not: hardly
    assert not follow_stages(member, np.where(stages == "T4", "T3", stages).tolist())
    assert not follow_stages(member[::15], stages[::15].tolist())  # eight patients
