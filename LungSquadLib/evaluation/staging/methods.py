"""T staging by several methods, and their agreement on T1 to T4."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ...errors import InputError
from ...imaging.flags import Flag, merged
from ...imaging.stage import GROUPS, SizeStage, group_of, reported_stage
from ...models.file import Model
from ...statistics.agreement import weighted_kappa
from ...statistics.classification import confusion
from ...statistics.intervals import Estimate, bootstrap
from ...statistics.text import format_estimate

# What the ways are called, in the order in which they are shown.
WAYS: Mapping[str, str] = {
    "ruler": "ruler",
    "mlp": "MLP",
    "cluster": "cluster",
    "reported": "reported",
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two ways on the patients whom both have staged.

    Attributes:
        one, other: of `WAYS`.
        counts: (4, 4); rows are `one`'s T1 to T4, columns `other`'s.
        kappa: quadratic-weighted, with its interval; None where chance leaves nothing to disagree
            on, as where all patients have one stage.
    """

    one: str
    other: str
    counts: np.ndarray
    kappa: Estimate | None

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def same(self) -> int:
        """Patients on whom both agree."""
        return int(self.counts.trace())

    @property
    def sentence(self) -> str:
        """The agreement for people."""
        names = f"{WAYS[self.one]} and {WAYS[self.other]}"
        said = f"{names[0].upper()}{names[1:]}: {self.same} of {self.n} patients alike"
        if self.kappa is None:
            return f"{said}; kappa cannot be had of them."
        return f"{said}; quadratic-weighted kappa {format_estimate(self.kappa)}."

    def to_dict(self) -> dict[str, Any]:
        kappa = self.kappa
        return {
            "ways": [self.one, self.other],
            "n": self.n,
            "same": self.same,
            "kappa": None
            if kappa is None
            else {"value": kappa.value, "low": kappa.low, "high": kappa.high, "level": 0.95},
            "counts": self.counts.tolist(),
        }


def agreements(stages: Sequence[Mapping[str, str]], *, seed: int = 0) -> list[Agreement]:
    """Every two ways that have staged a patient in common.

    Args:
        stages: of each patient, by way; a way that is not there says nothing.
        seed: of the intervals' bootstrap.
    """
    found = []
    for one, other in combinations(WAYS, 2):
        both = [patient for patient in stages if one in patient and other in patient]
        if both:
            found.append(_agreement(one, other, both, seed))
    return found


def disagreement(stages: Mapping[str, str]) -> str | None:
    """A sentence where ways differ on T1 to T4; None where they agree, or there is one alone."""
    if len({group_of(stage) for stage in stages.values()}) < 2:
        return None
    said = ", ".join(f"{WAYS[way]} {stages[way]}" for way in WAYS if way in stages)
    return f"The ways disagree: {said}."


def other_edition(reported: str, edition: str) -> str:
    """That a reported stage is of another edition than the ruler's."""
    return (
        f"Reported by the {reported}th edition, measured by the {edition}th: part of the "
        "disagreement is between editions. --edition takes that of the reports."
    )


def _agreement(one: str, other: str, both: Sequence[Mapping[str, str]], seed: int) -> Agreement:
    numbers = [[GROUPS.index(group_of(patient[way])) for patient in both] for way in (one, other)]
    y, x = (np.array(each) for each in numbers)
    try:
        # How common the stages are is part of what kappa says: not drawn by stage.
        kappa = bootstrap(_kappa, y, x, seed=seed, stratify=False)
    except ValueError:
        kappa = None
    return Agreement(one, other, confusion(y, x, range(len(GROUPS))), kappa)


def _kappa(y: np.ndarray, x: np.ndarray) -> float:
    return weighted_kappa(confusion(y, x, range(len(GROUPS))))


# Which way a kind of model is.
_KINDS = {"integrator": "mlp", "autoencoder": "cluster"}
_TASK = "t_stage"


