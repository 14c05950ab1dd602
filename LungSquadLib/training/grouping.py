"""Groups of patients in a small space: found, counted, named after stages."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from ..networks.seeded_dropout import mixed
from ..progress import Progress, step
from ..statistics.clustering import adjusted_rand

COUNTS = (2, 3, 4, 5, 6)
STAGES = ("T1", "T2", "T3", "T4")
_SHARE = 0.8  # of the patients, in each subsample
_SUBSAMPLES = 5
_CLOUDS = 19  # so that the least p is 0.05

Assign = Callable[[np.ndarray], np.ndarray]  # places (N, D) to groups (N,)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Normally distributed groups of one shape.

    One shape, for few patients tell of no more; and so it does not matter how the space is turned
    or stretched, which no two trainings of a network agree on.

    Attributes:
        weights: (k,); means: (k, D); precision: (D, D), inverse covariance within each group.
    """

    weights: np.ndarray
    means: np.ndarray
    precision: np.ndarray

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """The likeliest group (N,) of places (N, D)."""
        offset = places[:, None] - self.means
        squared = np.einsum("nkd,de,nke->nk", offset, self.precision, offset)
        return np.argmax(np.log(self.weights) - squared / 2, axis=1)

    def reordered(self, order: Sequence[int]) -> Mixture:
        """The same groups with other numbers: the first is what was number `order[0]`."""
        chosen = list(order)
        return Mixture(self.weights[chosen], self.means[chosen], self.precision)


def fit_mixture(places: np.ndarray, groups: int, *, seed: int = 0, starts: int = 5) -> Mixture:
    """Fit a mixture by expectation and maximisation; the largest group comes first.

    Args:
        places: (N, D), N at least `groups`.
        groups: how many.
        seed: of the starts.
        starts: of which the best counts.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    found = _sklearn("mixture").GaussianMixture(
        groups,
        covariance_type="tied",
        n_init=starts,
        reg_covar=1e-4,
        random_state=mixed(seed) % 2**32,
    )
    with warnings.catch_warnings():  # one that has not settled after 100 rounds is good enough
        warnings.simplefilter("ignore")
        found.fit(places)
    order = np.argsort(-found.weights_, kind="stable")
    precision = (found.precisions_ + found.precisions_.T) / 2
    return Mixture(found.weights_[order], found.means_[order], precision)


def fit_k_means(places: np.ndarray, groups: int, *, seed: int = 0) -> Assign:
    """Fit k-means, the best of ten starts; see `fit_mixture`."""
    found = _sklearn("cluster").KMeans(groups, n_init=10, random_state=mixed(seed) % 2**32)
    assign: Assign = found.fit(places).predict
    return assign


@dataclass(frozen=True, eq=False)
class Stability:
    """Whether groupings of random parts of the patients agree, for each number of groups.

    Attributes:
        counts: numbers of groups (K,).
        values: mean adjusted Rand index between groupings (K,).
        clouds: the same for clouds without groups, of the same mean and covariance (R, K).
    """

    counts: tuple[int, ...]
    values: np.ndarray
    clouds: np.ndarray

    @property
    def p(self) -> float:
        """How often a cloud without groups is as much above its like, at its best number."""
        best = (self.values - self.clouds.mean(0)).max()
        chance = (self.clouds - self.clouds.mean(0)).max(1)
        return float((1 + (chance >= best).sum()) / (1 + len(chance)))

    @property
    def best(self) -> int:
        """The number of groups most above the clouds, whether or not that is by chance."""
        return self.counts[int((self.values - self.clouds.mean(0)).argmax())]


def stability(
    places: np.ndarray, *, seed: int = 0, progress: Progress, counts: Sequence[int] = COUNTS
) -> Stability:
    """How many groups there are: those that are found again in any part of the patients.

    Mixtures of random four fifths, held against each other on everybody (Ben-Hur et al., Pac Symp
    Biocomput 2002;7:6-17). A cloud can be cut in a stable way too, along its longest axis say, so
    the same is done to normally distributed clouds (Liu et al., J Am Stat Assoc 2008;103:1281).

    Args:
        places: (N, D).
        seed: of subsamples and clouds.
        progress: told each cloud; may cancel.
        counts: numbers of groups to try; those for which a subsample has too few patients are not.
    """
    counts = tuple(k for k in counts if 2 * k <= _SHARE * len(places)) or (2,)
    values = np.array([_stability(places, k, seed) for k in counts])
    mean, covariance = places.mean(0), np.atleast_2d(np.cov(places.T))
    clouds = []
    for number in range(_CLOUDS):
        step(progress, number / _CLOUDS, "How many groups are there?")
        random = np.random.default_rng((seed, number))
        cloud = random.multivariate_normal(mean, covariance, len(places), method="eigh")
        clouds.append([_stability(cloud, k, seed) for k in counts])
    return Stability(counts, values, np.array(clouds))


def _stability(places: np.ndarray, groups: int, seed: int) -> float:
    """Mean adjusted Rand index of pairs of groupings of subsamples, on all patients."""
    found = []
    for number in range(_SUBSAMPLES):
        random = np.random.default_rng((seed, groups, number))
        part = random.permutation(len(places))[: round(_SHARE * len(places))]
        found.append(fit_mixture(places[part], groups, seed=seed, starts=3)(places))
    return float(np.mean([adjusted_rand(*pair) for pair in combinations(found, 2)]))


def by_stage(mixture: Mixture, groups: np.ndarray, stages: Sequence[str]) -> Mixture:
    """A mixture of four groups in the order of T1 to T4 in which most patients agree.

    Args:
        mixture: to be reordered.
        groups: (N,) of training patients, in it.
        stages: N of "T1" to "T4", "" where it is not known.
    """
    known = np.array([[stage == one for one in STAGES] for stage in stages], np.int64)
    together = (groups[:, None] == np.arange(len(STAGES))).astype(np.int64).T @ known
    best = max(
        permutations(range(len(STAGES))),
        key=lambda order: sum(together[group, place] for place, group in enumerate(order)),
    )
    return mixture.reordered(best)


def _sklearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        raise MissingPackageError("scikit-learn", "Finding groups", "molecules") from error
