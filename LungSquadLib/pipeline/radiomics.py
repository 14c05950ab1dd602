"""Tables of radiomic features: of a case, of the cases of a manifest, or of those of a store.

Beside `NAME.csv`, a row for each case, `NAME.json` has the settings, the codes of the features, and
the cases that failed; of many cases, `NAME.cases/` has a file each, which is kept if nothing
changed. With perturbations, `NAME.perturbed.csv` has the features of every perturbed mask, and
`NAME.robustness.csv` their intraclass correlation.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.case_loop import Summary, run_cases, stamp_of
from ..data.manifest import Row, look, messages_about, read_manifest
from ..data.store import INDEX, Store, StoredCase, open_store
from ..data.tables.text import read_rows
from ..errors import InputError, parsing
from ..evaluation.radiomics import robustness
from ..evaluation.staging.comparators import Pseudonyms
from ..files import make_folder, sweep, write_csv, write_json
from ..imaging.crop import flags_of_case
from ..imaging.ct import open_ct
from ..imaging.files.write import check_distinct
from ..imaging.mask_files import read_mask
from ..imaging.masks import Mask
from ..progress import Progress, Silent, step
from ..radiomics.extract import radiomic_features
from ..radiomics.names import described
from ..radiomics.perturbed import AS_DRAWN, PERTURBED, perturbed_features
from ..radiomics.settings import CONFIGURATIONS, RadiomicsSettings
from ..report.identity import patient_of
from ..report.page import RESEARCH
from ..report.radiomics import feature_row
from .case_input import CaseInput

_LARGEST_SETTINGS = 64 << 20  # bytes: a table's description lists its cases
ROBUSTNESS = "robustness"
Values = Mapping[str, Mapping[str, float]]  # features by name, by perturbation


@dataclass(frozen=True)
class Task:
    """A case of a manifest or of a store; `stamp` is a hash of what decides its result."""

    case: str
    number: int
    patient: str
    stamp: str
    settings: RadiomicsSettings
    file: Path
    perturb: bool = False
    row: Row | None = None
    store: Path | None = None


@dataclass(frozen=True)
class CaseFeatures:
    """The features of a case, "as drawn" and perturbed, and the codes of its flags."""

    values: Values
    flags: tuple[str, ...]


def read_settings(name: str) -> RadiomicsSettings:
    """Return the settings of a JSON file, or of a configuration of the standard.

    Args:
        name: "A" to "E", or a file: the settings, or the description of a table with them.

    Raises:
        InputError: it is no such file, or a setting is unknown or not allowed.
        OSError: the file cannot be read.
    """
    if name in CONFIGURATIONS:
        return CONFIGURATIONS[name]
    path = Path(name)
    with parsing(path, "a file of settings of radiomics"):
        if path.stat().st_size > _LARGEST_SETTINGS:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        return RadiomicsSettings.from_dict(values.get("settings", values))


def extract_case(
    case: CaseInput,
    table: str | os.PathLike[str],
    settings: RadiomicsSettings | None = None,
    *,
    keep_identity: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compute the radiomic features of one case, and write its table.

    Args:
        case: CT and mask.
        table: `NAME.csv`, which is written with `NAME.json`.
        settings: of processing and features.
        keep_identity: write the patient's ID instead of a pseudonym.
        progress: gets the state of the work; may cancel.

    Returns:
        The features by name, the flags of CT and mask, and the settings.

    Raises:
        InputError: CT or mask cannot be used, or no voxel is left.
        CancelledError: `progress` said so; nothing is written.
    """
    settings, progress = settings or RadiomicsSettings(), progress or Silent()
    target = _target(table, [case.ct, case.mask])
    ct = open_ct(case.ct, series=case.series, progress=progress)
    mask = read_mask(case.mask, ct, roi=case.roi, label=case.label)
    values = radiomic_features(ct, mask, settings, progress)
    task = Task("case-0001", 1, patient_of(ct, keep=keep_identity), "", settings, target)
    flags = flags_of_case(ct, mask)
    result = CaseFeatures({AS_DRAWN: values}, tuple(flag.code for flag in flags))
    _write([task], target, {task.case: result}, {})
    return {
        "lungsquad": __version__,
        "notice": RESEARCH,
        "settings": settings.to_dict(),
        "features": _known(values),
        "flags": [flag.to_dict() for flag in flags],
    }


