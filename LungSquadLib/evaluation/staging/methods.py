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

# The names of the staging methods, in the order of tables.
METHODS: Mapping[str, str] = {
    "size": "size",
    "mlp": "MLP",
    "cluster": "cluster",
    "reported": "reported",
}
# The method of each kind of model.
_KINDS = {"integrator": "mlp", "autoencoder": "cluster"}
_TASK = "t_stage"


@dataclass(frozen=True, eq=False)
class Agreement:
    """The agreement of two methods on the patients that both have staged.

    Attributes:
        first, second: of `METHODS`.
        counts: (4, 4); rows are T1 to T4 by the first method, columns by the second.
        kappa: quadratic-weighted, with its interval; None where it is undefined, as where all
            patients have one stage.
    """

    first: str
    second: str
    counts: np.ndarray
    kappa: Estimate | None

    @property
    def n(self) -> int:
        """The number of patients."""
        return int(self.counts.sum())

    @property
    def same(self) -> int:
        """The number of patients on whom both agree."""
        return int(self.counts.trace())

    @property
    def sentence(self) -> str:
        """The agreement for people."""
        names = f"{METHODS[self.first]} and {METHODS[self.second]}"
        text = f"{names[0].upper()}{names[1:]}: the same stage in {self.same} of {self.n} patients"
        if self.kappa is None:
            return f"{text}; kappa is undefined."
        return f"{text}; quadratic-weighted kappa {format_estimate(self.kappa)}."

    def to_dict(self) -> dict[str, Any]:
        """Return the agreement for JSON."""
        kappa = self.kappa
        return {
            "methods": [self.first, self.second],
            "n": self.n,
            "same": self.same,
            "kappa": None
            if kappa is None
            else {"value": kappa.value, "low": kappa.low, "high": kappa.high, "level": 0.95},
            "counts": self.counts.tolist(),
        }


@dataclass(frozen=True)
class StagedPatient:
    """The T stage of a patient by each method.

    Attributes:
        size: by size.
        models: by method ("mlp", "cluster") a prediction, as `ProfilePrediction.to_dict`.
        reported: the reported stage, without its prefix; None where there is none.
        reported_edition: None where it is not known.
        flags: of the CT, the mask and the size.
    """

    size: SizeStage
    models: Mapping[str, Mapping[str, Any]]
    reported: str | None = None
    reported_edition: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """The flags of CT, mask and size, and those of each model; see `merged`."""
        of_models = [
            (str(prediction["model"]["title"]), [Flag.of(flag) for flag in prediction["flags"]])
            for prediction in self.models.values()
        ]
        return merged(self.flags or self.size.flags, of_models)

    @property
    def stages(self) -> dict[str, str]:
        """The stage by each method that has one."""
        stages = {"size": self.size.stage}
        stages |= {method: str(each["predicted_class"]) for method, each in self.models.items()}
        return stages if self.reported is None else {**stages, "reported": self.reported}

    @property
    def notes(self) -> list[str]:
        """Whether the methods agree, and whether editions differ."""
        stages = self.stages
        notes = []
        if len(stages) > 1:
            notes.append(disagreement(stages) or "The methods agree on T1 to T4.")
        if self.reported_edition not in (None, self.size.edition):
            notes.append(other_edition(str(self.reported_edition), self.size.edition))
        return notes

    def rows(self) -> list[tuple[str, str, str]]:
        """Return a row for each method: its name, the stage, an explanation."""
        rows = [(METHODS["size"], self.size.stage, self.size.sentence)]
        for method in _KINDS.values():
            prediction = self.models.get(method)
            rows.append(
                (METHODS[method], "-", "no model was given (--profile, --models).")
                if prediction is None
                else (
                    METHODS[method],
                    str(prediction["predicted_class"]),
                    _explanation(prediction),
                )
            )
        if self.reported is not None:
            edition = self.reported_edition
            known = "edition not known" if edition is None else f"{edition}th edition"
            rows.append((METHODS["reported"], self.reported, f"as reported, {known}."))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "notice": "Research software, not a medical device.",
            "t_stage": self.size.to_dict(),
            "models": {method: dict(each) for method, each in self.models.items()},
            "reported": self.reported,
            "reported_edition": self.reported_edition,
            "stages": self.stages,
            "agree": len(self.stages) > 1 and disagreement(self.stages) is None,
            "notes": self.notes,
            "flags": [flag.to_dict() for flag in self.all_flags],
        }


