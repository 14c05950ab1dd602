"""Analyse the clusters of an autoencoder: agreement, stability, survival, genes, other spaces."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...progress import Part, Progress, Silent, step
from ...statistics.clustering import ClusterAgreement, adjusted_rand, cluster_agreement
from ...statistics.survival import kaplan_meier, log_rank
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import Assign, fit_k_means, fit_mixture, stability
from .annotations import FIRST, facts_of, follow_up
from .findings import cautions, sentences
from .results import (
    AUTOENCODER,
    K_MEANS,
    MIXTURE,
    NMF,
    PCA,
    Error,
    Fact,
    Follows,
    Gene,
    Grouping,
    Groups,
    GroupSurvival,
)

_FIT: Mapping[str, Callable[[np.ndarray, int], Assign]] = {
    MIXTURE: fit_mixture,
    K_MEANS: fit_k_means,
}
MISSING = "missing numbers"  # of a patient: those of one batch often lack the same
_FEW = 10  # patients with a fact: below, nothing is said
_GENES = 10  # of each group
_DRAWN = 200  # sets of patients


def analyse(run: AutoencoderRun, *, progress: Progress | None = None) -> Groups:
    """Look at the groups of a finished run from all sides.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    progress, table = progress or Silent(), run.table
    step(progress, 0.0, "Comparing with PCA and NMF")
    missing = np.isnan(table.matrix.values).sum(axis=1)
    facts = facts_of({**table.facts, MISSING: tuple(map(str, missing.tolist()))})
    spaces = spaces_of(run)
    found = Groups(run, facts, (), None, errors_of(run, spaces), None, ())
    if run.mixture is not None:
        stable = stability(run.trained.space[table.train], progress=Part(progress, 0.2, 0.6))
        step(progress, 0.6, "What do the groups follow?")
        groupings = _groupings(run, spaces, facts, stable.best)
        groups = groupings[0].groups
        found = replace(
            found,
            groupings=groupings,
            stability=stable,
            survival=_survival(run, groups),
            genes=tuple(_genes(run, groups)),
        )
    return replace(found, sentences=sentences(found), cautions=cautions(found))


def _groupings(
    run: AutoencoderRun, spaces: Sequence[Space], facts: Sequence[Fact], stable: int
) -> tuple[Grouping, ...]:
    """The model's own first; those of the autoencoder's mixtures with all facts."""
    known = [fact for fact in facts if fact.name in FIRST]
    found: list[Grouping] = []
    for space in spaces:
        for count in dict.fromkeys((run.options.groups, stable)):
            for method, fit in _FIT.items():
                own, main = not found, space.name == AUTOENCODER and method == MIXTURE
                assign: Assign = (
                    run.mixture
                    if own and run.mixture is not None
                    else fit(space.places[run.table.train], count)
                )
                groups = np.asarray(assign(space.places))
                follows = _follows(run, groups, facts if main else known)
                seeds = None
                if space.name == AUTOENCODER and len(run.seeds) > 1:
                    seeds = tuple(_between_seeds(run, method, count))
                found.append(Grouping(space.name, method, count, groups, tuple(follows), seeds))
    return tuple(found)


def _between_seeds(run: AutoencoderRun, method: str, count: int) -> Iterator[float]:
    train = run.table.train
    groups = [
        _FIT[method](one.space[train], count)(one.space) for one in run.seeds if one.active.any()
    ]
    for pair in combinations(groups, 2):
        yield adjusted_rand(*pair)


def _follows(run: AutoencoderRun, groups: np.ndarray, facts: Sequence[Fact]) -> Iterator[Follows]:
    test = np.isin(np.arange(len(groups)), run.table.rows("test"))
    for fact in facts:
        values = np.array(fact.values)
        everybody = _likeness(groups, values, values != "")
        if everybody is not None:
            yield Follows(fact.name, everybody, _likeness(groups, values, (values != "") & test))


def _likeness(
    groups: np.ndarray, values: np.ndarray, chosen: np.ndarray
) -> ClusterAgreement | None:
    if chosen.sum() < _FEW or len(set(values[chosen].tolist())) < 2:
        return None
    return cluster_agreement(values[chosen], groups[chosen])


