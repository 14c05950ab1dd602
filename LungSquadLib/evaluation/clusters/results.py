"""What was found of groups of patients, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...statistics.clustering import ClusterAgreement
from ...statistics.survival import KaplanMeier, LogRank
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import Stability

FORMAT_VERSION = 1
AUTOENCODER, PCA, NMF = SPACES = ("autoencoder", "PCA", "NMF")
MIXTURE, K_MEANS = METHODS = ("mixture", "k-means")


@dataclass(frozen=True)
class Fact:
    """What is known of patients, in a few values.

    Attributes:
        name: "t_stage", "histology", or a column's.
        values: N, "" where nothing is known.
    """

    name: str
    values: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The different values, sorted."""
        return tuple(sorted(set(self.values) - {""}))


@dataclass(frozen=True)
class Follows:
    """How alike a grouping is to a fact, of all patients who have it, and of the test's alone."""

    fact: str
    everybody: ClusterAgreement
    test: ClusterAgreement | None


@dataclass(frozen=True, eq=False)
class Grouping:
    """Groups of all patients, learnt from the training patients.

    Attributes:
        space: one of `SPACES`; method: one of `METHODS`.
        count: groups that were asked for.
        groups: (N,) from 0 on.
        follows: what facts they are alike to.
        seeds: adjusted Rand indices between the seeds' groupings, of each pair; None where nothing
            hangs on a seed, or there is one.
    """

    space: str
    method: str
    count: int
    groups: np.ndarray
    follows: tuple[Follows, ...]
    seeds: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Error:
    """Squared error of a standardised column, rebuilt from a space; the mean's is 1 in training."""

    space: str
    train: float
    test: float


@dataclass(frozen=True, eq=False)
class GroupSurvival:
    """Survival of the groups that have patients with a known time, by their numbers."""

    n: int
    events: int
    curves: Mapping[int, KaplanMeier]
    log_rank: LogRank


@dataclass(frozen=True)
class Gene:
    """A column in which a group differs from all others.

    Attributes:
        group: its number.
        difference: of the means, in standard deviations within.
        found: in how many of drawn sets of patients it is among the group's first again, 0 to 1.
    """

    name: str
    group: int
    difference: float
    found: float


@dataclass(frozen=True, eq=False)
class Groups:
    """All that a page of groups says.

    Attributes:
        run: what was trained.
        facts: what the groups are held against, of all patients.
        groupings: the model's own first; none where all units of the latent space collapsed.
        stability: how many groups there are in the latent space.
        errors: how well each space rebuilds the columns; the mean alone is among them.
        survival: of the model's groups.
        genes: of the model's groups, in their order, the largest differences first.
        sentences: what was found, first things first; cautions: what to mind.
    """

    run: AutoencoderRun
    facts: tuple[Fact, ...]
    groupings: tuple[Grouping, ...]
    stability: Stability | None
    errors: tuple[Error, ...]
    survival: GroupSurvival | None
    genes: tuple[Gene, ...]
    sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def stable(self) -> Grouping | None:
        """The autoencoder's mixture of the number of groups that is most stable."""
        return next(
            (
                one
                for one in self.groupings
                if self.stability is not None
                and (one.space, one.method, one.count)
                == (AUTOENCODER, MIXTURE, self.stability.best)
            ),
            None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the model's groups."""
        return self.run.classes

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; nothing of a single patient."""
        run, stable, survival = self.run, self.stability, self.survival
        return {
            "format_version": FORMAT_VERSION,
            "patients": {part: len(names) for part, names in run.table.fold.parts.items()},
            "columns": len(run.table.matrix.columns),
            "sentences": list(self.sentences),
            "cautions": list(self.cautions),
            "groupings": [_grouping(one) for one in self.groupings],
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
                {"divergence": one.divergences.tolist(), "active": int(one.active.sum())}
                for one in run.seeds
            ],
            "errors": [asdict(one) for one in self.errors],
            "survival": survival
            and {
                "n": survival.n,
                "events": survival.events,
                "log_rank": survival.log_rank._asdict(),
            },
            "genes": [{**asdict(one), "group": self.names[one.group]} for one in self.genes],
        }


def _grouping(one: Grouping) -> dict[str, Any]:
    return {
        "space": one.space,
        "method": one.method,
        "groups": one.count,
        "sizes": np.bincount(one.groups, minlength=one.count).tolist(),
        "ari_between_seeds": None if one.seeds is None else list(one.seeds),
        "follows": [asdict(follows) for follows in one.follows],
    }
