"""Problems of a cohort: damaged files, duplicate patients, labels that disagree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import InputError, understood
from ..imaging.flags import Flag, merged
from ..progress import Progress, Silent, step
from ..statistics.text import format_number, format_p
from .store import Store, StoredCase

_SAME = 0.999  # correlation of two crops from which on they show one tumour
_BLOCKS = 8  # a side, of whose means the correlation is taken
_ROWS = 256  # cases compared with all others at once
_SHUFFLES = 999
ASSOCIATION_P = 0.05  # below this p, site and label are associated
MOST_NAMED = 10
_SHARED = {
    "pixels": "The CT of {} show the same, but belong to different patients.",
    "crop": "The crops of {} are the same, but belong to different patients.",
    "series": "{} come from one CT series, but belong to different patients.",
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: a code for programs, a sentence for people, which cases."""

    code: str
    sentence: str
    cases: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_store(
    store: Store, *, label: str | None = None, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Check a store; no finding means that nothing is wrong.

    Every file is read. Duplicates are sought between patients only: two tumours of one patient, or
    two outlines of one, are no mistake. Near duplicates are crops whose HU, as means of 8 x 8 x 8
    blocks, correlate above 0.999.

    Args:
        store: as `open_store` gives it.
        label: the column whose values are to be looked at, too.
        progress: receives the progress; may cancel.

    Raises:
        InputError: no case has such a column.
    """
    if label is not None:
        check_label(store, label)
    damaged, thumbnails = _read(store, progress or Silent())
    exact = [*_shared(store.cases, "pixels"), *_shared(store.cases, "crop")]
    return (
        *_missing(store),
        *damaged,
        *exact,
        *_near(store.cases, thumbnails, known=[set(finding.cases) for finding in exact]),
        *_shared(store.cases, "series"),
        *(() if label is None else _conflicts(store.cases, label)),
        *(() if label is None else _site_association(store.cases, label)),
        *_severe(store.cases),
    )


def check_label(store: Store, label: str) -> None:
    """Raise `InputError` if no case has a column."""
    columns = sorted({name for case in store.cases for name in case.columns})
    if label not in columns:
        raise InputError(
            f"'{store.folder}' has no column '{label}'; it has {', '.join(columns) or 'none'}."
        )


def site_table(cases: Iterable[StoredCase], label: str) -> dict[str, dict[str, int]]:
    """How many patients have which label at which site; those without either are left out."""
    patients = {(case.site, case.columns.get(label, ""), case.patient) for case in cases}
    counted = Counter((site, value) for site, value, _ in patients if site and value)
    sites, values = (sorted({pair[n] for pair in counted}) for n in (0, 1))
    return {site: {value: counted[site, value] for value in values} for site in sites}


def flags_of_store(store: Store) -> list[tuple[Flag, tuple[str, ...]]]:
    """Each flag of the cases once, the worst first, and which cases have it."""
    cases_of: dict[Flag, list[str]] = defaultdict(list)
    for case in store.cases:
        for flag in dict.fromkeys(case.flags):
            cases_of[flag].append(case.case)
    return [(flag, tuple(cases_of[flag])) for flag in merged(cases_of)]


def _missing(store: Store) -> list[Finding]:
    missing = store.rows - len(store.cases)
    if missing == 0:
        return []
    sentence = (
        f"{missing} of {store.rows} rows of the manifest gave no case: see errors.csv, or run "
        "`lungsquad cohort build` again if it was interrupted."
    )
    return [Finding("missing", sentence, ())]


def _read(store: Store, progress: Progress) -> tuple[list[Finding], dict[str, np.ndarray]]:
    """Findings of files that cannot be read, and what is compared of the others."""
    damaged: list[Finding] = []
    thumbnails: dict[str, np.ndarray] = {}
    for number, case in enumerate(store.cases):
        step(progress, number / len(store.cases), f"{number} of {len(store.cases)} cases")
        try:
            hu = store.hu(case)
        except (InputError, OSError) as error:
            damaged.append(Finding("damaged", f"{case.case}: {understood(error)}", (case.case,)))
        else:
            thumbnails[case.case] = _thumbnail(hu, store.preprocessing.size)
    return damaged, thumbnails


def _thumbnail(hu: np.ndarray, size: int) -> np.ndarray:
    """Block means of the middle, with mean 0 and length 1."""
    block = size // _BLOCKS
    start = (hu.shape[0] - block * _BLOCKS) // 2
    middle = hu[(slice(start, start + block * _BLOCKS),) * 3]
    means = middle.reshape((_BLOCKS, block) * 3).mean((1, 3, 5), dtype=np.float32).ravel()
    means -= means.mean()
    return means / max(float(np.linalg.norm(means)), 1e-6)


def _shared(cases: Sequence[StoredCase], field: str) -> list[Finding]:
    """What must be one patient's alone, and is not."""
    groups: dict[str, list[StoredCase]] = defaultdict(list)
    for case in cases:
        groups[getattr(case, field)].append(case)
    return [
        Finding(f"same_{field}", _SHARED[field].format(_named(group)), _names(group))
        for value, group in groups.items()
        if value and len({case.patient for case in group}) > 1
    ]


def _near(
    cases: Sequence[StoredCase], thumbnails: Mapping[str, np.ndarray], *, known: list[set[str]]
) -> list[Finding]:
    """Pairs of different patients' crops that show nearly the same, and are not `known`."""
    seen = [case for case in cases if case.case in thumbnails]
    if not seen:
        return []
    rows = np.stack([thumbnails[case.case] for case in seen])
    findings = []
    for start in range(0, len(rows), _ROWS):
        alike = rows[start : start + _ROWS] @ rows[start:].T > _SAME
        for first, second in np.argwhere(np.triu(alike, 1)):
            pair = seen[start + first], seen[start + second]
            if pair[0].patient == pair[1].patient or any(set(_names(pair)) <= k for k in known):
                continue
            sentence = f"The crops of {_named(pair)} are nearly the same, of different patients."
            findings.append(Finding("near_duplicate", sentence, _names(pair)))
    return findings


def _conflicts(cases: Sequence[StoredCase], label: str) -> list[Finding]:
    groups: dict[str, list[StoredCase]] = defaultdict(list)
    for case in cases:
        if case.columns.get(label):
            groups[case.patient].append(case)
    findings = []
    for group in groups.values():
        values = sorted({case.columns[label] for case in group})
        if len(values) > 1:
            listed = " and ".join(f"'{value}'" for value in values)
            sentence = f"One patient has the '{label}' {listed}: {_named(group)}."
            findings.append(Finding("label_conflict", sentence, _names(group)))
    return findings


def _site_association(cases: Sequence[StoredCase], label: str) -> list[Finding]:
    """Return a finding if site and label are associated: chi-square, its p by permutation.

    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005, chapter 3.
    """
    table = site_table(cases, label)
    counts = np.array([list(row.values()) for row in table.values()])
    if counts.ndim != 2 or min(counts.shape) < 2:
        return []
    cramer, p = site_association(
        *(np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1))
    )
    if p >= ASSOCIATION_P:
        return []
    sentence = (
        f"Sites differ in '{label}' (Cramer's V {format_number(cramer)}, {format_p(p)}): a network "
        "can learn the scanner instead of the tumour. Split by site, or say so."
    )
    return [Finding("site_tells_label", sentence, ())]


