"""Builds the store of a cohort: every case of a manifest cropped once, in processes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import SimpleITK as sitk

from .. import __version__
from ..errors import InputError
from ..fields import Fields
from ..files import make_folder, sweep, write_csv
from ..identity import KEY_VARIABLE
from ..imaging.crop import Crop, crop
from ..imaging.ct import CT, open_ct
from ..imaging.files.write import check_distinct
from ..imaging.mask_files import read_mask
from ..progress import Progress, Silent
from .case_file import (
    Content,
    as_int16,
    hash_of,
    maker,
    pixels_of,
    pseudonym_of,
    read_unknown,
    series_of,
    write_content,
)
from .case_loop import ERRORS, CaseTask, RowTask, Summary, run_cases, stamp_of, write_errors
from .manifest import Row, look, messages_about, read_manifest
from .parts import BuiltPart, Part, copy_cases, read_part, read_parts
from .processes import cluster
from .store import (
    CASES,
    FORMAT_VERSION,
    INDEX,
    STORE,
    Preprocessing,
    StoredCase,
    case_name,
    read_preprocessing,
    write_index,
    write_store,
)

FLAGS = "flags.csv"
_REQUIRED = ("patient_id", "ct", "mask")
_RESERVED = ("patient", "columns", "file", "sha256", "pixels", "crop", "volume_ml", "flags")


Case = TypeVar("Case", bound=StoredCase)


@dataclass(frozen=True)
class Task(RowTask):
    """A row of the manifest and the store that its case goes into."""

    store: Path
    preprocessing: Preprocessing
    keep_identity: bool
    maker: str  # version and identity key, which must be the worker's


@dataclass(frozen=True)
class MergedTask:
    """A row that a part of the cohort has done."""

    case: str
    number: int
    row: None = None


def build_cohort(
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    part: Part | None = None,
    keep_identity: bool = False,
    keep_columns: Collection[str] = (),
    progress: Progress | None = None,
) -> Summary:
    """Crop every case of a manifest into a store; what is whole from an earlier run is kept.

    When it is done the store holds the manifest's cases and no others; a run that was ended, in
    whatever way, is continued by the same call. `errors.csv` has a row for each case that failed,
    `flags.csv` one for each flag.

    Args:
        manifest: a CSV table, see `cohort.manifest`, with `patient_id`.
        folder: of the store.
        preprocessing: how to crop.
        jobs: how many processes.
        scheduler: the address of a dask scheduler to use instead of processes, or the file that
            it wrote. Its workers must see manifest, images and store under the same paths.
        part: build only this part of the rows; `merge_parts` makes one store of all.
        keep_identity: store the patients' IDs instead of pseudonyms.
        keep_columns: further columns to keep though they identify the patients.
        progress: receives the progress; may cancel.

    Raises:
        InputError: the manifest cannot be used, the folder holds another store, or a worker of the
            scheduler has another version. What is wrong with one case is a row.
        MissingPackageError: `scheduler` is given, and dask's `distributed` is not installed.
        CancelledError: `progress` was cancelled; what was finished stays and is in the index.
    """
    preprocessing, progress = preprocessing or Preprocessing(), progress or Silent()
    rows = read_manifest(
        manifest, required=_REQUIRED, keep=keep_columns, keep_identity=keep_identity
    )
    store = Path(folder).absolute()
    check_columns(manifest, rows[0])
    check_distinct([store / name for name in (STORE, INDEX, ERRORS, FLAGS)], [manifest])
    by = maker()
    built = None if part is None else BuiltPart(part, _hash_of_rows(rows))
    if part is not None:
        rows = [*part.of(rows)]
        if not rows:
            raise InputError(f"'{manifest}' has fewer rows than parts: {part} has none.")
    tasks = [_task(row, store, preprocessing, keep=keep_identity, by=by) for row in rows]
    with nullcontext() if scheduler is None else cluster(scheduler, maker) as executor:
        _prepare(store, preprocessing, built)  # not before the scheduler has answered
        run = run_cases(
            tasks,
            _work,
            stored=_stored,
            write=partial(_write, tasks, built),
            keep_identity=keep_identity,
            jobs=jobs,
            executor=executor,
            messages=messages_about(rows),
            progress=progress,
        )
    remove_other_cases(store, tasks)
    return run.summary


def merge_parts(
    parts: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Summary:
    """Make one store of all parts of a cohort, with the bytes of a store built at once.

    Args:
        parts: the stores that `build_cohort` made of each part, in any order.
        folder: of the new store. What an interrupted call has copied is kept.
        progress: receives the progress; may cancel.

    Raises:
        InputError: the parts are no parts, not finished, not all, or not of one cohort; or the
            folder holds something else.
        CancelledError: `progress` was cancelled.
    """
    stores, store = read_parts(parts), Path(folder).absolute()
    preprocessing = stores[0].preprocessing
    _prepare(store, preprocessing, None)
    copy_cases(stores, store, progress=progress)
    cases = {number: case for part in stores for number, case in part.cases.items()}
    failed = {int(row["row"]): row for part in stores for row in part.failed}
    tasks = [
        MergedTask(cases[number].case if number in cases else failed[number]["case"], number)
        for number in sorted(cases | failed)
    ]
    errors = {row["case"]: row["error"] for row in failed.values()}
    results = {case.case: case for case in cases.values()}
    _write_tables(store, preprocessing, tasks, results=results, errors=errors)
    remove_other_cases(store, tasks)
    return Summary(len(cases), 0, len(failed))


def _hash_of_rows(rows: Sequence[Row]) -> str:
    """Return a hash of all that the manifest says; slow to make, for patients' IDs are in it."""
    return pseudonym_of(stamp_of(*([row.case, dict(row.cells), row.columns] for row in rows)))


