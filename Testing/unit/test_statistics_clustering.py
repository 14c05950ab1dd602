"""Likeness of two groupings: as scikit-learn has it, with a p that is not small by chance."""

import numpy as np
import pytest

from LungSquadLib.statistics.clustering import adjusted_rand, cluster_agreement

metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("seed", range(8))
def test_both_measures_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    one = random.integers(0, 1 + seed, 40)
    other = np.where(random.random(40) < 0.5, one, random.integers(0, 3, 40))
    assert adjusted_rand(one, other) == pytest.approx(metrics.adjusted_rand_score(one, other))
    expected = metrics.normalized_mutual_info_score(one, other)
    assert cluster_agreement(one, other, n=1).nmi == pytest.approx(expected, abs=1e-12)


def test_names_of_groups_do_not_matter():
    one, other = np.array(list("aabbcc")), np.array([7, 7, 1, 1, 4, 4])
    found = cluster_agreement(one, other, n=99)
    assert (found.n, found.ari, found.nmi) == (6, 1, pytest.approx(1))
    assert found.ari_p == found.nmi_p


def test_p_is_small_for_groups_that_agree_and_anything_by_chance():
    random = np.random.default_rng(0)
    groups = np.repeat((0, 1, 2), 20)
    assert cluster_agreement(groups, groups, n=99).ari_p == 0.01
    by_chance = [
        cluster_agreement(groups, random.permutation(groups), n=99).ari_p for _ in range(100)
    ]
    assert np.mean(np.array(by_chance) < 0.05) < 0.12
    assert 0.4 < np.mean(by_chance) < 0.6


@pytest.mark.parametrize("groups", [[], [[0]], [0, 1]])
def test_groupings_of_other_patients_are_refused(groups):
    with pytest.raises(ValueError, match="clusters"):
        adjusted_rand(np.array(groups), np.array([0, 1, 2]))
