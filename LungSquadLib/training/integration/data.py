"""The setup of a run on tables: the patients, columns and folds that follow from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...data.check import ASSOCIATION_P, site_association
from ...data.leakage import check_group_scaling, check_leakage, duplicate_rows, group_scaling
from ...data.splits import Fold, folds
from ...data.tables.facts import covariates
from ...data.tables.matrix import Dropped, Joined, Matrix
from ...errors import InputError, one_line
from ...models.inputs import Source, TableSpec
from ...statistics.text import format_number, format_p
from ..classifier.predictions import number
from .cohort import Cohort, check_excluded, check_follow_up, classes_of, kept_patients
from .options import IntegrationOptions
from .synthetic import SyntheticPatients, TrainingImages, check_held_out, synthetic_patients
from .task import Rows, Shape, rows_of

LOGISTIC, CLINICAL = "logistic", "clinical"  # compared models that are no networks
_MOST_CATEGORIES = 12  # values of a fact that becomes columns


@dataclass(frozen=True)
class Patient:
    """A patient as a `splits.Case`; patients with the same row have the same `crop`."""

    case: str
    patient: str
    site: str
    crop: str
    series: str = ""
    pixels: str = ""


@dataclass(frozen=True, eq=False)
class Setup:
    """A run before it starts; `set_up` makes it.

    Attributes:
        sources: of the patients, in their order; `facts` likewise.
        clinical: columns of the clinical baseline; None if there are none.
        reference_scores: (N,) each.
        y: (N,) class indices.
        splits: by seed and fold.
        excluded: how many patients were left out, by reason.
        dropped: patients that were excluded when the tables were joined.
        warnings: sentences for the user.
        external: whether the test is another cohort.
        synthetic: how synthetic patients are made, if there are to be any.
    """

    options: IntegrationOptions
    patients: tuple[Patient, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    clinical: Matrix | None
    reference_scores: Mapping[str, np.ndarray]
    y: np.ndarray
    classes: tuple[str, ...]
    positive: int
    splits: Mapping[tuple[int, int], Fold]
    excluded: Mapping[str, int]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    external: bool
    synthetic: SyntheticPatients | None = None

    @cached_property
    def rows(self) -> Rows:
        """All patients with the columns of all sources."""
        return rows_of(self.sources, self.y)

    @property
    def single_sources(self) -> tuple[Matrix, ...]:
        """The sources with a network each; none if there is only one source."""
        return self.sources if len(self.sources) > 1 else ()

    @property
    def compared_models(self) -> tuple[str, ...]:
        """Names of the models and scores that the network is compared with."""
        clinical = () if self.clinical is None else (CLINICAL,)
        single = (f"{source.name} alone" for source in self.single_sources)
        return (*single, LOGISTIC, *clinical, *self.reference_scores)

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of each patient."""
        return {patient.case: number for number, patient in enumerate(self.patients)}

    def indices(self, names: Sequence[str]) -> np.ndarray:
        """Return the indices (N,) of the named patients."""
        return np.array([self.index[name] for name in names], np.int64)

    def shape(self, sources: Sequence[Matrix]) -> Shape:
        """Return the shape of a network with these sources."""
        return Shape(
            tuple(len(source.columns) for source in sources),
            len(self.classes),
            self.options.branch_width,
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
        """SHA-256 of all patients and numbers."""
        digest = hashlib.sha256(repr([patient.patient for patient in self.patients]).encode())
        for array in (self.rows.x, self.y, *self.reference_scores.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def spec(self, columns: np.ndarray) -> TableSpec:
        """Return the input of a network with some of the columns (indices)."""
        starts = self.shape(self.sources).starts
        sources = []
        for start, source in zip(starts, self.sources, strict=False):
            end = start + len(source.columns)
            chosen = columns[(columns >= start) & (columns < end)] - start
            names = tuple(source.columns[n] for n in chosen.tolist())
            sources.append(
                Source(source.name, source.kind, names, source.scale, source.extractor, source.cube)
            )
        return TableSpec(tuple(sources))

    def described(self) -> dict[str, Any]:
        """Return all that decides the results."""
        options = asdict(self.options)
        if self.synthetic is not None:
            synthesis = self.synthetic.synthesis
            options["synthetic"] = [synthesis.model.sha256, synthesis.fraction, self.synthetic.hash]
        return {
            "training": "integration",
            "options": json.loads(json.dumps(options)),
            "classes": list(self.classes),
            "data": self.fingerprint,
            "split_hash": self.split_hash,
        }


def set_up(
    joined: Joined,
    options: IntegrationOptions,
    *,
    external_test: Joined | None = None,
    images: TrainingImages | None = None,
) -> Setup:
    """Choose patients and columns of tables, and split the patients.

    Args:
        joined: the patients of the training.
        options: of the training.
        external_test: another cohort for the test, in place of folds.
        images: of the patients, for synthetic ones.

    Raises:
        InputError: the options or the tables cannot be used, a column leaks the label, or patients
            are in both cohorts.
    """
    check_excluded(joined, options)
    for tables in (joined, *([external_test] if external_test else [])):
        check_follow_up(tables)
    cohort, warnings = Cohort.of(joined, options), [*joined.notes]
    first = len(joined.patients)
    if external_test is not None:
        if options.by_site:
            raise InputError(
                "--by-site makes folds, and --external-test leaves none: choose one of them."
            )
        warnings += external_test.notes
        cohort = cohort.followed_by(Cohort.of(external_test, options), options, warnings)
    classes = classes_of(cohort.labels, options)
    kept, excluded = kept_patients(cohort, classes, options.label)
    cohort = cohort.subset(kept)
    tested = kept >= first
    y = np.array([classes.index(label) for label in cohort.labels], np.int64)
    if external_test is not None:
        _check_both(y, tested, classes)
    if not options.allow_leakage:
        check_leakage(cohort.sources, options.label, y)
        check_group_scaling(cohort.sources, options.label, y)
    patients = _patients(cohort, y, tested, warnings)
    warnings += _warnings(cohort, y, classes, options.label)
    splits = _splits(patients, cohort.labels, tested, options)
    synthetic = synthetic_patients(
        images,
        options,
        sources=cohort.sources,
        patients=patients,
        labels=cohort.labels,
        classes=classes,
    )
    if synthetic is not None:
        warnings += check_held_out(synthetic, patients, splits, options)
    return Setup(
        options=options,
        patients=patients,
        sources=cohort.sources,
        facts=cohort.facts,
        clinical=_clinical(cohort, options.label),
        reference_scores=cohort.reference_scores,
        y=y,
        classes=classes,
        positive=classes.index(options.positive or classes[-1]),
        splits=splits,
        excluded=excluded,
        dropped=(*joined.dropped, *(external_test.dropped if external_test is not None else ())),
        warnings=tuple(dict.fromkeys(warnings)),
        external=external_test is not None,
        synthetic=synthetic,
    )


def _check_both(y: np.ndarray, tested: np.ndarray, classes: Sequence[str]) -> None:
    for part, name_ in ((~tested, "training"), (tested, "test")):
        for at, name in enumerate(classes):
            if at not in y[part]:
                raise InputError(
                    f"The {name_} cohort has no patient of the class '{one_line(name)}' who can "
                    "be used: name the classes of both with --classes."
                )


def _patients(
    cohort: Cohort, y: np.ndarray, tested: np.ndarray, warnings: list[str]
) -> tuple[Patient, ...]:
    """Return the patients; those with the same row in a wide source stay in the same part."""
    keys = [hashlib.sha256(patient.encode()).hexdigest() for patient in cohort.patients]
    same: dict[str, int] = {}
    for source, (first, second) in duplicate_rows(cohort.sources):
        pair = f"'{cohort.patients[first]}' and '{cohort.patients[second]}'"
        if y[first] != y[second]:
            raise InputError(
                f"The patients {pair} have the same row in '{source}' and different labels: "
                "correct one or leave both out."
            )
        if tested[first] != tested[second]:
            raise InputError(
                f"The patients {pair}, of the training and of the test cohort, have the same row "
                f"in '{source}': leave one of them out."
            )
        merged, kept = keys[second], keys[first]
        keys = [kept if key == merged else key for key in keys]
        same[source] = same.get(source, 0) + 1
    for source, count in same.items():
        warnings.append(
            f"{count} pairs of patients have the same row in '{source}': they may be one patient "
            "under two names, and stay in the same fold."
        )
    sites = cohort.facts.get("site", ("",) * len(keys))
    return tuple(
        Patient(name, name, site, key)
        for name, site, key in zip(cohort.patients, sites, keys, strict=True)
    )


def _warnings(cohort: Cohort, y: np.ndarray, classes: Sequence[str], label: str) -> list[str]:
    sentences: list[str] = []
    for source in cohort.sources:
        known = ~np.isnan(source.values)
        low = np.where(known, source.values, np.inf).min(axis=0)
        high = np.where(known, source.values, -np.inf).max(axis=0)
        missing, constant = ~known.any(axis=0), low == high
        for columns, what in ((missing, "are missing in all patients"), (constant, "are constant")):
            if columns.any():
                some = [source.columns[n] for n in np.flatnonzero(columns)[:5].tolist()]
                sentences.append(
                    f"Columns of '{source.name}' that {what} and carry no information: "
                    f"{columns.sum()} ({', '.join(one_line(column, most=40) for column in some)})."
                )
        if "z-score" in source.scale.lower():
            sentences.append(
                f"The numbers of '{source.name}' are {source.scale}: they were scaled, and perhaps "
                "chosen, on all patients, including the test. Metrics may be a little too high."
            )
    sentences += _site_warnings(cohort, y, label)
    counts = np.bincount(y, minlength=len(classes))
    few = [f"'{classes[n]}' {count}" for n, count in enumerate(counts.tolist()) if count < 10]
    if few:
        sentences.append(f"There are few patients of some classes: {', '.join(few)}.")
    return sentences


def _site_warnings(cohort: Cohort, y: np.ndarray, label: str) -> Iterator[str]:
    """Yield warnings about sites (TCGA's barcodes hold them) that differ in label or numbers."""
    site = np.array(cohort.facts.get("site", ()), object)
    known = np.array([bool(name) for name in site], bool)
    if not known.any() or min(len(np.unique(values[known])) for values in (site, y)) < 2:
        return
    strength, p = site_association(site[known], y[known])
    if p < ASSOCIATION_P:
        sites = [y[site == name] for name in np.unique(site[known])]
        pure = sum(len(np.unique(labels)) == 1 for labels in sites)
        some = f"; {pure} of {len(sites)} have patients of one class only" if pure else ""
        yield (
            f"Sites differ in '{label}' (Cramer's V {format_number(strength)}, {format_p(p)})"
            f"{some}: a network can learn the site instead of the class. --by-site keeps each "
            "site in one fold."
        )
    for source in cohort.sources:
        how = group_scaling(source.values[known], site[known].astype(str))
        if how:
            yield (
                f"The numbers of '{source.name}' were {how} in each site separately, with the "
                "test's patients: a new patient cannot be treated so, and where sites differ in "
                f"'{label}' that takes out some of what separates the classes."
            )


def _clinical(cohort: Cohort, label: str) -> Matrix | None:
    """Return the columns of the clinical baseline: a clinical source, or the facts."""
    for source in cohort.sources:
        if source.kind == "clinical":
            return source
    columns: dict[str, np.ndarray] = {}
    for name in covariates():
        texts = cohort.facts.get(name, ())
        values = sorted({*texts} - {""})
        if name == label or len(values) < 2:
            continue
        numbers = np.array([number(text) for text in texts])
        if not any(np.isnan(number(text)) for text in values):
            columns[name] = numbers
        elif len(values) <= _MOST_CATEGORIES:
            missing = np.array([not text for text in texts])
            for value in values:
                equal = np.array([float(text == value) for text in texts])
                columns[f"{name}={value}"] = np.where(missing, np.nan, equal)
    if not columns:
        return None
    matrix = np.column_stack([*columns.values()]).astype(np.float32)
    return Matrix("clinical", "clinical", cohort.patients, tuple(columns), matrix, "clinical facts")


def _splits(
    patients: Sequence[Patient],
    labels: Sequence[str],
    tested: np.ndarray,
    options: IntegrationOptions,
) -> dict[tuple[int, int], Fold]:
    if not tested.any():
        if options.by_site and (unknown := sum(not patient.site for patient in patients)):
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
