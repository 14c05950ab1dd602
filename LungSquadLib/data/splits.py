"""Splits into training, validation and test: by patient, stratified, reproducible.

Everything is drawn by hashes of a seed and of what the cases contain, never by a generator's
state: neither the order of the rows, nor the names of the cases, nor the machine matters.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import InputError, one_line

LINKS = ("patient", "series", "pixels", "crop")  # cases that share one of these belong together


class Case(Protocol):
    """What is assigned to folds: a case of a store, or a patient of a table.

    It has a name (`case`), its patient, and hashes of its series, its CT and of what is learnt from
    (`crop`), which are "" where there are none; but `crop` is there always.
    """

    @property
    def case(self) -> str: ...
    @property
    def patient(self) -> str: ...
    @property
    def series(self) -> str: ...
    @property
    def pixels(self) -> str: ...
    @property
    def crop(self) -> str: ...
    @property
    def site(self) -> str: ...


_HOLD_OUT = 5  # a single split has a fifth of the patients for its test


@dataclass(frozen=True)
class Fold:
    """Names of the cases of each part, sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The cases by their part's name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def hash(self, cases: Iterable[Case]) -> str:
        """SHA-256 of which content is in which part; names of cases do not matter.

        Args:
            cases: those of the store, which know their crops' content.
        """
        content = {case.case: case.crop for case in cases}
        pairs = sorted(
            (content[name], part) for part, names in self.parts.items() for name in names
        )
        return hashlib.sha256(
            "".join(f"{key} {part}\n" for key, part in pairs).encode()
        ).hexdigest()


@dataclass(frozen=True)
class _Unit:
    """Cases that stay in the same part (those of a patient, as a rule), and their label."""

    cases: tuple[Case, ...]
    label: str

    @property
    def key(self) -> str:
        return min(case.crop for case in self.cases)


def folds(
    cases: Sequence[Case],
    labels: Sequence[str],
    *,
    count: int,
    seed: int,
    validation: float = 0.2,
    by_site: bool = False,
) -> list[Fold]:
    """Split cases for cross-validation, each in the test of one fold; a single split for `count` 1.

    All cases of a patient are in one part, and so are patients that share a series or pixels. Each
    label has its share of every part.

    Args:
        cases: in any order.
        labels: of each case, not empty.
        count: of folds; 1 for one split with a fifth of the patients for test.
        seed: another one draws other folds.
        validation: share of the patients not in the test, at least one of each label.
        by_site: a site is as a whole in one fold's test. Validation is drawn by patient from the
            sites that are left, for there may be a single one.

    Raises:
        InputError: a label is missing or contradicts another of the same patient, there is only
            one, there are too few patients or sites for the folds, or a number is out of range;
            says which.
    """
    if count < 1 or not 0 < validation < 1:
        raise InputError(
            f"{count} folds with {validation:g} for validation cannot be: the folds are 1 or more, "
            "the share is between 0 and 1."
        )
    units = _units(cases, labels)
    if len({unit.label for unit in units}) < 2:
        raise InputError("The cases have one label only: there is nothing to learn to tell apart.")
    bins = count if count > 1 else _HOLD_OUT
    if by_site:
        groups = _site_groups(units, max(count, 2))
        bins = min(bins, len(groups))
    else:
        groups = [[unit] for unit in units]
        _enough(units, bins)
    tests = _assigned(groups, bins, seed)
    if count == 1:
        tests = [min(tests, key=lambda test: abs(len(test) - len(units) / _HOLD_OUT))]
    result = []
    for test in tests:
        tested = {unit.key for unit in test}
        rest = [unit for unit in units if unit.key not in tested]
        chosen = {unit.key for unit in _validation(rest, validation, seed)}
        fold = Fold(
            _names(unit for unit in rest if unit.key not in chosen),
            _names(unit for unit in rest if unit.key in chosen),
            _names(test),
        )
        result.append(fold)
    if by_site:
        _all_labels(result, units)
    return result


def held_out(
    cases: Sequence[Case], *, seed: int, validation: float = 0.1, test: float = 0.1
) -> Fold:
    """Split by patient where there is no label: at least one patient in each part.

    Args:
        cases: in any order.
        seed: another one draws other patients.
        validation: share of the patients for it.
        test: likewise.

    Raises:
        InputError: there are fewer than three patients.
    """
    units = sorted(_units(cases, ["any"] * len(cases)), key=lambda u: _rank(seed, "held out", [u]))
    if len(units) < 3:
        raise InputError(
            f"There are {len(units)} patients, and three are needed: to train, to choose the epoch "
            "by, and to test."
        )
    first = max(round(test * len(units)), 1)
    second = first + max(round(validation * len(units)), 1)
    return Fold(_names(units[second:]), _names(units[first:second]), _names(units[:first]))


