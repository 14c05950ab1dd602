"""Tables made ready to learn from: the label, and the scores of others, taken out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.tables.facts import read_follow_up
from ...data.tables.matrix import Joined, Matrix
from ...data.tables.matrix_file import COUNTED
from ...errors import InputError, one_line
from ..classifier.baselines import number
from .options import CLASSES, IntegrationOptions


@dataclass(frozen=True, eq=False)
class Cohort:
    """Tables with the label and the scores of others taken out of them."""

    patients: tuple[str, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...]
    beside: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, joined: Joined, options: IntegrationOptions) -> Cohort:
        """Of what was joined."""
        gone = {*options.leave_out, *options.beside}
        if options.label not in joined.facts:
            gone.add(options.label)
        sources = tuple(left for one in joined.sources if (left := _without(one, gone)))
        if not sources:
            raise InputError("No column is left to learn from.")
        beside = {name: _numbers(joined, name) for name in options.beside}
        return cls(joined.patients, sources, joined.facts, _labels(joined, options.label), beside)

    def some(self, kept: np.ndarray) -> Cohort:
        """Some of the patients, by their indices."""

        def chosen(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[n] for n in kept.tolist())

        return Cohort(
            chosen(self.patients),
            tuple(
                replace(one, patients=chosen(one.patients), values=one.values[kept], facts={})
                for one in self.sources
            ),
            {name: chosen(values) for name, values in self.facts.items()},
            chosen(self.labels),
            {name: values[kept] for name, values in self.beside.items()},
        )

    def followed_by(
        self, other: Cohort, options: IntegrationOptions, warnings: list[str]
    ) -> Cohort:
        """Both cohorts, with the columns of this one that the other has too."""
        names = other.patients
        if shared := set(self.patients) & set(names):
            if not options.allow_overlap:
                raise InputError(
                    f"{len(shared)} patients have the same name in both cohorts. If the names are "
                    "running numbers, of different patients, pass --allow-overlap."
                )
            warnings.append(
                f"{len(shared)} patients have the same name in both cohorts and were taken for "
                "different ones."
            )
            names = tuple(f"{one}-test" if one in shared else one for one in names)
        by_name = {one.name: one for one in other.sources}
        sources = []
        for one in self.sources:
            if one.name not in by_name:
                raise InputError(f"The cohort to test on has no source '{one.name}'.")
            sources.append(_stacked(one, by_name[one.name], (*self.patients, *names), warnings))
        nothing = ("",) * len(names)
        return Cohort(
            (*self.patients, *names),
            tuple(sources),
            {name: (*its, *other.facts.get(name, nothing)) for name, its in self.facts.items()},
            (*self.labels, *other.labels),
            {name: np.concatenate([its, other.beside[name]]) for name, its in self.beside.items()},
        )


def check_left_out(joined: Joined, options: IntegrationOptions) -> None:
    """`InputError` for a column to leave out that no source has: it may be misspelt."""
    known = {column for one in joined.sources for column in one.columns}
    for name in options.leave_out:
        if name not in known:
            raise InputError(f"No source has the column '{one_line(name)}' to leave out.")


def check_follow_up(joined: Joined) -> None:
    """`InputError` for times and events of joined tables that cannot be evaluated."""
    if {"time", "event"} <= set(joined.facts):
        read_follow_up(
            joined.facts["time"],
            joined.facts["event"],
            lambda number: f"The patient '{joined.patients[number]}'",
        )


def _without(source: Matrix, gone: set[str]) -> Matrix | None:
    """A source without some columns; None where no column is left."""
    kept = [n for n, column in enumerate(source.columns) if column not in gone]
    if not kept:
        return None
    columns = tuple(source.columns[n] for n in kept)
    return replace(source, columns=columns, values=source.values[:, kept])


def _stacked(one: Matrix, other: Matrix, patients: tuple[str, ...], warnings: list[str]) -> Matrix:
    if (one.extractor, one.cube) != (other.extractor, other.cube):
        raise InputError(
            f"The features of '{one.name}' were not made alike in the two cohorts: take the same "
            "model for both, or stores with the same --size, --margin and --spacing."
        )
    if one.kind == "expression" and one.scale != other.scale:
        if counted := {one.scale, other.scale} & set(COUNTED):
            raise InputError(
                f"The numbers of '{one.name}' are {one.scale} in the cohort to learn from and "
                f"{other.scale} in the cohort to test on, and a network compares "
                f"{counted.pop().split(' (')[0]} with their like alone: bring both to one scale."
            )
        warnings.append(
            f"The numbers of '{one.name}' are {one.scale} in the cohort to learn from and "
            f"{other.scale} in the cohort to test on: are they on one scale?"
        )
    place = {column: n for n, column in enumerate(other.columns)}
    kept = [n for n, column in enumerate(one.columns) if column in place]
    columns = tuple(one.columns[n] for n in kept)
    if not kept:
        raise InputError(f"The two cohorts have no column of '{one.name}' in common.")
    if len(kept) < len(one.columns):
        warnings.append(
            f"{len(one.columns) - len(kept)} of {len(one.columns)} columns of '{one.name}' are "
            "not in the cohort to test on, and were left out."
        )
    values = [one.values[:, kept], other.values[:, [place[column] for column in columns]]]
    return replace(one, patients=patients, columns=columns, values=np.concatenate(values), facts={})


def _labels(joined: Joined, label: str) -> tuple[str, ...]:
    if label in joined.facts:
        return tuple(joined.facts[label])
    return tuple("" if np.isnan(one) else f"{one:g}" for one in _numbers(joined, label))


def _numbers(joined: Joined, name: str) -> np.ndarray:
    """A column (N,) of a source or of the facts, NaN where there is no number."""
    for source in joined.sources:
        if name in source.columns:
            return source.values[:, source.columns.index(name)].astype(np.float64)
    if name not in joined.facts:
        there = ", ".join(f"'{one_line(one, most=40)}'" for one in [*joined.facts][:12]) or "none"
        raise InputError(
            f"The tables have no column '{one_line(name)}'; clinical tables have {there}."
        )
    return np.array([number(text) for text in joined.facts[name]])


def classes_of(labels: Sequence[str], options: IntegrationOptions) -> tuple[str, ...]:
    """The classes that are to be told; `InputError` where they cannot be."""
    counts = Counter(label for label in labels if label)
    classes = options.classes or CLASSES.get(options.label) or tuple(sorted(counts))
    if len(set(classes)) < len(classes):
        raise InputError("A class is named twice.")
    if missing := [name for name in classes if name not in counts]:
        raise InputError(
            f"No patient has the {one_line(options.label)} '{one_line(missing[0])}': name the "
            "classes that there are with --classes."
        )
    if not 2 <= len(classes) <= 32:
        raise InputError(
            f"'{one_line(options.label)}' has {len(classes)} values, and 2 to 32 can be told "
            "apart: name those with --classes."
        )
    if options.positive is not None and options.positive not in classes:
        raise InputError(f"The positive class '{options.positive}' is none of {list(classes)}.")
    if options.beside and len(classes) > 2:
        raise InputError(f"--beside compares scores of two classes, and there are {len(classes)}.")
    if options.ordinal and len(classes) == 2:
        raise InputError("--ordinal is for more than two classes.")
    return classes


def kept_patients(
    cohort: Cohort, classes: Sequence[str], label: str
) -> tuple[np.ndarray, dict[str, int]]:
    """The indices of those who can be learnt from; how many cannot, by reason."""
    there = np.zeros(len(cohort.patients), bool)
    for source in cohort.sources:
        there |= ~np.isnan(source.values).all(axis=1)
    scored = np.ones(len(there), bool)
    for values in cohort.beside.values():
        scored &= ~np.isnan(values)
    reasons = []
    for its, known, compared in zip(cohort.labels, there, scored, strict=True):
        if not its:
            reasons.append(f"no {label}")
        elif its not in classes:
            reasons.append(f"another {label}")
        elif not known:
            reasons.append("nothing in any source")
        else:
            reasons.append("" if compared else "no score to compare with")
    kept = np.array([n for n, why in enumerate(reasons) if not why], np.int64)
    return kept, dict(Counter(why for why in reasons if why))
