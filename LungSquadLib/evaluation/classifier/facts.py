"""What a training run knows of how a score came about, beyond the table of its test patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...models.card import Card


@dataclass(frozen=True)
class Facts:
    """What is not known stays None or empty, and blank in the checklist.

    Attributes:
        title: of the page; `question`: one sentence.
        data: where the patients come from.
        patients: how many in each part, by the part's name.
        excluded: why cases were left out before, and how many.
        network: which, and what it starts from; `preprocessing`: what was done to every case.
        split_hash: names the split; `seeds`: of the runs.
        learning_curve: (training patients, seed, AUC), a row a run.
        shuffled: AUCs of runs whose training labels were shuffled.
        software: version by name.
        card: of the model that the run ended in.
    """

    title: str | None = None
    question: str | None = None
    data: str | None = None
    patients: Mapping[str, int] = field(default_factory=dict)
    excluded: tuple[tuple[str, int], ...] = ()
    network: str | None = None
    preprocessing: str | None = None
    split_hash: str | None = None
    seeds: tuple[int, ...] = ()
    learning_curve: tuple[tuple[int, int, float], ...] = ()
    shuffled: tuple[float, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None
