"""The results of a cluster analysis, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...statistics.clustering import ClusterAgreement
from ...statistics.survival import KaplanMeier, LogRank
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import Stability

FORMAT_VERSION = 2
AUTOENCODER, PCA, NMF = SPACES = ("autoencoder", "PCA", "NMF")
MIXTURE, K_MEANS = METHODS = ("mixture", "k-means")


@dataclass(frozen=True)
class Annotation:
    """A clinical variable with few categories.

    Attributes:
        name: "t_stage", "histology", or a column's.
        values: N, "" where it is not known.
    """

    name: str
    values: tuple[str, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, sorted."""
        return tuple(sorted(set(self.values) - {""}))


@dataclass(frozen=True)
class AnnotationAgreement:
    """Agreement of a clustering with an annotation, for all patients with it and the test ones."""

    annotation: str
    all_patients: ClusterAgreement
    test: ClusterAgreement | None


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of all patients, fitted to the training patients.

    Attributes:
        space: one of `SPACES`; method: one of `METHODS`.
        count: the number of clusters.
        groups: (N,) from 0 on.
        agreements: with annotations.
        seeds: adjusted Rand index of each pair of seeds; None where clusters do not depend on a
            seed, or for one seed.
    """

    space: str
    method: str
    count: int
    groups: np.ndarray
    agreements: tuple[AnnotationAgreement, ...]
    seeds: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ReconstructionError:
    """Squared error of a column reconstructed from a space; that of the mean is 1 in training."""

    space: str
    train: float
    test: float


@dataclass(frozen=True, eq=False)
class ClusterSurvival:
    """Survival of each cluster with known follow-up, by its number."""

    n: int
    events: int
    curves: Mapping[int, KaplanMeier]
    log_rank: LogRank


@dataclass(frozen=True)
class Gene:
    """A column in which a cluster differs from the rest.

    Attributes:
        group: its number.
        difference: of the means, in standard deviations within.
        recurrence: fraction of bootstrap samples in which it is among the first again.
    """

    name: str
    group: int
    difference: float
    recurrence: float


@dataclass(frozen=True, eq=False)
class ClusterAnalysis:
    """A cluster analysis of a finished run.

    Attributes:
        run: what was trained.
        annotations: of all patients, to compare clusters with.
        clusterings: the model's own first; none where all units of the latent space collapsed.
        stability: how many groups there are in the latent space.
        errors: reconstruction errors of each space, and of the mean.
        survival: of the model's groups.
        genes: of the model's groups, in their order, the largest differences first.
        findings: the most important first; cautions: limitations.
    """

    run: AutoencoderRun
    annotations: tuple[Annotation, ...]
    clusterings: tuple[Clustering, ...]
    stability: Stability | None
    errors: tuple[ReconstructionError, ...]
    survival: ClusterSurvival | None
    genes: tuple[Gene, ...]
    findings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def stable(self) -> Clustering | None:
        """The autoencoder's mixture of the number of groups that is most stable."""
        return next(
            (
                clustering
                for clustering in self.clusterings
                if self.stability is not None
                and (clustering.space, clustering.method, clustering.count)
                == (AUTOENCODER, MIXTURE, self.stability.best)
            ),
            None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the model's clusters."""
        return self.run.classes

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis for JSON, without data of single patients."""
        run, stable, survival = self.run, self.stability, self.survival
        return {
            "format_version": FORMAT_VERSION,
            "patients": {part: len(names) for part, names in run.table.fold.parts.items()},
            "columns": len(run.table.matrix.columns),
            "findings": list(self.findings),
            "cautions": list(self.cautions),
            "groupings": [_grouping(each) for each in self.clusterings],
            "stability": stable
            and {
                "groups": list(stable.counts),
                "ari": stable.values.tolist(),
                "ari_of_clouds": stable.clouds.mean(0).tolist(),
                "clouds": len(stable.clouds),
                "best": stable.best,
                "p": stable.p,
            },
            "units": [
                {"divergence": each.divergences.tolist(), "active": int(each.active.sum())}
                for each in run.seeds
            ],
            "errors": [asdict(each) for each in self.errors],
            "survival": survival
            and {
                "n": survival.n,
                "events": survival.events,
                "log_rank": survival.log_rank._asdict(),
            },
            "genes": [{**asdict(each), "group": self.names[each.group]} for each in self.genes],
        }


def _grouping(clustering: Clustering) -> dict[str, Any]:
    return {
        "space": clustering.space,
        "method": clustering.method,
        "groups": clustering.count,
        "sizes": np.bincount(clustering.groups, minlength=clustering.count).tolist(),
        "ari_between_seeds": None if clustering.seeds is None else list(clustering.seeds),
        "agreements": [asdict(agreement) for agreement in clustering.agreements],
    }
