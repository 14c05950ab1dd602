"""Group patients in a small space: fit groups, choose their number, name them after stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ...networks.seeded_dropout import mixed
from ...progress import Progress, step
from ...statistics.clustering import ClusterAgreement, adjusted_rand, cluster_agreement
from ...statistics.intervals import is_significant

COUNTS = (2, 3, 4, 5, 6)
STAGES = ("T1", "T2", "T3", "T4")
_SPLITS = 3  # of the patients, in halves
_CLOUDS, _FIRST = 199, 19  # without groups; after the first few, where p is large already, no more
_HOPELESS = 0.2  # such a p
LEVEL, MUCH = 0.05, 0.2  # of p; of the adjusted Rand index: less is a weak relation
SHUFFLES, _NAMED = 2000, 0.01  # behind such a p; the level at which groups get names of stages
_STARTS, _SHORT, _LEADING = 80, 10, 5  # of a mixture: starts, rounds until few are left, these
_ROUNDS, _TOLERANCE = 200, 1e-5  # of the fit: at most, and the least gain that goes on
_LEAST = 1e-6  # of a variance
_SMALLEST, _OUTLIERS = 0.05, 1e3  # share of the patients that is a group, and what less costs

Assign = Callable[[np.ndarray], np.ndarray]  # points (N, D) to groups (N,)


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

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the likeliest group (N,) of points (N, D)."""
        offset = points[:, None] - self.means
        squared = np.einsum("nkd,de,nke->nk", offset, self.precision, offset)
        return np.argmax(np.log(self.weights) - squared / 2, axis=1)

    def reordered(self, order: Sequence[int]) -> Mixture:
        """Return the same groups with other numbers: the first is what was number `order[0]`."""
        chosen = list(order)
        return Mixture(self.weights[chosen], self.means[chosen], self.precision)


def fit_mixture(points: np.ndarray, groups: int, *, seed: int = 0) -> Mixture:
    """Fit a mixture by expectation and maximisation; the largest group comes first.

    Dempster et al., J R Stat Soc B 1977;39:1, from many starts at once: with fewer, groups that lie
    across the longest axes are missed. As all groups have one shape, it is what the groups' means
    leave of the whole covariance. A few patients far out are no group if there is any other way.

    Args:
        points: (N, D), N at least `groups`.
        groups: how many.
        seed: of the starts.
    """
    centre = points.mean(0)
    stretch = np.linalg.cholesky(np.atleast_2d(np.cov(points.T, bias=True)) + _LEAST * _eye(points))
    x = np.linalg.solve(stretch, (points - centre).T).T  # a round cloud
    member, before = _started(x, groups, seed), np.array(-np.inf)
    for number in range(_ROUNDS):
        weights = member.sum(1) / len(x) + 1e-12
        means = member.transpose(0, 2, 1) @ x / (weights * len(x))[:, :, None]
        between = np.einsum("sk,skd,ske->sde", weights, means, means)
        precision = np.linalg.inv((1 + _LEAST) * _eye(x) - between)
        slopes = means @ precision
        score = x @ slopes.transpose(0, 2, 1) + np.log(weights)[:, None]
        score -= (slopes * means).sum(2)[:, None] / 2
        top = score.max(2, keepdims=True)
        member = np.exp(score - top)
        total = member.sum(2, keepdims=True)
        member /= total
        value = (top + np.log(total)).mean((1, 2)) + np.linalg.slogdet(precision).logabsdet / 2
        value -= np.trace(precision, axis1=1, axis2=2) / 2
        value -= _OUTLIERS * (weights.min(1) < _SMALLEST)
        if number == _SHORT:  # those that do not lead by now need not be followed
            leading = np.argsort(-value, kind="stable")[:_LEADING]
            member, value = member[leading], value[leading]
        elif np.max(value - before) < _TOLERANCE:
            break
        before = value
    best = int(value.argmax())
    order = np.argsort(-weights[best], kind="stable")
    back = np.linalg.inv(stretch)
    return Mixture(
        weights[best][order],
        means[best][order] @ stretch.T + centre,
        back.T @ precision[best] @ back,
    )


def _started(x: np.ndarray, groups: int, seed: int) -> np.ndarray:
    """Return memberships (starts, N, groups): the nearest of random patients in a random plane."""
    random = np.random.default_rng((seed, groups))
    sides = random.normal(size=(_STARTS, x.shape[1], 2))
    seen = x @ sides
    chosen = np.stack([random.permutation(len(x))[:groups] for _ in range(_STARTS)])
    centres = np.take_along_axis(seen, chosen[:, :, None], 1)
    far = ((seen[:, :, None] - centres[:, None]) ** 2).sum(3)
    return (far.argmin(2)[:, :, None] == np.arange(groups)).astype(np.float64)


def _eye(points: np.ndarray) -> np.ndarray:
    return np.eye(points.shape[1])


