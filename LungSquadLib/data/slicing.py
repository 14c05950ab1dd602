"""Makes a set of slices out of a manifest or a store, case by case in processes."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..errors import InputError
from ..fields import Fields
from ..files import make_folder, sweep
from ..imaging.crop import flags_of_case
from ..imaging.ct import open_ct
from ..imaging.files.write import check_distinct
from ..imaging.mask_files import read_mask
from ..imaging.slices import AxialSlices, axial_slices, slices_of_cube, without_padding
from ..progress import Progress, Silent
from .build import FLAGS, check_columns, remove_other_cases, write_case_tables
from .case_file import (
    Content,
    hash_of,
    maker,
    pixels_of,
    pseudonym_of,
    read_unknown,
    series_of,
    write_content,
)
from .case_loop import ERRORS, Summary, run_cases, stamp_of
from .manifest import Row, look, messages_about, read_manifest
from .slice_set import (
    FORMAT_VERSION,
    MOST_SLICES,
    SLICES,
    SliceCase,
    Slicing,
    read_index,
    write_index,
)
from .store import CASES, STORE, Store, StoredCase, case_name, open_store

_CUBE = 64  # voxels of 1 mm a side: what of a store's cubes becomes slices


@dataclass(frozen=True)
class Cube:
    """A case of a store, which does not list the others: a process needs this one."""

    store: Store
    known: StoredCase

    @property
    def case(self) -> str:
        return self.known.case


@dataclass(frozen=True)
class Task:
    """One case of a manifest or of a store, and all that decides what comes out of it."""

    source: Row | Cube
    number: int
    folder: Path
    slicing: Slicing
    stamp: str

    @property
    def case(self) -> str:
        return self.source.case

    @property
    def row(self) -> Row | None:
        """The row of the manifest; None where the case is a store's."""
        return self.source if isinstance(self.source, Row) else None


def make_slices(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    slicing: Slicing | None = None,
    *,
    jobs: int = 1,
    keep_columns: Collection[str] = (),
    progress: Progress | None = None,
) -> Summary:
    """Cut the axial slices with tumour of every case; what is whole from before is kept.

    A run that was ended, in whatever way, is continued by the same call. `errors.csv` has a row for
    each case that failed.

    Args:
        source: a CSV table, see `cohort.manifest`, with `patient_id`; or the folder of a store,
            out of whose cubes come slices of 64 x 64 pixels round the tumour, and no others.
        folder: of the set.
        slicing: how to cut.
        jobs: how many processes.
        keep_columns: of a manifest, to keep though they identify the patients.
        progress: receives the progress; may cancel.

    Raises:
        InputError: the source cannot be used or gives not one slice, or the folder holds other
            things. What is wrong with one of many cases is a row.
        CancelledError: `progress` was cancelled; what was finished stays and is in the index.
    """
    slicing, progress = slicing or Slicing(), progress or Silent()
    target = Path(folder).absolute()
    if Path(source).is_dir():
        if keep_columns:
            raise InputError("--keep-column is about a manifest: a store has the columns it has.")
        tasks = _tasks_of_store(Path(source), target, slicing)
    else:
        tasks = _tasks_of_manifest(source, target, slicing, keep_columns)
    is_new = _prepare(target, slicing)
    rows = [task.row for task in tasks if task.row is not None]
    run = run_cases(
        tasks,
        _work,
        stored=_stored,
        write=partial(_write, target, slicing, tasks),
        jobs=jobs,
        messages=messages_about(rows) if rows else (),
        progress=progress,
    )
    if run.summary.exit_code:
        if is_new:
            shutil.rmtree(target)
        first = next(iter(run.errors.values()))
        raise InputError(f"Not one of {len(tasks)} cases gave slices; of the first: {first}")
    remove_other_cases(target, tasks)
    return run.summary


def _tasks_of_manifest(
    source: str | os.PathLike[str], folder: Path, slicing: Slicing, keep: Collection[str]
) -> list[Task]:
    rows = read_manifest(source, required=("patient_id", "ct", "mask"), keep=keep)
    check_columns(source, rows[0])
    check_distinct([folder / name for name in (SLICES, ERRORS, FLAGS)], [source])
    by = maker()

    def task(row: Row) -> Task:
        seen = (dict(row.cells), row.columns, row.case, row.site, look(row.ct), look(row.mask), by)
        return Task(row, row.number, folder, slicing, _stamp(slicing, seen))

    return [task(row) for row in rows]