def fold_split(
    cases: Sequence[Case],
    fold_of: Sequence[str],
    *,
    test_fold: str,
    seed: int,
    validation: float = 0.1,
) -> Fold:
    """Split by folds that the data come with: one is the test, patients of the others validate.

    Args:
        cases: in any order.
        fold_of: of each case, the same for all cases of a patient.
        test_fold: the fold whose cases are the test.
        seed: another one draws other patients for validation.
        validation: share of the other folds' patients that validate, at least one.

    Raises:
        InputError: a case has no fold, a patient is in two, there is no such fold, or the other
            folds have fewer than two patients.
    """
    units = _units(cases, fold_of)
    values = sorted({unit.label for unit in units})
    if test_fold not in values:
        listed = ", ".join(f"'{one_line(value)}'" for value in values) or "none"
        raise InputError(
            f"There is no fold '{one_line(test_fold)}' to test on; there are {listed}."
        )
    rest = [unit for unit in units if unit.label != test_fold]
    if len(rest) < 2:
        raise InputError(
            f"Beside the fold '{one_line(test_fold)}' there are {len(rest)} patients, and two are "
            "needed: to train, and to choose the epoch by."
        )
    rest.sort(key=lambda unit: _rank(seed, "validation", [unit]))
    chosen = max(round(validation * len(rest)), 1)
    tested = [unit for unit in units if unit.label == test_fold]
    return Fold(_names(rest[chosen:]), _names(rest[:chosen]), _names(tested))


def subsample(
    fold: Fold, cases: Sequence[Case], *, labels: Sequence[str], n: int, seed: int
) -> Fold:
    """Return the fold with `n` of its training patients, for learning curves; the test stays.

    Stratified, and nested: the 20 patients of one seed are among its 40. Validation shrinks in
    proportion (at least one patient of each label), for who has 20 patients to learn from has no
    hundred to choose the epoch by.

    Args:
        fold: to be thinned out.
        cases: those of the fold, and others if you like.
        labels: of each case.
        n: training patients to be kept.
        seed: another one draws other patients.

    Raises:
        InputError: there are fewer than `n`, or `n` is less than the number of labels.
    """
    label_of = dict(zip((case.case for case in cases), labels, strict=True))
    train, validation = (
        _units(*_of(names, cases, label_of)) for names in (fold.train, fold.validation)
    )
    kinds = len({unit.label for unit in train})
    if not kinds <= n <= len(train):
        raise InputError(
            f"{n} training patients cannot be drawn: choose from {kinds} (one of each label) to "
            f"{len(train)} (all)."
        )
    wanted = max(round(len(validation) * n / len(train)), kinds)
    return Fold(
        _names(_interleaved(train, seed)[:n]),
        _names(_interleaved(validation, seed)[:wanted]),
        fold.test,
    )


def _units(cases: Sequence[Case], labels: Sequence[str]) -> list[_Unit]:
    """Return the groups of cases that must stay in the same part."""
    pairs = list(zip(cases, labels, strict=True))
    for case, label in pairs:
        if not label:
            raise InputError(f"The case '{case.case}' has no label: leave it out.")
    keys: list[set[Hashable]] = [
        {(link, getattr(case, link)) for link in LINKS if getattr(case, link)} for case in cases
    ]
    return [_unit([pairs[i] for i in together]) for together in _linked(keys)]


def _unit(pairs: list[tuple[Case, str]]) -> _Unit:
    first, label = pairs[0]
    for case, its in pairs:
        if its != label:
            why = "the same patient" if case.patient == first.patient else "the same images"
            raise InputError(
                f"The case '{case.case}' has the label '{one_line(its)}', but '{first.case}', "
                f"{why}, has '{one_line(label)}': correct one or leave both out."
            )
    return _Unit(tuple(case for case, _ in pairs), label)