def described_features(
    case: CaseInput,
    robustness_table: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Compute the features of a case with the default settings, each described for a person.

    Args:
        case: CT and mask.
        robustness_table: `NAME.robustness.csv` of a cohort, or None.
        progress: gets the state of the work; may cancel.

    Returns:
        A row for each feature, as the worker's protocol has it.

    Raises:
        InputError: CT, mask or table cannot be used, or no voxel is left.
    """
    measured = {} if robustness_table is None else _read_robustness(Path(robustness_table))
    ct = open_ct(case.ct, series=case.series, progress=progress or Silent())
    values = radiomic_features(ct, read_mask(case.mask, ct, roi=case.roi, label=case.label))
    features = []
    for name, value in _known(values).items():
        label, _, unit, code = feature_row(name, value)
        row = {"feature": name, "label": label, "value": value, "unit": unit, "code": code}
        features.append({**row, **measured.get(name, {})})
    return features


def _read_robustness(path: Path) -> dict[str, dict[str, float | None]]:
    """Return what a table of robustness says of each feature, by name."""
    header, rows = read_rows(path)
    columns = ("icc", "robust", "volume_correlation")
    with parsing(path, "a table of `lungsquad radiomics --robustness`"):
        feature, *numbers = (header.index(name) for name in ("feature", *columns))
        return {
            row[feature]: {
                name: float(row[number]) if row[number] else None
                for name, number in zip(columns, numbers, strict=True)
            }
            for row in rows
        }


def extract_cohort(
    source: str | os.PathLike[str],
    table: str | os.PathLike[str],
    settings: RadiomicsSettings | None = None,
    *,
    perturb: bool = False,
    jobs: int = 1,
    keep_identity: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Compute the radiomic features of many cases; those that an earlier run has done are kept.

    Args:
        source: a manifest (see `read_manifest`), or the folder of a store, whose cubes and masks
            are used as they are.
        table: `NAME.csv`; see the module.
        settings: of processing and features.
        perturb: also compute the features of perturbed masks, and their robustness.
        jobs: number of processes.
        keep_identity: write the IDs of a manifest's patients instead of pseudonyms.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: the source or the table cannot be used. What is wrong with one case is in
            `NAME.json`.
        CancelledError: `progress` said so; what was finished stays and is in the table.
    """
    settings, progress = settings or RadiomicsSettings(), progress or Silent()
    is_store = Path(source).is_dir()
    target = _target(table, [Path(source) / INDEX if is_store else source])
    make = _Tasks(settings, target.with_suffix(".cases"), perturb, keep_identity)
    if is_store:
        tasks, messages = make.of_store(open_store(source)), []
    else:
        rows = read_manifest(source, keep_identity=keep_identity)
        tasks, messages = make.of_manifest(rows), messages_about(rows, columns=False)
    make_folder(make.folder)
    sweep(target.parent)
    sweep(make.folder)
    run = run_cases(
        tasks,
        _work,
        stored=_stored,
        write=partial(_write, tasks, target),
        keep_identity=keep_identity,
        jobs=jobs,
        messages=messages,
        progress=progress,
    )
    if perturb:
        step(progress, 1.0, "Robustness")
        measured = robustness({case: result.values for case, result in run.results.items()})
        columns = [*measured[0]] if measured else ["feature"]
        write_csv(_sibling(target, ROBUSTNESS), columns, measured)
    return run.summary


@dataclass(frozen=True)
class _Tasks:
    settings: RadiomicsSettings
    folder: Path
    perturb: bool
    keep_identity: bool

    def of_store(self, store: Store) -> list[Task]:
        if not store.cases:
            raise InputError(f"The store '{store.folder}' has no cases.")
        return [
            self._task(case.case, number, case.patient, [case.sha256], store=store.folder)
            for number, case in enumerate(store.cases, 1)
        ]

    def of_manifest(self, rows: Sequence[Row]) -> list[Task]:
        names = Pseudonyms(rows, keep_identity=self.keep_identity)
        return [
            self._task(
                row.case,
                row.number,
                names.output_name(row),
                [f"{file} {look(file)}" for file in (row.ct.absolute(), row.mask.absolute())]
                + [str((row.roi, row.label, row.series, row.problem))],
                row=row,
            )
            for row in rows
        ]

    def _task(self, case: str, number: int, patient: str, inputs: list[str], **of: Any) -> Task:
        settings = self.settings.to_dict()
        stamp = stamp_of(*inputs, settings, self.perturb, __version__)
        file = self.folder / f"{case}.json"
        return Task(case, number, patient, stamp, self.settings, file, self.perturb, **of)


def _stored(task: Task) -> CaseFeatures | None:
    """Return the features of a case if an earlier run has finished it."""
    try:
        with parsing(task.file, "a case of radiomics"):
            described = json.loads(task.file.read_text(encoding="utf-8"))
            if described["stamp"] != task.stamp:
                return None
            values = {
                perturbation: {n: math.nan if v is None else float(v) for n, v in known.items()}
                for perturbation, known in described["values"].items()
            }
            return CaseFeatures(values, tuple(map(str, described["flags"])))
    except (OSError, InputError):
        return None


def _work(task: Task) -> CaseFeatures:
    """Compute the features of one case, and write its file."""
    if task.row is not None:
        task.row.check()
        ct = open_ct(task.row.ct, series=task.row.series)
        mask: Mask = read_mask(task.row.mask, ct, roi=task.row.roi, label=task.row.label)
        flags = [flag.code for flag in flags_of_case(ct, mask)]
    else:
        store, case = _stored_case(task)
        ct, mask = store.volume(case)
        flags = [flag.code for flag in case.flags]
    values: Values = {AS_DRAWN: radiomic_features(ct, mask, task.settings)}
    if task.perturb:
        values = {**values, **perturbed_features(ct, mask, task.settings)}
    known = {perturbation: _known(features) for perturbation, features in values.items()}
    write_json(task.file, {"stamp": task.stamp, "flags": flags, "values": known})
    return CaseFeatures(values, tuple(flags))


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return values as JSON has them, without NaN."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _stored_case(task: Task) -> tuple[Store, StoredCase]:
    store, cases = _opened(str(task.store))
    return store, cases[task.case]


@cache
def _opened(folder: str) -> tuple[Store, dict[str, StoredCase]]:
    store = open_store(folder)
    return store, {case.case: case for case in store.cases}


def _target(table: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]]) -> Path:
    target = Path(table)
    if target.suffix.casefold() != ".csv":
        raise InputError(f"'{target}' must be the name of a table, such as features.csv.")
    names = ("", PERTURBED, ROBUSTNESS)
    check_distinct([target.with_suffix(".json"), *(_sibling(target, n) for n in names)], inputs)
    return target