def _tasks_of_store(source: Path, folder: Path, slicing: Slicing) -> list[Task]:
    if not (source / STORE).is_file():
        raise InputError(f"'{source}' is neither a store of a cohort nor a manifest.")
    store = open_store(source)
    if not store.cases:
        raise InputError(f"The store '{source}' has no cases.")
    done = store.preprocessing
    size = (slicing.resolution, slicing.field_mm)
    if slicing.native or slicing.context != "tumour" or size != (_CUBE, _CUBE):
        raise InputError(
            f"A store gives slices of {_CUBE} pixels round the tumour only, and not {slicing}: "
            "give the manifest that it was built from."
        )
    if done.spacing != 1 or done.side < _CUBE:
        raise InputError(
            f"'{source}' holds {done}, and slices need {_CUBE} voxels of 1 mm: give the manifest "
            "that it was built from."
        )
    without_cases = replace(store, cases=())
    return [
        Task(Cube(without_cases, case), number, folder, slicing, _stamp(slicing, case.to_dict()))
        for number, case in enumerate(store.cases, 1)
    ]


def _stamp(slicing: Slicing, case: object) -> str:
    """Return a hash of whatever would change the case's file, as far as a look can tell."""
    return stamp_of(__version__, slicing.hash, case)


def _prepare(folder: Path, slicing: Slicing) -> bool:
    """Have the folder be a set of these slices, or raise; True where there was none before."""
    existing = read_index(folder)
    if existing is not None and existing.slicing != slicing:
        raise InputError(
            f"'{folder}' holds slices of {existing.slicing}, not of {slicing}; choose another "
            "folder."
        )
    make_folder(folder)
    sweep(folder)
    if existing is None:
        if any(folder.iterdir()):
            raise InputError(
                f"'{folder}' is no set of slices and is not empty; choose another folder."
            )
        write_index(folder, slicing)
    make_folder(folder / CASES)
    sweep(folder / CASES)
    return existing is None


def _write(
    folder: Path,
    slicing: Slicing,
    tasks: Sequence[Task],
    results: Mapping[str, SliceCase],
    errors: Mapping[str, str],
) -> None:
    cases = write_case_tables(folder, tasks, results, errors)
    write_index(folder, slicing, cases, rows=len(tasks))


def _work(task: Task) -> SliceCase:
    """Cut one case and write its file; this runs in a process of its own."""
    if isinstance(task.source, Row):
        case, slices, pixel_mm = _of_row(task.source, task.slicing)
    else:
        case, slices, pixel_mm = task.source.known, _of_cube(task.source), None
    return _written(task, case, without_padding(slices, task.slicing.largest_padding), pixel_mm)


def _stored(task: Task) -> SliceCase | None:
    """The case as it is in the set, if it is whole and would come out the same."""
    try:
        content, sha256 = read_unknown(
            task.folder / case_name(task.case), task.slicing.resolution, most=MOST_SLICES
        )
        if content.about["stamp"] != task.stamp:
            return None
        return SliceCase.of(Fields({**content.about["case"], "sha256": sha256}, "it"))
    except (OSError, InputError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _of_row(row: Row, slicing: Slicing) -> tuple[StoredCase, AxialSlices, float | None]:
    """A case of a manifest, as a store has it, its slices and where native the size of a pixel."""
    row.check()
    ct = open_ct(row.ct, series=row.series)
    mask = read_mask(row.mask, ct, roi=row.roi, label=row.label)
    slices = axial_slices(
        ct,
        mask,
        context=slicing.context,
        pixels=slicing.resolution,
        pixel_mm=None if slicing.native else slicing.pixel_mm,
    )
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask.image)))
    case = StoredCase(
        case=row.case,
        patient=pseudonym_of(row.patient_id),
        series=series_of(ct),
        site=row.site,
        columns=row.columns,
        file=case_name(row.case),
        sha256="",
        pixels=pixels_of(ct),
        crop="",
        volume_ml=voxels * ct.grid.voxel_volume / 1000,
        flags=flags_of_case(ct, mask),
    )
    return case, slices, math.sqrt(math.prod(ct.grid.spacing[:2])) if slicing.native else None


def _of_cube(cube: Cube) -> AxialSlices:
    """The slices of a stored case, from the middle of its cube."""
    store, case = cube.store, cube.known
    content = store.content(case)
    start = store.preprocessing.side // 2 - _CUBE // 2
    middle = (slice(start, start + _CUBE),) * 3
    return slices_of_cube(content.hu[middle], content.mask[middle])


def _written(
    task: Task, case: StoredCase, slices: AxialSlices, pixel_mm: float | None
) -> SliceCase:
    values = {name: getattr(case, name) for name in StoredCase.__dataclass_fields__}
    values |= {"file": case_name(case.case), "sha256": "", "crop": hash_of(slices.hu)}
    made = SliceCase(
        **values,
        count=len(slices.hu),
        left_out=slices.left_out,
        padded=slices.padded,
        pixel_mm=pixel_mm,
    )
    described = made.to_dict()
    del described["sha256"]  # of the file, which cannot say it
    about = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "stamp": task.stamp,
        "slicing": task.slicing.described(),
        "case": described,
    }
    content = Content(slices.hu, slices.mask, about)
    return replace(made, sha256=write_content(task.folder / made.file, content))