def _linked(keys: Sequence[set[Hashable]]) -> list[list[int]]:
    """Return indices of items linked by shared keys, directly or not; each list is sorted."""
    root = list(range(len(keys)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    owner: dict[Hashable, int] = {}
    for i, its in enumerate(keys):
        for key in its:
            first, second = sorted((find(i), find(owner.setdefault(key, i))))
            root[second] = first
    together: dict[int, list[int]] = {}
    for i in range(len(keys)):
        together.setdefault(find(i), []).append(i)
    return list(together.values())


def _site_groups(units: Sequence[_Unit], bins: int) -> list[list[_Unit]]:
    """Group units by site; sites that share a patient are merged."""
    for unit in units:
        for case in unit.cases:
            if not case.site:
                raise InputError(
                    f"The case '{case.case}' has no site: fill the manifest's column 'site', or "
                    "split by patient."
                )
    sites: list[set[Hashable]] = [{case.site for case in unit.cases} for unit in units]
    groups = [[units[i] for i in together] for together in _linked(sites)]
    if len(groups) < bins:
        raise InputError(
            f"Of sites that share no patient there are {len(groups)}, and {bins} are needed: ask "
            "for fewer folds, or split by patient."
        )
    return groups


def _assigned(groups: Sequence[Sequence[_Unit]], bins: int, seed: int) -> list[list[_Unit]]:
    """Assign groups to bins with each label balanced: the largest first, where it fits best."""
    total = Counter(unit.label for group in groups for unit in group)
    order = sorted(groups, key=lambda group: (-len(group), _rank(seed, "test", group)))
    assigned: list[list[_Unit]] = [[] for _ in range(bins)]
    held: list[Counter[str]] = [Counter() for _ in range(bins)]
    for group in order:
        adds = Counter(unit.label for unit in group)
        crowded = [
            (sum(n * has[label] / total[label] for label, n in adds.items()), has.total())
            for has in held
        ]
        best = crowded.index(min(crowded))
        assigned[best].extend(group)
        held[best].update(adds)
    return assigned


def _validation(rest: Sequence[_Unit], share: float, seed: int) -> list[_Unit]:
    chosen = []
    for label in sorted({unit.label for unit in rest}):
        its = [unit for unit in rest if unit.label == label]
        its.sort(key=lambda unit: _rank(seed, "validation", [unit]))
        chosen += its[: min(max(round(share * len(its)), 1), len(its) - 1)]
    return chosen


def _interleaved(units: Sequence[_Unit], seed: int) -> list[_Unit]:
    """Return the units in an order in which each first part has the labels in proportion."""
    counts = Counter(unit.label for unit in units)
    seen: Counter[str] = Counter()
    placed: list[tuple[float, int, _Unit]] = []
    for unit in sorted(units, key=lambda unit: _rank(seed, "sample", [unit])):
        placed.append((seen[unit.label] / counts[unit.label], len(placed), unit))
        seen[unit.label] += 1
    return [unit for _, _, unit in sorted(placed, key=lambda entry: entry[:2])]


def _rank(seed: int, purpose: str, units: Sequence[_Unit]) -> str:
    """Return the rank of units in a random order that depends only on content and seed."""
    key = min(unit.key for unit in units)
    return hashlib.sha256(f"{seed} {purpose} {key}".encode()).hexdigest()


def _enough(units: Sequence[_Unit], bins: int) -> None:
    # Of two bins, the larger one as the test leaves two patients: one to train, one to validate.
    needed = bins if bins > 2 else 4
    for label, n in sorted(Counter(unit.label for unit in units).items()):
        if n < needed:
            raise InputError(
                f"Of the label '{one_line(label)}' there are {n} patients, and this split needs "
                f"{needed}: ask for fewer folds, or leave that label out."
            )


def _all_labels(result: Sequence[Fold], units: Sequence[_Unit]) -> None:
    """Raise `InputError` where a part of a fold lacks a label, as a site has all its patients."""
    label_of = {case.case: unit.label for unit in units for case in unit.cases}
    for number, fold in enumerate(result, 1):
        for part, names in fold.parts.items():
            missing = set(label_of.values()) - {label_of[name] for name in names}
            if missing:
                raise InputError(
                    f"By site, fold {number} has no patient with the label "
                    f"'{one_line(min(missing))}' for its {part}: ask for fewer folds, or split by "
                    "patient."
                )


def _names(units: Iterable[_Unit]) -> tuple[str, ...]:
    return tuple(sorted(case.case for unit in units for case in unit.cases))


def _of(
    names: Sequence[str], cases: Sequence[Case], label_of: Mapping[str, str]
) -> tuple[list[Case], list[str]]:
    wanted = set(names)
    chosen = [case for case in cases if case.case in wanted]
    return chosen, [label_of[case.case] for case in chosen]