def check_columns(manifest: str | os.PathLike[str], row: Row) -> None:
    """Refuse a manifest with a column whose name the store reserves."""
    for name in row.columns:
        if name in _RESERVED:
            raise InputError(
                f"'{manifest}' has a column '{name}', which is a field of the store; rename it."
            )


def _prepare(store: Path, preprocessing: Preprocessing, built: BuiltPart | None) -> None:
    """Have `store` be a store of ours, or raise."""
    existing = read_preprocessing(store)
    if existing is not None:
        held = read_part(store)
        part, wanted = (each.part if each else "a whole cohort" for each in (held, built))
        if part != wanted:
            raise InputError(f"'{store}' holds {part}, not {wanted}; choose another folder.")
    if existing is not None and existing != preprocessing:
        raise InputError(
            f"'{store}' holds cases of {existing}, not of {preprocessing}; choose another folder."
        )
    make_folder(store)
    sweep(store)
    if existing is None:
        if any(store.iterdir()):
            raise InputError(f"'{store}' is no store and is not empty; choose another folder.")
        write_store(store, preprocessing, part=built.to_dict() if built else None)
    make_folder(store / CASES)
    sweep(store / CASES)


def _task(row: Row, store: Path, preprocessing: Preprocessing, *, keep: bool, by: str) -> Task:
    """The stamp changes with whatever would change the case's file, as far as a look can tell.

    No path is in it but as the manifest gives it, so that manifest, images and store can move
    together. That it holds the patient's ID helps nobody to guess it who does not know when, to
    the ns, both files were made.
    """
    files = (look(row.ct), look(row.mask))
    cells = (dict(row.cells), row.columns, row.case, row.site)
    stamp = stamp_of(*cells, *files, preprocessing.hash, keep, by)
    return Task(row, stamp, store, preprocessing, keep, by)


