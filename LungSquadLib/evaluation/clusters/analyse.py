"""The clusters of an autoencoder: agreement, stability, survival, genes, other spaces."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...progress import Part, Progress, Silent, step
from ...statistics.clustering import ClusterAgreement, adjusted_rand, cluster_agreement
from ...statistics.survival import kaplan_meier, log_rank
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import Assign, fit_k_means, fit_mixture, stability
from .findings import cautions, findings
from .results import (
    AUTOENCODER,
    K_MEANS,
    MIXTURE,
    NMF,
    PCA,
    Annotation,
    AnnotationAgreement,
    ClusterAnalysis,
    Clustering,
    ClusterSurvival,
    Gene,
    ReconstructionError,
)

_FIT: Mapping[str, Callable[[np.ndarray, int], Assign]] = {
    MIXTURE: fit_mixture,
    K_MEANS: fit_k_means,
}
MISSING = "missing numbers"  # of a patient: a batch often lacks the same
_FEW = 10  # patients with an annotation: fewer are not analysed
_GENES = 10  # of each group
_DRAWN = 200  # sets of patients


def analyse(run: AutoencoderRun, *, progress: Progress | None = None) -> ClusterAnalysis:
    """Analyse the clusters of a finished run.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    progress, table = progress or Silent(), run.table
    step(progress, 0.0, "Comparing with PCA and NMF")
    missing = np.isnan(table.matrix.values).sum(axis=1)
    annotations = annotations_of({**table.facts, MISSING: tuple(map(str, missing.tolist()))})
    spaces = spaces_of(run)
    result = ClusterAnalysis(run, annotations, (), None, errors_of(run, spaces), None, ())
    if run.mixture is not None:
        stable = stability(run.trained.space[table.train], progress=Part(progress, 0.2, 0.6))
        step(progress, 0.6, "Comparing clusters with annotations")
        clusterings = _clusterings(run, spaces, annotations, stable.best)
        groups = clusterings[0].groups
        result = replace(
            result,
            clusterings=clusterings,
            stability=stable,
            survival=_survival(run, groups),
            genes=tuple(_genes(run, groups)),
        )
    return replace(result, findings=findings(result), cautions=cautions(result))


def _clusterings(
    run: AutoencoderRun, spaces: Sequence[Space], annotations: Sequence[Annotation], stable: int
) -> tuple[Clustering, ...]:
    """All clusterings, the model's first; mixtures of the autoencoder with all annotations."""
    clinical = [annotation for annotation in annotations if annotation.name in FIRST]
    clusterings: list[Clustering] = []
    for space in spaces:
        for count in dict.fromkeys((run.options.groups, stable)):
            for method, fit in _FIT.items():
                previous, is_model = (
                    not clusterings,
                    space.name == AUTOENCODER and method == MIXTURE,
                )
                assign: Assign = (
                    run.mixture
                    if previous and run.mixture is not None
                    else fit(space.positions[run.table.train], count)
                )
                groups = np.asarray(assign(space.positions))
                follows = _follows(run, groups, annotations if is_model else clinical)
                seeds = None
                if space.name == AUTOENCODER and len(run.seeds) > 1:
                    seeds = tuple(_between_seeds(run, method, count))
                clusterings.append(
                    Clustering(space.name, method, count, groups, tuple(follows), seeds)
                )
    return tuple(clusterings)


def _between_seeds(run: AutoencoderRun, method: str, count: int) -> Iterator[float]:
    train = run.table.train
    groups = [
        _FIT[method](trained.space[train], count)(trained.space)
        for trained in run.seeds
        if trained.active.any()
    ]
    for pair in combinations(groups, 2):
        yield adjusted_rand(*pair)


def _follows(
    run: AutoencoderRun, groups: np.ndarray, annotations: Sequence[Annotation]
) -> Iterator[AnnotationAgreement]:
    test = np.isin(np.arange(len(groups)), run.table.rows("test"))
    for annotation in annotations:
        values = np.array(annotation.values)
        agreement = _agreement(groups, values, values != "")
        if agreement is not None:
            yield AnnotationAgreement(
                annotation.name, agreement, _agreement(groups, values, (values != "") & test)
            )


def _agreement(
    groups: np.ndarray, values: np.ndarray, chosen: np.ndarray
) -> ClusterAgreement | None:
    if chosen.sum() < _FEW or len(set(values[chosen].tolist())) < 2:
        return None
    return cluster_agreement(values[chosen], groups[chosen])


def _survival(run: AutoencoderRun, groups: np.ndarray) -> ClusterSurvival | None:
    """The survival of each cluster; None without follow-up, or for one cluster."""
    time, event = follow_up(run.table.facts)
    known = ~np.isnan(time)
    present = np.unique(groups[known]).tolist()
    if len(present) < 2 or not event[known].any():
        return None
    time, event, member = time[known], event[known].astype(int), groups[known]
    curves = {
        number: kaplan_meier(time[member == number], event[member == number]) for number in present
    }
    return ClusterSurvival(len(time), int(event.sum()), curves, log_rank(time, event, member))