def stage_patient(
    size: SizeStage,
    *,
    flags: tuple[Flag, ...] = (),
    profile: str | os.PathLike[str] | None = None,
    models: Sequence[Model] = (),
    reported: str | None = None,
    reported_edition: str | None = None,
) -> StagedPatient:
    """Combine the stage by size with those of models of tables and of a report.

    Args:
        size: of `imaging.stage.size_stage`.
        flags: of the CT, the mask and the size.
        profile: the patient's expression, see `data.tables.profile.read_profile`.
        models: an integrator, an autoencoder, or both, of the task "t_stage".
        reported: a stage such as "pT2a".
        reported_edition: the edition of the reported stage.

    Raises:
        InputError: models without a profile or the other way round, two models of one kind, one
            of another task, a profile that does not fit, or an unknown stage.
    """
    if (profile is None) == bool(models):
        raise InputError("--profile and --models belong together: each needs the other.")
    by_method: dict[str, Model] = {}
    for model in models:
        method = _method_of(model)
        if method in by_method:
            raise InputError(f"Two models are of one kind, the {METHODS[method]}: give one only.")
        by_method[method] = model
    stage = None if reported is None else reported_stage(reported)
    predictions = {} if profile is None else _predictions(profile, by_method)
    return StagedPatient(size, predictions, stage, reported_edition, flags)


def agreements(stages: Sequence[Mapping[str, str]], *, seed: int = 0) -> list[Agreement]:
    """Return the agreement of every two methods that have staged a patient in common.

    Args:
        stages: of each patient, by method.
        seed: of the bootstrap.
    """
    result = []
    for first, second in combinations(METHODS, 2):
        both = [patient for patient in stages if first in patient and second in patient]
        if both:
            result.append(_agreement(first, second, both, seed))
    return result


def disagreement(stages: Mapping[str, str]) -> str | None:
    """Return a sentence where methods differ on T1 to T4; None where they agree or there is one."""
    if len({group_of(stage) for stage in stages.values()}) < 2:
        return None
    listed = ", ".join(f"{METHODS[each]} {stages[each]}" for each in METHODS if each in stages)
    return f"The methods disagree: {listed}."


def other_edition(reported: str, edition: str) -> str:
    """Return a sentence that a reported stage is of another edition than the stage by size."""
    return (
        f"Reported by the {reported}th edition, measured by the {edition}th: part of the "
        "disagreement is between editions. --edition takes that of the reports."
    )


def _agreement(first: str, second: str, both: Sequence[Mapping[str, str]], seed: int) -> Agreement:
    y, x = (
        np.array([GROUPS.index(group_of(patient[method])) for patient in both])
        for method in (first, second)
    )
    try:
        # The prevalence of the stages is part of kappa: not drawn by stage.
        kappa = bootstrap(_kappa, y, x, seed=seed, stratify=False)
    except ValueError:
        kappa = None
    return Agreement(first, second, confusion(y, x, range(len(GROUPS))), kappa)


def _kappa(y: np.ndarray, x: np.ndarray) -> float:
    return weighted_kappa(confusion(y, x, range(len(GROUPS))))


def _predictions(
    path: str | os.PathLike[str], by_method: Mapping[str, Model]
) -> dict[str, Mapping[str, Any]]:
    from ...data.tables.profile import read_profile
    from ...inference.profile import predict_profile

    profile = read_profile(path)
    return {
        method: predict_profile(model, profile, device="cpu").to_dict()
        for method, model in by_method.items()
    }


def _method_of(model: Model) -> str:
    card = model.card
    if card.kind not in _KINDS or card.task != _TASK:
        raise InputError(
            f"The model '{card.name}' ({card.kind}, task '{card.task}') does not predict T1 to T4 "
            "from tables. Give an integrator or an autoencoder of the task 't_stage'."
        )
    return _KINDS[card.kind]


def _explanation(prediction: Mapping[str, Any]) -> str:
    """The probabilities, and the model."""
    probabilities = prediction["probabilities"].items()
    listed = ", ".join(f"{code} {value:.0%}" for code, value in probabilities)
    return f"{listed}; model {prediction['model']['name']}."