def fit_k_means(points: np.ndarray, groups: int, *, seed: int = 0) -> Assign:
    """Fit k-means, the best of ten starts; see `fit_mixture`."""
    from sklearn.cluster import KMeans

    k_means = KMeans(groups, n_init=10, random_state=mixed(seed) % 2**32)
    assign: Assign = k_means.fit(points).predict
    return assign


@dataclass(frozen=True, eq=False)
class Stability:
    """Whether groupings of two halves of the patients agree, for each number of groups.

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
        """The p value: how often a cloud without groups exceeds the mean cloud as much."""
        best = (self.values - self.clouds.mean(0)).max()
        chance = (self.clouds - self.clouds.mean(0)).max(1)
        return float((1 + (chance >= best).sum()) / (1 + len(chance)))

    @property
    def significant(self) -> bool:
        """Whether there are groups: by enough clouds, the uncertainty of p included."""
        return is_significant(self.p, len(self.clouds))

    @property
    def chance(self) -> tuple[float, float, float]:
        """Mean and 95 % range of clouds without groups, at the best number."""
        its = self.clouds[:, self.counts.index(self.best)]
        low, high = np.quantile(its, (0.025, 0.975))
        return float(its.mean()), float(low), float(high)

    @property
    def best(self) -> int:
        """The number of groups most above the clouds, whether or not that is by chance."""
        return self.counts[int((self.values - self.clouds.mean(0)).argmax())]


def stability(
    points: np.ndarray, *, seed: int = 0, progress: Progress, counts: Sequence[int] = COUNTS
) -> Stability:
    """Choose the number of groups on which random halves of the patients agree best.

    Mixtures of random halves are compared on all patients (Lange et al., Neural Comput
    2004;16:1299). Halves share no patient, for what chance has put together would be found again by
    whoever shares it. A cloud can be cut in a stable way too, so the same is done to normally
    distributed clouds (Liu et al., J Am Stat Assoc 2008;103:1281): to 199 of them, or to 19 where
    these already reach as much.

    Args:
        points: (N, D).
        seed: of halves and clouds.
        progress: told each cloud; may cancel.
        counts: numbers of groups to try; those for which a half has too few patients are not.
    """
    counts = tuple(k for k in counts if 4 * k <= len(points)) or (2,)
    values = np.array([_stability(points, k, seed) for k in counts])
    mean, covariance = points.mean(0), np.atleast_2d(np.cov(points.T))
    clouds = []
    for number in range(_CLOUDS):
        step(progress, number / _CLOUDS, "How many groups are there?")
        random = np.random.default_rng((seed, number))
        cloud = random.multivariate_normal(mean, covariance, len(points), method="eigh")
        clouds.append([_stability(cloud, k, seed) for k in counts])
        result = Stability(counts, values, np.array(clouds))
        if len(clouds) == _FIRST and result.p > _HOPELESS:
            break  # 199 clouds take a while, and would not make it small
    return result


def _stability(points: np.ndarray, groups: int, seed: int) -> float:
    """Return the mean adjusted Rand index between groupings of two halves, on all patients."""
    agreements = []
    for number in range(_SPLITS):
        order = np.random.default_rng((seed, groups, number)).permutation(len(points))
        first, second = (
            fit_mixture(points[half], groups, seed=seed)(points)
            for half in np.array_split(order, 2)
        )
        # Two groupings that put all patients into one group agree, on nothing.
        single_group = len(set(first.tolist())) == 1 or len(set(second.tolist())) == 1
        agreements.append(0.0 if single_group else adjusted_rand(first, second))
    return float(np.mean(agreements))


def follows(agreement: ClusterAgreement, *, level: float = LEVEL) -> bool:
    """Return whether groups follow a fact: not weakly (`MUCH`), and significantly at `level`.

    Args:
        agreement: of groups and fact.
        level: of p, for so many facts as were looked at.
    """
    return agreement.ari >= MUCH and is_significant(agreement.ari_p, SHUFFLES, level)


def follow_stages(groups: np.ndarray, stages: Sequence[str]) -> bool:
    """Return whether groups (N,) follow T stages ("" where unknown), and may bear their names.

    More is asked than of other facts: a name is read without its p.
    """
    known = np.array([stage in STAGES for stage in stages])
    if len({stage for stage in stages if stage in STAGES}) < len(STAGES):
        return False
    return follows(
        cluster_agreement(np.array(stages)[known], groups[known], n=SHUFFLES), level=_NAMED
    )


def by_stage(mixture: Mixture, groups: np.ndarray, stages: Sequence[str]) -> Mixture:
    """Return a mixture of four groups in the order of T1 to T4 in which most patients agree.

    Args:
        mixture: to be reordered.
        groups: (N,) of training patients, in it.
        stages: N of "T1" to "T4", "" where it is not known.
    """
    known = np.array([[stage == name for name in STAGES] for stage in stages], np.int64)
    together = (groups[:, None] == np.arange(len(STAGES))).astype(np.int64).T @ known
    best = max(
        permutations(range(len(STAGES))),
        key=lambda order: sum(together[group, position] for position, group in enumerate(order)),
    )
    return mixture.reordered(best)