def _work(task: Task) -> StoredCase:
    """Crop one case and write its file; this runs in a process of its own."""
    if task.maker != maker():
        raise InputError(
            f"The worker has another version than LungSquad {__version__}, or another "
            f"{KEY_VARIABLE}, than who called it; both must be the same everywhere."
        )
    row = task.row
    row.check()
    ct = open_ct(row.ct, series=row.series)
    mask = read_mask(row.mask, ct, roi=row.roi, label=row.label)
    cut = crop(ct, mask, size=task.preprocessing.side, spacing=task.preprocessing.spacing)
    return _written(task, ct, cut)


def _stored(task: Task) -> StoredCase | None:
    """The case as it is in the store, if it is whole and would come out the same."""
    name = case_name(task.row.case)
    try:
        content, sha256 = read_unknown(task.store / name, task.preprocessing.side)
        if content.about["stamp"] != task.stamp:
            return None
        return StoredCase.of(Fields({**content.about["case"], "sha256": sha256}, "it"))
    except (OSError, InputError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _written(task: Task, ct: CT, cut: Crop) -> StoredCase:
    row, name = task.row, case_name(task.row.case)
    hu = as_int16(sitk.GetArrayViewFromImage(cut.ct))
    case = StoredCase(
        case=row.case,
        patient=row.patient_id if task.keep_identity else pseudonym_of(row.patient_id),
        series=series_of(ct),
        site=row.site,
        columns=row.columns,
        file=name,
        sha256="",
        pixels=pixels_of(ct),
        crop=hash_of(hu),
        volume_ml=cut.mask_volume_ml,
        flags=cut.flags,
    )
    described = case.to_dict()
    del described["sha256"]  # of the file, which cannot say it
    about = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "stamp": task.stamp,
        "preprocessing": asdict(task.preprocessing),
        "origin_lps": list(cut.ct.GetOrigin()),
        "direction": list(cut.ct.GetDirection()),
        "case": described,
    }
    content = Content(hu, sitk.GetArrayViewFromImage(cut.mask), about)
    return replace(case, sha256=write_content(task.store / name, content))


def _write(
    tasks: Sequence[Task],
    built: BuiltPart | None,
    results: Mapping[str, StoredCase],
    errors: Mapping[str, str],
) -> None:
    first = tasks[0]
    _write_tables(
        first.store, first.preprocessing, tasks, results=results, errors=errors, built=built
    )


def _write_tables(
    store: Path,
    preprocessing: Preprocessing,
    tasks: Sequence[CaseTask],
    *,
    results: Mapping[str, StoredCase],
    errors: Mapping[str, str],
    built: BuiltPart | None = None,
) -> None:
    """Write the tables, `index.json`, and in `store.json` how many cases there are."""
    cases = write_case_tables(store, tasks, results, errors)
    write_index(store, cases, rows=len(tasks))
    counts = {
        "rows": len(tasks),
        "cases": len(cases),
        "failed": len(errors),
        "patients": len({case.patient for case in cases}),
    }
    write_store(store, preprocessing, counts, part=built.to_dict() if built else None)


def write_case_tables(
    folder: Path,
    tasks: Sequence[CaseTask],
    results: Mapping[str, Case],
    errors: Mapping[str, str],
) -> list[Case]:
    """Write `errors.csv` and `flags.csv`, and return the cases that are there, in order."""
    cases = [results[task.case] for task in tasks if task.case in results]
    flags = [{"case": case.case, **flag.to_dict()} for case in cases for flag in case.flags]
    write_errors(folder, tasks, errors)
    write_csv(folder / FLAGS, ("case", "code", "severity", "sentence"), flags)
    return cases


def remove_other_cases(folder: Path, tasks: Iterable[CaseTask]) -> None:
    """Remove the files of cases that left the manifest: their patients may have asked for it.

    A case that failed now but not before stays, unlisted: its images may only be out of reach.
    """
    wanted = {Path(case_name(task.case)).name for task in tasks}
    for path in (folder / CASES).glob("*.npz"):
        if path.name not in wanted:
            path.unlink()