@dataclass(frozen=True)
class Ways:
    """A patient's T stage by every way that there is.

    Attributes:
        ruler: by size.
        models: by way ("mlp", "cluster") what a model says, as `ProfilePrediction.to_dict`.
        reported: the stage as it was reported, without how it was found; None where nobody said.
        reported_edition: None where nobody said.
        flags: of the CT, the mask and the size.
    """

    ruler: SizeStage
    models: Mapping[str, Mapping[str, Any]]
    reported: str | None = None
    reported_edition: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """Of CT, mask and size, and each model's own; see `merged`."""
        own = [
            (str(said["model"]["title"]), [Flag.of(flag) for flag in said["flags"]])
            for said in self.models.values()
        ]
        return merged(self.flags or self.ruler.flags, own)

    @property
    def stages(self) -> dict[str, str]:
        """The stage by each way that has one."""
        stages = {"ruler": self.ruler.stage}
        stages |= {way: str(said["predicted_class"]) for way, said in self.models.items()}
        return stages if self.reported is None else {**stages, "reported": self.reported}

    @property
    def notes(self) -> list[str]:
        """Whether the ways agree, and what makes them hard to compare."""
        stages = self.stages
        notes = [] if len(stages) < 2 else [disagreement(stages) or "The ways agree on T1 to T4."]
        if self.reported_edition not in (None, self.ruler.edition):
            notes.append(other_edition(str(self.reported_edition), self.ruler.edition))
        return notes

    def rows(self) -> list[tuple[str, str, str]]:
        """A row a way: its name, the stage, and what it says."""
        rows = [(WAYS["ruler"], self.ruler.stage, self.ruler.sentence)]
        for way in _KINDS.values():
            said = self.models.get(way)
            rows.append(
                (WAYS[way], "-", "no model was asked (--profile, --models).")
                if said is None
                else (WAYS[way], str(said["predicted_class"]), _model_words(said))
            )
        if self.reported is not None:
            edition = self.reported_edition
            said_edition = "edition not said" if edition is None else f"{edition}th edition"
            rows.append((WAYS["reported"], self.reported, f"as it was reported, {said_edition}."))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "notice": "Research software, not a medical device.",
            "t_stage": self.ruler.to_dict(),
            "models": {way: dict(said) for way, said in self.models.items()},
            "reported": self.reported,
            "reported_edition": self.reported_edition,
            "stages": self.stages,
            "agree": len(self.stages) > 1 and disagreement(self.stages) is None,
            "notes": self.notes,
            "flags": [flag.to_dict() for flag in self.all_flags],
        }


def stage_ways(
    ruler: SizeStage,
    *,
    flags: tuple[Flag, ...] = (),
    profile: str | os.PathLike[str] | None = None,
    models: Sequence[Model] = (),
    reported: str | None = None,
    reported_edition: str | None = None,
) -> Ways:
    """Put beside the ruler what models of tables and a report say.

    Args:
        ruler: of `imaging.stage.size_stage`.
        flags: of the CT, the mask and the size.
        profile: the patient's expression, see `prediction.profile.read_profile`.
        models: an integrator, an autoencoder, or both, of the task "t_stage".
        reported: a stage such as "pT2a".
        reported_edition: by which it was staged.

    Raises:
        InputError: models without a profile or the other way round, two models of one kind, one
            that answers another question, a profile that does not fit, or no such stage.
    """
    if (profile is None) == bool(models):
        raise InputError("--profile and --models belong together: each needs the other.")
    asked: dict[str, Model] = {}
    for model in models:
        way = _way_of(model)
        if way in asked:
            raise InputError(f"Two models are of one kind, the {WAYS[way]}: name one of them.")
        asked[way] = model
    stage = None if reported is None else reported_stage(reported)
    return Ways(
        ruler, {} if profile is None else _answers(profile, asked), stage, reported_edition, flags
    )


def _answers(
    path: str | os.PathLike[str], asked: Mapping[str, Model]
) -> dict[str, Mapping[str, Any]]:
    from ...data.tables.profile import read_profile
    from ...inference.profile import predict_profile

    profile = read_profile(path)
    return {
        way: predict_profile(model, profile, device="cpu").to_dict() for way, model in asked.items()
    }


def _way_of(model: Model) -> str:
    card = model.card
    if card.kind not in _KINDS or card.task != _TASK:
        raise InputError(
            f"The model '{card.name}' ({card.kind}, task '{card.task}') does not tell T1 to T4 "
            "from tables: an integrator or an autoencoder of the task 't_stage' is wanted."
        )
    return _KINDS[card.kind]


def _model_words(said: Mapping[str, Any]) -> str:
    """The probabilities, and which model gave them."""
    shares = ", ".join(f"{code} {value:.0%}" for code, value in said["probabilities"].items())
    return f"{shares}; model {said['model']['name']}."
