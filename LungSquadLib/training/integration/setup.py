"""What a training on tables is: its options, and the patients, columns and folds that follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...data.check import ENTANGLED, entangled
from ...data.leakage import check_levelled, check_telling, levelled, twins
from ...data.splits import Fold, folds
from ...data.tables.matrix import Dropped, Joined, Matrix
from ...errors import InputError, one_line
from ...models.inputs import Source, TableSpec
from ...statistics.text import format_number, format_p
from ..classifier.baselines import number
from .cohort import Cohort, check_follow_up, check_left_out, classes_of, kept_patients
from .options import IntegrationOptions, check_integration_options
from .task import Rows, Shape, rows_of

LOGISTIC, CLINICAL = "logistic", "clinical"  # arms that are no networks
_FACTS = ("age", "sex", "smoking")  # of the clinical baseline
_MOST_WORDS = 12  # values of a fact that is made into columns


@dataclass(frozen=True)
class Patient:
    """A row, as `cohort.splits` deals it out; `crop` names it, and patients with the same row."""

    case: str
    patient: str
    site: str
    crop: str
    series: str = ""
    pixels: str = ""


@dataclass(frozen=True, eq=False)
class Setup:
    """A run before it begins; made by `set_up`.

    Attributes:
        sources: of the patients, in their order; `facts` likewise.
        clinical: what the clinical baseline reads; None where nothing is known.
        beside: (N,) each, scores of others.
        y: (N,) class indices.
        splits: by seed and fold.
        excluded: how many patients were left out, by reason.
        dropped: who was left out before, when the tables were joined.
        warnings: sentences for the user.
        other_cohort: whether the test is another cohort.
    """

    options: IntegrationOptions
    patients: tuple[Patient, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    clinical: Matrix | None
    beside: Mapping[str, np.ndarray]
    y: np.ndarray
    classes: tuple[str, ...]
    positive: int
    splits: Mapping[tuple[int, int], Fold]
    excluded: Mapping[str, int]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    other_cohort: bool

    @cached_property
    def rows(self) -> Rows:
        """All patients with the columns of all sources."""
        return rows_of(self.sources, self.y)

    @property
    def alone(self) -> tuple[Matrix, ...]:
        """The sources that are also looked at each by itself; none where there is one only."""
        return self.sources if len(self.sources) > 1 else ()

    @property
    def arms(self) -> tuple[str, ...]:
        """What the network is compared with, as the columns of its answers are called."""
        clinical = () if self.clinical is None else (CLINICAL,)
        return (*(f"{one.name} alone" for one in self.alone), LOGISTIC, *clinical, *self.beside)

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each patient stands."""
        return {one.case: number for number, one in enumerate(self.patients)}

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Where these patients stand."""
        return np.array([self.index[name] for name in names], np.int64)

    def shape(self, sources: Sequence[Matrix]) -> Shape:
        """Of a network that reads these sources."""
        return Shape(
            tuple(len(one.columns) for one in sources),
            len(self.classes),
            self.options.branch,
            self.options.ordinal,
        )

    @property
    def timed(self) -> bool:
        """Whether there is follow-up."""
        return all(any(self.facts.get(name, ())) for name in ("time", "event"))

    @property
    def split_hash(self) -> str:
        """One hash of all the run's folds."""
        hashes = [self.splits[at].hash(self.patients) for at in sorted(self.splits)]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that is learnt from."""
        digest = hashlib.sha256(repr([one.patient for one in self.patients]).encode())
        for array in (self.rows.x, self.y, *self.beside.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def spec(self, columns: np.ndarray) -> TableSpec:
        """What a network takes that reads some of the columns (indices)."""
        starts = self.shape(self.sources).starts
        sources = []
        for start, one in zip(starts, self.sources, strict=False):
            its = columns[(columns >= start) & (columns < start + len(one.columns))] - start
            names = tuple(one.columns[n] for n in its.tolist())
            made = Source(one.name, one.kind, names, one.scale, one.extractor, one.cube)
            sources.append(made)
        return TableSpec(tuple(sources))

    def described(self) -> dict[str, Any]:
        """What decides the results."""
        return {
            "training": "integration",
            "options": json.loads(json.dumps(asdict(self.options))),
            "classes": list(self.classes),
            "data": self.fingerprint,
            "split_hash": self.split_hash,
        }


def set_up(joined: Joined, options: IntegrationOptions, *, other: Joined | None = None) -> Setup:
    """Take from tables what a training needs, and split the patients.

    Args:
        joined: the patients to learn from.
        options: what is asked.
        other: another cohort to test on; then there are no folds.

    Raises:
        InputError: the options or the tables cannot be used, a column is the label in disguise, or
            patients are in both cohorts.
    """
    check_integration_options(options)
    check_left_out(joined, options)
    for one in (joined, *([other] if other else [])):
        check_follow_up(one)
    cohort, warnings = Cohort.of(joined, options), [*joined.notes]
    first = len(joined.patients)
    if other is not None:
        if options.by_site:
            raise InputError("--by-site makes folds, and --test leaves none: choose one of them.")
        warnings += other.notes
        cohort = cohort.followed_by(Cohort.of(other, options), options, warnings)
    classes = classes_of(cohort.labels, options)
    kept, excluded = kept_patients(cohort, classes, options.label)
    cohort = cohort.some(kept)
    tested = kept >= first
    y = np.array([classes.index(label) for label in cohort.labels], np.int64)
    if other is not None:
        _check_both(y, tested, classes)
    if not options.allow_telling:
        check_telling(cohort.sources, options.label, y)
        check_levelled(cohort.sources, options.label, y)
    patients = _patients(cohort, y, tested, warnings)
    warnings += _remarks(cohort, y, classes, options.label)
    return Setup(
        options=options,
        patients=patients,
        sources=cohort.sources,
        facts=cohort.facts,
        clinical=_clinical(cohort, options.label),
        beside=cohort.beside,
        y=y,
        classes=classes,
        positive=classes.index(options.positive or classes[-1]),
        splits=_splits(patients, cohort.labels, tested, options),
        excluded=excluded,
        dropped=joined.dropped if other is None else (*joined.dropped, *other.dropped),
        warnings=tuple(dict.fromkeys(warnings)),
        other_cohort=other is not None,
    )


def _check_both(y: np.ndarray, tested: np.ndarray, classes: Sequence[str]) -> None:
    for part, what in ((~tested, "learn from"), (tested, "test on")):
        for at, name in enumerate(classes):
            if at not in y[part]:
                raise InputError(
                    f"The cohort to {what} has no patient of the class '{one_line(name)}' who can "
                    "be used: name the classes of both with --classes."
                )


def _patients(
    cohort: Cohort, y: np.ndarray, tested: np.ndarray, warnings: list[str]
) -> tuple[Patient, ...]:
    """The patients; those with the same row in a wide source are linked, so that none is parted."""
    name = [hashlib.sha256(one.encode()).hexdigest() for one in cohort.patients]
    same: dict[str, int] = {}
    for source, (one, other) in twins(cohort.sources):
        pair = f"'{cohort.patients[one]}' and '{cohort.patients[other]}'"
        if y[one] != y[other]:
            raise InputError(
                f"The patients {pair} have the same row in '{source}' and different labels: "
                "correct one or leave both out."
            )
        if tested[one] != tested[other]:
            raise InputError(
                f"The patients {pair}, one to learn from and one to test on, have the same row "
                f"in '{source}': leave one of them out."
            )
        gone, stays = name[other], name[one]
        name = [stays if its == gone else its for its in name]
        same[source] = same.get(source, 0) + 1
    for source, count in same.items():
        warnings.append(
            f"{count} pairs of patients have the same row in '{source}': they may be one patient "
            "under two names, and were kept in the same fold."
        )
    sites = cohort.facts.get("site", ("",) * len(name))
    return tuple(
        Patient(one, one, site, crop)
        for one, site, crop in zip(cohort.patients, sites, name, strict=True)
    )


def _remarks(cohort: Cohort, y: np.ndarray, classes: Sequence[str], label: str) -> list[str]:
    said: list[str] = []
    for source in cohort.sources:
        known = ~np.isnan(source.values)
        low = np.where(known, source.values, np.inf).min(axis=0)
        high = np.where(known, source.values, -np.inf).max(axis=0)
        missing, constant = ~known.any(axis=0), low == high
        for columns, what in ((missing, "are missing in all patients"), (constant, "never change")):
            if columns.any():
                some = [source.columns[n] for n in np.flatnonzero(columns)[:5].tolist()]
                said.append(
                    f"{columns.sum()} columns of '{source.name}' {what} and say nothing "
                    f"({', '.join(one_line(one, most=40) for one in some)})."
                )
        if "z-score" in source.scale.lower():
            said.append(
                f"The numbers of '{source.name}' are {source.scale}: they were scaled, and perhaps "
                "chosen, on all patients, those of the test among them, before they came here. "
                "What is measured may be a little too good."
            )
    said += _about_sites(cohort, y, label)
    counts = np.bincount(y, minlength=len(classes))
    few = [f"'{classes[n]}' {count}" for n, count in enumerate(counts.tolist()) if count < 10]
    if few:
        said.append(f"There are few patients of some classes: {', '.join(few)}.")
    return said


def _about_sites(cohort: Cohort, y: np.ndarray, label: str) -> Iterator[str]:
    """What the patients' sites, which TCGA's barcodes hold, have to do with label and numbers."""
    site = np.array(cohort.facts.get("site", ()), object)
    known = np.array([bool(one) for one in site], bool)
    if not known.any() or min(len(np.unique(one[known])) for one in (site, y)) < 2:
        return
    strength, p = entangled(site[known], y[known])
    if p < ENTANGLED:
        sites = [y[site == one] for one in np.unique(site[known])]
        alone = sum(len(np.unique(its)) == 1 for its in sites)
        some = f"; {alone} of {len(sites)} have patients of one class only" if alone else ""
        yield (
            f"Sites differ in '{label}' (Cramer's V {format_number(strength)}, {format_p(p)})"
            f"{some}: a network can learn where a sample was taken in place of the class. "
            "--by-site keeps each site in one fold."
        )
    for source in cohort.sources:
        how = levelled(source.values[known], site[known].astype(str))
        if how:
            yield (
                f"The numbers of '{source.name}' were {how} in each site separately, with the "
                "test's patients: a new patient cannot be treated so, and where sites differ in "
                f"'{label}' that takes out some of what separates the classes."
            )


def _clinical(cohort: Cohort, label: str) -> Matrix | None:
    """The clinical baseline's columns: of a clinical source, or of the facts that there are."""
    for source in cohort.sources:
        if source.kind == "clinical":
            return source
    columns: dict[str, np.ndarray] = {}
    for name in _FACTS:
        texts = cohort.facts.get(name, ())
        found = sorted({*texts} - {""})
        if name == label or len(found) < 2:
            continue
        numbers = np.array([number(text) for text in texts])
        if not any(np.isnan(number(text)) for text in found):
            columns[name] = numbers
        elif len(found) <= _MOST_WORDS:
            missing = np.array([not text for text in texts])
            for word in found:
                is_it = np.array([float(text == word) for text in texts])
                columns[f"{name}={word}"] = np.where(missing, np.nan, is_it)
    if not columns:
        return None
    values = np.column_stack([*columns.values()]).astype(np.float32)
    return Matrix("clinical", "clinical", cohort.patients, tuple(columns), values, "clinical facts")


def _splits(
    patients: Sequence[Patient],
    labels: Sequence[str],
    tested: np.ndarray,
    options: IntegrationOptions,
) -> dict[tuple[int, int], Fold]:
    if not tested.any():
        if options.by_site and (unknown := sum(not one.site for one in patients)):
            raise InputError(
                f"{unknown} of {len(patients)} patients have no site: fill the column 'site' of a "
                "clinical table, or split without --by-site."
            )
        return {
            (seed, number): fold
            for seed in range(options.seeds)
            for number, fold in enumerate(
                folds(
                    patients,
                    labels,
                    count=options.folds,
                    seed=options.seed + seed,
                    by_site=options.by_site,
                )
            )
        }
    known = np.flatnonzero(~tested).tolist()
    test = tuple(sorted(patients[n].case for n in np.flatnonzero(tested).tolist()))
    result = {}
    for seed in range(options.seeds):
        part = folds(
            [patients[n] for n in known],
            [labels[n] for n in known],
            count=5,
            seed=options.seed + seed,
        )[0]
        result[seed, 0] = Fold(tuple(sorted((*part.train, *part.test))), part.validation, test)
    return result
