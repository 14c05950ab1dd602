"""Overlap of training and test data: patients, series or images that are in both.

A model's card holds short hashes of what the model has seen, so that a test set can be held
against it where the training set is not at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..identity import pseudonyms
from ..models.card import Card, Seen
from .splits import LINKS, Case, Fold

_WORDS = {
    "patient": ("patient", "patients"),
    "series": ("series", "series"),
    "pixels": ("CT", "CTs"),
    "crop": ("crop", "crops"),
}
_SEEN = ("patient", "series", "pixels")  # in the order of the fields of `Seen`
_NAMED = 5  # cases that a sentence names; `Overlap.cases` has all


@dataclass(frozen=True)
class Overlap:
    """Patients, series and images that cases share with earlier data; false where there are none.

    Attributes:
        counts: how many different patients, series and so on, by "patient", "series", "pixels"
            and "crop"; without zeros.
        cases: the names of the cases concerned, sorted.
        part, where: names of the compared data: "The test set", "the training data".
    """

    counts: Mapping[str, int]
    cases: tuple[str, ...]
    part: str
    where: str

    def __bool__(self) -> bool:
        return bool(self.cases)

    @property
    def sentence(self) -> str:
        """The overlap as a sentence, also for a model's card."""
        counted = [f"{n} {_WORDS[link][n > 1]}" for link, n in self.counts.items()]
        last = counted.pop()
        what = f"{', '.join(counted)} and {last}" if counted else last
        more = f" and {len(self.cases) - _NAMED} more" if len(self.cases) > _NAMED else ""
        named = f"{', '.join(self.cases[:_NAMED])}{more}"
        return f"{self.part} shares {what} with {self.where} (cases: {named})."

    @property
    def refusal(self) -> str:
        """The sentence, and what the user can do."""
        return f"{self.sentence} Leave them out, or pass --allow-overlap; the model is then marked."


def seen(cases: Iterable[Case]) -> Seen:
    """Return hashes of the cases a model was trained on (validation counts as training).

    Only short hashes of what the store says, whose patients are pseudonyms already. A store that
    keeps the patients' IDs makes hashes of those, which can be found by trying.
    """
    known = _known(cases)
    return Seen(*(tuple(sorted(map(_short, known[link]))) for link in _SEEN))


def overlap(
    known: Seen,
    cases: Sequence[Case],
    *,
    part: str = "The test set",
    where: str = "the training data of the model you start from",
) -> Overlap:
    """Return the overlap of cases with the training data of a model.

    Args:
        known: of the model's card.
        cases: those that it is to be tested on.
        part: what the cases are, in words.
        where: what the training data is, in words.
    """
    hashes = dict(zip(_SEEN, map(set, (known.patients, known.series, known.pixels)), strict=True))
    return _overlap(hashes, cases, part, where, as_known=_short)


def unseen_patients(known: Seen, identities: Iterable[str]) -> set[str]:
    """Return the patients' IDs that are not among those a model was trained on."""
    names = pseudonyms(identities)
    return {identity for identity, name in names.items() if _short(name) not in known.patients}


def model_overlap(card: Card, cases: Sequence[Case], *, allowed: bool) -> tuple[str, ...]:
    """Return sentences about cases in the training data of a model, or that these are not known.

    Args:
        card: of the model.
        cases: those to predict for.
        allowed: whether the training data may contain some of them.

    Raises:
        InputError: the training data contains some, and `allowed` is false.
    """
    if card.training.seen is None:
        return (without_seen(card),)
    where = f"the training data of the model '{card.name}'"
    shared = overlap(card.training.seen, cases, part="The store", where=where)
    if shared and not allowed:
        raise InputError(
            f"{shared.sentence} Leave them out, or pass --allow-overlap; the results then say so."
        )
    return (shared.sentence,) if shared else ()


def without_seen(card: Card) -> str:
    """Return the sentence about a model whose card does not list its patients."""
    return (
        f"The model '{card.name}' does not say which patients it was trained on: whether they are "
        f"among those of the store is unknown. It was trained on: {card.training.data}"
    )


def fold_overlap(fold: Fold, cases: Sequence[Case]) -> Overlap:
    """Return the overlap of a fold's test with training and validation, or of these two.

    Args:
        fold: somebody's; those of `folds` share nothing.
        cases: those of the store.
    """
    of = {case.case: case for case in cases}
    train, validation, test = ([of[name] for name in names] for names in fold.parts.values())
    leak = _overlap(_known([*train, *validation]), test, "The test set", "the training data")
    return leak or _overlap(_known(train), validation, "The validation set", "the training data")


def _known(cases: Iterable[Case]) -> dict[str, set[str]]:
    """Return the values of each link, without ""."""
    rows = list(cases)
    return {link: {getattr(case, link) for case in rows} - {""} for link in LINKS}


def _overlap(
    known: Mapping[str, set[str]],
    cases: Iterable[Case],
    part: str,
    where: str,
    *,
    as_known: Callable[[str], str] = str,
) -> Overlap:
    shared: dict[str, set[str]] = {link: set() for link in known}
    names = set()
    for case in cases:
        for link in known:
            value = getattr(case, link)
            if as_known(value) in known[link]:
                shared[link].add(value)
                names.add(case.case)
    counts = {link: len(values) for link, values in shared.items() if values}
    return Overlap(counts, tuple(sorted(names)), part, where)


def _short(value: str) -> str:
    """64 bits: by chance, two of 10,000 and 10,000 agree once in 10^11 times."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]