def site_association(sites: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Cramer's V of sites and values (N,), two of each at least, and its p by shuffling.

    Cramer, Mathematical Methods of Statistics, 1946, chapter 21.
    """
    sites, values = (np.unique(names, return_inverse=True)[1] for names in (sites, values))
    counts = np.zeros((sites.max() + 1, values.max() + 1), int)
    np.add.at(counts, (sites, values), 1)
    real, random = _chi_square(counts), np.random.default_rng(0)
    beyond = 0
    for _ in range(_SHUFFLES):
        shuffled = np.zeros_like(counts)
        np.add.at(shuffled, (sites, random.permutation(values)), 1)
        beyond += _chi_square(shuffled) >= real - 1e-9
    p = (beyond + 1) / (_SHUFFLES + 1)
    return (real / counts.sum() / (min(counts.shape) - 1)) ** 0.5, p


def _chi_square(counts: np.ndarray) -> float:
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum())


def _severe(cases: Sequence[StoredCase]) -> list[Finding]:
    return [
        Finding(flag.code, f"{case.case}: {flag.sentence}", (case.case,))
        for case in cases
        for flag in case.flags
        if flag.severity == "severe"
    ]


def _names(cases: Iterable[StoredCase]) -> tuple[str, ...]:
    return tuple(case.case for case in cases)


def _named(cases: Sequence[StoredCase]) -> str:
    names = [case.case for case in cases[:MOST_NAMED]]
    more = len(cases) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
