"""The cohort of a training: tables from which label and reference scores are taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.tables.facts import read_follow_up
from ...data.tables.matrix import Joined, Matrix
from ...data.tables.matrix_file import LINEAR_SCALES
from ...errors import InputError, one_line
from ..classifier.predictions import number
from .options import CLASSES, IntegrationOptions


@dataclass(frozen=True, eq=False)
class Cohort:
    """Tables from which label and reference scores are taken out."""

    patients: tuple[str, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...]
    reference_scores: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, joined: Joined, options: IntegrationOptions) -> Cohort:
        """Return the cohort of joined tables."""
        excluded = {*options.exclude_columns, *options.reference_scores}
        if options.label not in joined.facts:
            excluded.add(options.label)
        sources = tuple(kept for source in joined.sources if (kept := _without(source, excluded)))
        if not sources:
            raise InputError("No column is left to learn from.")
        scores = {name: _numbers(joined, name) for name in options.reference_scores}
        return cls(joined.patients, sources, joined.facts, _labels(joined, options.label), scores)

    def subset(self, kept: np.ndarray) -> Cohort:
        """Return some of the patients, by their indices."""

        def chosen(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[n] for n in kept.tolist())

        return Cohort(
            chosen(self.patients),
            tuple(
                replace(
                    source, patients=chosen(source.patients), values=source.values[kept], facts={}
                )
                for source in self.sources
            ),
            {name: chosen(values) for name, values in self.facts.items()},
            chosen(self.labels),
            {name: values[kept] for name, values in self.reference_scores.items()},
        )

    def followed_by(
        self, other: Cohort, options: IntegrationOptions, warnings: list[str]
    ) -> Cohort:
        """Return both cohorts, with the columns that both have."""
        names = other.patients
        if shared := set(self.patients) & set(names):
            if not options.allow_overlap:
                raise InputError(
                    f"{len(shared)} patients have the same name in both cohorts. If the names are "
                    "running numbers, of different patients, pass --allow-overlap."
                )
            warnings.append(
                f"{len(shared)} patients have the same name in both cohorts and are taken to be "
                "different."
            )
            names = tuple(f"{name}-test" if name in shared else name for name in names)
        by_name = {source.name: source for source in other.sources}
        sources = []
        for source in self.sources:
            if source.name not in by_name:
                raise InputError(f"The test cohort has no source '{source.name}'.")
            patients = (*self.patients, *names)
            sources.append(_stacked(source, by_name[source.name], patients, warnings))
        nothing = ("",) * len(names)
        return Cohort(
            (*self.patients, *names),
            tuple(sources),
            {name: (*texts, *other.facts.get(name, nothing)) for name, texts in self.facts.items()},
            (*self.labels, *other.labels),
            {
                name: np.concatenate([values, other.reference_scores[name]])
                for name, values in self.reference_scores.items()
            },
        )


def check_excluded(joined: Joined, options: IntegrationOptions) -> None:
    """Raise `InputError` for an excluded column that no source has: it may be misspelt."""
    known = {column for source in joined.sources for column in source.columns}
    for name in options.exclude_columns:
        if name not in known:
            raise InputError(f"No source has the column '{one_line(name)}' of --exclude-columns.")


def check_follow_up(joined: Joined) -> None:
    """Raise `InputError` for times and events that cannot be evaluated."""
    if {"time", "event"} <= set(joined.facts):
        read_follow_up(
            joined.facts["time"],
            joined.facts["event"],
            lambda number: f"The patient '{joined.patients[number]}'",
        )


def _without(source: Matrix, excluded: set[str]) -> Matrix | None:
    """Return a source without some columns; None if no column is left."""
    kept = [n for n, column in enumerate(source.columns) if column not in excluded]
    if not kept:
        return None
    columns = tuple(source.columns[n] for n in kept)
    return replace(source, columns=columns, values=source.values[:, kept])


def _stacked(
    source: Matrix, other: Matrix, patients: tuple[str, ...], warnings: list[str]
) -> Matrix:
    if (source.extractor, source.cube) != (other.extractor, other.cube):
        raise InputError(
            f"The features of '{source.name}' were computed differently in the two cohorts: use "
            "the same model for both, or stores with the same --size, --margin and --spacing."
        )
    if source.kind == "expression" and source.scale != other.scale:
        if counted := {source.scale, other.scale} & set(LINEAR_SCALES):
            raise InputError(
                f"The numbers of '{source.name}' are {source.scale} in the training cohort and "
                f"{other.scale} in the test cohort, and a network compares "
                f"{counted.pop().split(' (')[0]} with their like alone: bring both to one scale."
            )
        warnings.append(
            f"The numbers of '{source.name}' are {source.scale} in the training cohort and "
            f"{other.scale} in the test cohort: are they on one scale?"
        )
    index = {column: n for n, column in enumerate(other.columns)}
    kept = [n for n, column in enumerate(source.columns) if column in index]
    columns = tuple(source.columns[n] for n in kept)
    if not kept:
        raise InputError(f"The two cohorts have no column of '{source.name}' in common.")
    if len(kept) < len(source.columns):
        warnings.append(
            f"{len(source.columns) - len(kept)} of {len(source.columns)} columns of "
            f"'{source.name}' are not in the test cohort, and are left out."
        )
    values = [source.values[:, kept], other.values[:, [index[column] for column in columns]]]
    return replace(
        source, patients=patients, columns=columns, values=np.concatenate(values), facts={}
    )


def _labels(joined: Joined, label: str) -> tuple[str, ...]:
    if label in joined.facts:
        return tuple(joined.facts[label])
    return tuple("" if np.isnan(value) else f"{value:g}" for value in _numbers(joined, label))


def _numbers(joined: Joined, name: str) -> np.ndarray:
    """Return a column (N,) of a source or of the facts, NaN where there is no number."""
    for source in joined.sources:
        if name in source.columns:
            return source.values[:, source.columns.index(name)].astype(np.float64)
    if name not in joined.facts:
        columns = (
            ", ".join(f"'{one_line(fact, most=40)}'" for fact in [*joined.facts][:12]) or "none"
        )
        raise InputError(
            f"The tables have no column '{one_line(name)}'; clinical tables have {columns}."
        )
    return np.array([number(text) for text in joined.facts[name]])


def classes_of(labels: Sequence[str], options: IntegrationOptions) -> tuple[str, ...]:
    """Return the classes; `InputError` if there are too few or too many."""
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
            f"'{one_line(options.label)}' has {len(classes)} values, and a network has 2 to 32 "
            "classes: name them with --classes."
        )
    if options.positive is not None and options.positive not in classes:
        raise InputError(f"The positive class '{options.positive}' is none of {list(classes)}.")
    if options.reference_scores and len(classes) > 2:
        raise InputError(
            f"--reference-scores compares scores of two classes, and there are {len(classes)}."
        )
    if options.ordinal and len(classes) == 2:
        raise InputError("--ordinal is for more than two classes.")
    return classes


def kept_patients(
    cohort: Cohort, classes: Sequence[str], label: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the indices of the patients that are used; how many are not, by reason."""
    known = np.zeros(len(cohort.patients), bool)
    for source in cohort.sources:
        known |= ~np.isnan(source.values).all(axis=1)
    scored = np.ones(len(known), bool)
    for values in cohort.reference_scores.values():
        scored &= ~np.isnan(values)
    reasons = []
    for value, has_source, has_score in zip(cohort.labels, known, scored, strict=True):
        if not value:
            reasons.append(f"no {label}")
        elif value not in classes:
            reasons.append(f"another {label}")
        elif not has_source:
            reasons.append("nothing in any source")
        else:
            reasons.append("" if has_score else "no reference score")
    kept = np.array([n for n, why in enumerate(reasons) if not why], np.int64)
    return kept, dict(Counter(why for why in reasons if why))