def _survival(run: AutoencoderRun, groups: np.ndarray) -> GroupSurvival | None:
    """None where nothing is known, or of one group alone."""
    time, event = follow_up(run.table.facts)
    known = ~np.isnan(time)
    there = np.unique(groups[known]).tolist()
    if len(there) < 2 or not event[known].any():
        return None
    time, event, member = time[known], event[known].astype(int), groups[known]
    curves = {one: kaplan_meier(time[member == one], event[member == one]) for one in there}
    return GroupSurvival(len(time), int(event.sum()), curves, log_rank(time, event, member))


def _genes(run: AutoencoderRun, groups: np.ndarray) -> Iterator[Gene]:
    """The columns in which each group differs most, and whether they would again."""
    x = run.standardised
    square, count = x**2, len(x)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _DRAWN)
    weights = np.concatenate([np.ones((1, count)), drawn]).astype(np.float32)
    for group in np.unique(groups).tolist():
        member = groups == group
        if 1 < member.sum() < count - 1:
            differences = _differences(x, square, member, weights)
            first = np.argsort(-np.abs(differences), axis=1, kind="stable")[:, :_GENES]
            for column in first[0].tolist():
                name, difference = run.table.matrix.columns[column], differences[0, column]
                again = (first[1:] == column).any(axis=1).mean()
                yield Gene(name, group, float(difference), float(again))


def _differences(
    x: np.ndarray, square: np.ndarray, member: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Members' means less the others', in standard deviations within both.

    (W, D), of patients (N, D) and their squares, members (N,), and weights (W, N).
    """
    total = np.zeros((len(weights), x.shape[1]), np.float32)
    means = []
    for chosen in (member, ~member):
        weight = weights * chosen
        n = np.maximum(weight.sum(axis=1, keepdims=True), 1)  # a draw may have none of them
        means.append(weight @ x / n)
        total += weight @ square - n * means[-1] ** 2
    within = np.sqrt(np.maximum(total / weights.sum(axis=1, keepdims=True), 1e-6))
    return (means[0] - means[1]) / within


_ROUNDS = 200  # of NMF


@dataclass(frozen=True, eq=False)
class Space:
    """Places (N, D) of all patients, and their columns (N, columns), standardised, rebuilt."""

    name: str
    places: np.ndarray
    rebuilt: np.ndarray


def spaces_of(run: AutoencoderRun) -> tuple[Space, ...]:
    """Autoencoder, PCA and NMF, all learnt from the training patients; missing is the mean.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    x, train = run.standardised, run.table.train
    dimensions = min(run.options.latent, len(train) - 1, x.shape[1])
    return (
        Space(AUTOENCODER, run.trained.space, run.reconstruction),
        _pca(x, train, dimensions),
        _nmf(x, train, dimensions),
    )


def errors_of(run: AutoencoderRun, spaces: tuple[Space, ...]) -> tuple[Error, ...]:
    """Squared errors of the numbers that are known, and those of the training patients' mean."""
    rebuilt = {space.name: space.rebuilt for space in spaces}
    rebuilt["mean"] = np.zeros_like(spaces[0].rebuilt)
    found = []
    for name, values in rebuilt.items():
        each = run.squared_errors(values)
        train, test = (float(each[run.table.rows(part)].mean()) for part in ("train", "test"))
        found.append(Error(name, train, test))
    return tuple(found)


def _pca(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    mean = x[train].mean(axis=0)  # not 0 where numbers are missing
    axes = np.linalg.svd(x[train] - mean, full_matrices=False)[2][:dimensions]
    places = (x - mean) @ axes.T
    return Space(PCA, places.astype(np.float64), places @ axes + mean)


def _nmf(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    """Of columns from which their least number in training is taken, so that none is below 0."""
    from sklearn.decomposition import NMF as Factors  # noqa: N811

    least = x[train].min(axis=0)
    shifted = np.maximum(x - least, 0)
    model = Factors(dimensions, init="nndsvda", max_iter=_ROUNDS, random_state=0)
    with warnings.catch_warnings():  # one that has not settled is good enough to compare with
        warnings.simplefilter("ignore")
        places = model.fit(shifted[train]).transform(shifted)
    rebuilt = (places @ model.components_ + least).astype(np.float32)
    return Space(NMF, places.astype(np.float64), rebuilt)