def _genes(run: AutoencoderRun, groups: np.ndarray) -> Iterator[Gene]:
    """The columns in which each cluster differs most, and their recurrence."""
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
    """Means of members less those of the rest, in standard deviations within both.

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
    """Positions (N, D) of all patients, and the reconstruction of their standardised columns."""

    name: str
    positions: np.ndarray
    reconstruction: np.ndarray


def spaces_of(run: AutoencoderRun) -> tuple[Space, ...]:
    """Return autoencoder, PCA and NMF, fitted to training patients; missing values are means.

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


def errors_of(run: AutoencoderRun, spaces: tuple[Space, ...]) -> tuple[ReconstructionError, ...]:
    """Return the squared errors of known values, and those of the mean of training patients."""
    reconstructions = {space.name: space.reconstruction for space in spaces}
    reconstructions["mean"] = np.zeros_like(spaces[0].reconstruction)
    errors = []
    for name, values in reconstructions.items():
        squared = run.squared_errors(values)
        train, test = (float(squared[run.table.rows(part)].mean()) for part in ("train", "test"))
        errors.append(ReconstructionError(name, train, test))
    return tuple(errors)


def _pca(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    mean = x[train].mean(axis=0)  # not 0 where numbers are missing
    axes = np.linalg.svd(x[train] - mean, full_matrices=False)[2][:dimensions]
    positions = (x - mean) @ axes.T
    return Space(PCA, positions.astype(np.float64), positions @ axes + mean)


def _nmf(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    """NMF of columns less their minimum in training, so that none is below 0."""
    from sklearn.decomposition import NMF as Factors  # noqa: N811

    minimum = x[train].min(axis=0)
    shifted = np.maximum(x - minimum, 0)
    model = Factors(dimensions, init="nndsvda", max_iter=_ROUNDS, random_state=0)
    with warnings.catch_warnings():  # a fit that has not converged is good enough to compare with
        warnings.simplefilter("ignore")
        positions = model.fit(shifted[train]).transform(shifted)
    reconstruction = (positions @ model.components_ + minimum).astype(np.float32)
    return Space(NMF, positions.astype(np.float64), reconstruction)


def latent_planes(run: AutoencoderRun) -> dict[str, np.ndarray]:
    """Return positions (N, 2) in the latent space by the name of the projection: PCA, UMAP."""
    space, train = run.trained.space, run.table.train
    mean = space[train].mean(0)
    _, sizes, axes = np.linalg.svd(space[train] - mean, full_matrices=False)
    share = sizes**2 / (sizes**2).sum()
    flat = np.zeros((len(space), 2))
    flat[:, : len(axes[:2])] = (space - mean) @ axes[:2].T
    planes = {f"PCA of the latent space, {share[:2].sum():.0%} of its variance": flat}
    try:
        from umap import UMAP
    except ImportError:
        return planes
    return planes | {"UMAP of the latent space": UMAP(random_state=0).fit_transform(space)}


FIRST = ("t_stage", "histology", "sex", "site")
_NOT = ("time", "event", "edition")  # in survival curves, or of other columns
_MOST_KINDS = 10
_FEWEST = 5  # patients of at least two values


def annotations_of(table: Mapping[str, tuple[str, ...]]) -> tuple[Annotation, ...]:
    """Return the columns of `Joined.facts` with few categories, the clinical ones first.

    Numbers with many values are cut at their median. A column that equals an earlier one is left
    out.
    """
    annotations: list[Annotation] = []
    for name in sorted(set(table) - set(_NOT), key=lambda name: (_rank(name), name)):
        annotation = Annotation(name, _halved(table[name]))
        counts = [n for kind, n in Counter(annotation.values).most_common() if kind]
        parts = len(counts) > 1 and counts[1] >= _FEWEST and len(counts) <= _MOST_KINDS
        if parts and not any(_same(annotation, annotation_) for annotation_ in annotations):
            annotations.append(annotation)
    return tuple(annotations)


def follow_up(table: Mapping[str, tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return days (N,) and events 1 or 0 (N,), both NaN where one is not known."""
    count = len(next(iter(table.values()), ()))
    time, event = (
        np.array(list(_numbers(table.get(name, ("",) * count))), np.float64)
        for name in ("time", "event")
    )
    known = ~np.isnan(time) & (time >= 0) & np.isin(event, (0, 1))
    return np.where(known, time, np.nan), np.where(known, event, np.nan)


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _halved(values: tuple[str, ...]) -> tuple[str, ...]:
    """Numbers with many values as the halves that they lie in; other values unchanged."""
    if len(set(values)) <= _MOST_KINDS:
        return values
    numbers = np.array(list(_numbers(values)))
    if (np.isnan(numbers) & (np.array(values, object) != "")).any():
        return values
    middle = float(np.nanmedian(numbers))
    low, high = f"up to {middle:g}", f"above {middle:g}"
    return tuple("" if np.isnan(n) else high if n > middle else low for n in numbers)


def _numbers(values: tuple[str, ...]) -> Iterator[float]:
    for value in values:
        try:
            yield float(value)
        except ValueError:
            yield np.nan


def _same(first: Annotation, second: Annotation) -> bool:
    known = np.array([bool(a) for a in first.values])
    if not np.array_equal(known, [bool(b) for b in second.values]):
        return False
    return (
        adjusted_rand(*(np.array(annotation.values)[known] for annotation in (first, second))) == 1
    )
