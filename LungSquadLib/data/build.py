"""Builds the store of a cohort: every case of a manifest cropped once, in processes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from .. import __version__
from ..errors import InputError
from ..fields import Fields
from ..files import make_folder, sweep
from ..identity import KEY_VARIABLE
from ..imaging.crop import Crop, crop
from ..imaging.ct import CT, open_ct
from ..imaging.files.write import check_distinct
from ..imaging.masks import read_mask
from ..progress import Progress, Silent
from .case_file import Content, read_unknown, write_content
from .cluster import AHEAD, cluster
from .gather import ERRORS, FLAGS, gather
from .manifest import Row, look, messages_about, read_manifest
from .naming import as_int16, hash_of, maker, nameless, pixels_of, pseudonym_of, series_of
from .run import Outcome, Summary, run_all, run_on, with_messages
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

_REQUIRED = ("patient_id", "ct", "mask")
_TAKEN = ("patient", "columns", "file", "sha256", "pixels", "crop", "volume_ml", "flags")


@dataclass(frozen=True)
class Task:
    """One row of the manifest, and all that decides what comes out of it."""

    row: Row
    store: Path
    preprocessing: Preprocessing
    keep_identity: bool
    maker: str  # version and identity key, which must be the worker's own
    stamp: str

    @property
    def case(self) -> str:
        return self.row.case

    @property
    def number(self) -> int:
        return self.row.number


def build_cohort(
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
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
        scheduler: the address of a dask scheduler to use instead of processes. Its workers must
            see manifest, images and store under the same paths.
        keep_identity: store the patients' IDs instead of pseudonyms.
        keep_columns: further columns to keep though they say who the patients are.
        progress: told how it goes; may cancel.

    Raises:
        InputError: the manifest cannot be used, or the folder holds another store. What is wrong
            with one case is a row.
        MissingPackageError: `scheduler` is given, and dask's `distributed` is not installed.
        CancelledError: `progress` said so; what was finished stays and is in the index.
    """
    preprocessing, progress = preprocessing or Preprocessing(), progress or Silent()
    rows = read_manifest(
        manifest, required=_REQUIRED, keep=keep_columns, keep_identity=keep_identity
    )
    store = Path(folder).absolute()
    check_columns(manifest, rows[0])
    check_distinct([store / name for name in (STORE, INDEX, ERRORS, FLAGS)], [manifest])
    by = maker()
    tasks = [_task(row, store, preprocessing, keep=keep_identity, by=by) for row in rows]
    if scheduler is None:
        _prepare(store, preprocessing)
        summary = _gathered(tasks, run_all(tasks, _work, jobs=jobs, progress=progress), progress)
        return with_messages(summary, messages_about(rows))
    with cluster(scheduler) as executor:  # before anything is written
        _prepare(store, preprocessing)
        outcomes = run_on(executor, tasks, _work, width=AHEAD, progress=progress)
        return with_messages(_gathered(tasks, outcomes, progress), messages_about(rows))


def _gathered(
    tasks: Sequence[Task], outcomes: Iterable[Outcome[Task]], progress: Progress
) -> Summary:
    return gather(
        tasks[0].store,
        tasks,
        outcomes,
        stored=_stored,
        reason=_reason,
        index=partial(_index, tasks),
        progress=progress,
    )


def check_columns(manifest: str | os.PathLike[str], row: Row) -> None:
    """Refuse a manifest with a column that cases have of their own."""
    for name in row.columns:
        if name in _TAKEN:
            raise InputError(
                f"'{manifest}' has a column '{name}', which the store has of its own; rename it."
            )


def _prepare(store: Path, preprocessing: Preprocessing) -> None:
    """Have `store` be a store of ours, or raise."""
    there = read_preprocessing(store)
    if there is not None and there != preprocessing:
        raise InputError(
            f"'{store}' holds cases of {there}, not of {preprocessing}; choose another folder."
        )
    make_folder(store)
    sweep(store)
    if there is None:
        if any(store.iterdir()):
            raise InputError(f"'{store}' is no store and is not empty; choose another folder.")
        write_store(store, preprocessing)
    make_folder(store / CASES)
    sweep(store / CASES)


def _task(row: Row, store: Path, preprocessing: Preprocessing, *, keep: bool, by: str) -> Task:
    """The stamp changes with whatever would change the case's file, as far as a look can tell.

    No path is in it but as the manifest gives it, so that manifest, images and store can move
    together. That it holds the patient's ID helps nobody to guess it who does not know when, to
    the ns, both files were made.
    """
    seen = [
        *(dict(row.cells), row.columns, row.case, row.site, look(row.ct), look(row.mask)),
        *(preprocessing.hash, keep, by),
    ]
    stamp = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    return Task(row, store, preprocessing, keep, by, stamp)


def _work(task: Task) -> tuple[StoredCase, bool]:
    """What one process does for one case; True where it was whole from before."""
    there = _stored(task)
    if there is not None:
        return there, True
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
    return _written(task, ct, cut), False


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


def _reason(outcome: Outcome[Task]) -> str:
    """Why a case failed, without names unless they are to be kept."""
    task, sentence = outcome.task, str(outcome.error)
    if task.keep_identity:
        return sentence
    return nameless(sentence, task.row)


def _index(tasks: Sequence[Task], cases: Sequence[StoredCase], failed: int) -> None:
    """`index.json`, and in `store.json` how many there are."""
    first = tasks[0]
    write_index(first.store, cases, rows=len(tasks))
    counts = {
        "rows": len(tasks),
        "cases": len(cases),
        "failed": failed,
        "patients": len({case.patient for case in cases}),
    }
    write_store(first.store, first.preprocessing, counts)