def _sibling(target: Path, name: str) -> Path:
    return target.with_suffix(f".{name}.csv") if name else target


def _write(
    tasks: Sequence[Task],
    target: Path,
    results: Mapping[str, CaseFeatures],
    errors: Mapping[str, str],
) -> None:
    """Write the tables and their description."""
    done = [task for task in tasks if task.case in results]
    of_patients = any(task.patient for task in done)
    start = ("case", *(("patient",) if of_patients else ()))
    names = [*results[done[0].case].values[AS_DRAWN]] if done else []

    def rows(*, perturbed: bool) -> Iterator[dict[str, Any]]:
        for task in done:
            about = {"case": task.case, **({"patient": task.patient} if of_patients else {})}
            for perturbation, values in results[task.case].values.items():
                cells = {n: "" if math.isnan(value) else value for n, value in values.items()}
                if perturbed:
                    yield {**about, "perturbation": perturbation, **cells}
                elif perturbation == AS_DRAWN:
                    yield {**about, **cells}

    tables = {target: (*start, *names)}
    if tasks[0].perturb:
        tables[_sibling(target, PERTURBED)] = (*start, "perturbation", *names)
    for path, columns in tables.items():
        write_csv(path, columns, [*rows(perturbed="perturbation" in columns)])
    write_json(
        target.with_suffix(".json"),
        {
            "lungsquad": __version__,
            "notice": RESEARCH,
            "settings": tasks[0].settings.to_dict(),
            "features": {name: _described(name) for name in names},
            "flags": {task.case: list(results[task.case].flags) for task in done},
            "errors": [
                {"row": task.number, "case": task.case, "error": errors[task.case]}
                for task in tasks
                if task.case in errors
            ],
        },
    )


def _described(name: str) -> dict[str, str]:
    feature, aggregation = described(name)
    return {"code": feature.code, "aggregation": aggregation, "label": feature.label}
