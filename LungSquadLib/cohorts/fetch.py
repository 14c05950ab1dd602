"""Public cohorts by name: outlines first, then the CT that they refer to, then a manifest."""

from __future__ import annotations

import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.case_loop import resume_folder
from ..download import Client, ObjectError, check_space, checked_server, gigabytes
from ..errors import InputError
from ..files import LOCK, sole_use, write_csv
from ..options import check, option, refuse_ignored
from ..progress import Part, Progress, Silent, step
from .bucket import Bucket, is_whole
from .fetched_manifest import ERRORS, MANIFEST, labels_of_patients, references_of, write_manifest
from .series_list import ListedSeries, SeriesList, read_list

ABOUT = "cohort.json"
_STEP = 0.2  # seconds between reports of progress


@dataclass(frozen=True)
class FetchOptions:
    """Options of `cohort fetch`."""

    patients: int | None = option(
        None, help="fetch the first N patients only; the same command with more adds them", low=1
    )
    accept_non_commercial: bool = option(
        False, help="the use is non-commercial, where the licence of the cohort allows no other"
    )
    clinical: Path | None = option(
        None, help="table of the patients, instead of the cohort's own from the internet"
    )
    labels: bool = option(True, help="fetch no table of the patients: a manifest without labels")
    server: str = option(
        "https://s3.amazonaws.com",
        help="server of the public buckets: also https://storage.googleapis.com, or a mirror",
        metavar="URL",
    )
    connections: int = option(8, help="number of transfers at the same time", low=1, high=64)

    def __post_init__(self) -> None:
        check(self)
        checked_server(self.server)
        if self.clinical is not None:
            refuse_ignored(self, ("labels",), "--clinical gives the labels.")


@dataclass(frozen=True)
class FetchPlan:
    """What `fetch_cohort` would fetch.

    Attributes:
        cohort: its list, of the patients that are wanted.
        outlines: bytes of the outlines.
        least, most: bytes of the CT; which of several CT of a study stands in the outlines.
        present: bytes of the series that are there.
        free: bytes on the disk.
    """

    cohort: SeriesList
    outlines: int
    least: int
    most: int
    present: int
    free: int

    def rows(self) -> list[tuple[str, str]]:
        """Return the plan as a table for people."""
        cohort = self.cohort
        patients = len({series.patient_id for series in cohort.outlines})
        ct = gigabytes(self.least)
        if self.least != self.most:
            ct = f"{ct} to {gigabytes(self.most)}, as the outlines say"
        return [
            ("cohort", f"{cohort.name}: {cohort.title}"),
            ("licence", cohort.licence),
            ("patients", str(patients)),
            ("outlines", f"{len(cohort.outlines)} series, {gigabytes(self.outlines)}"),
            ("CT", ct),
            ("there already", gigabytes(self.present)),
            ("free on the disk", gigabytes(self.free)),
            ("list", cohort.source),
        ]


@dataclass(frozen=True)
class FetchedCohort:
    """A cohort on this machine.

    Attributes:
        manifest: its path.
        cases: its rows.
        problems: a sentence for each series that is left out, by patient and series.
    """

    manifest: Path
    cases: int
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)


def plan_fetch(
    name: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: FetchOptions | None = None,
) -> FetchPlan:
    """Return what would be fetched into a folder; nothing is written or requested.

    Raises:
        InputError: there is no such cohort.
    """
    folder, options = Path(folder), options or FetchOptions()
    cohort = read_list(name).first(options.patients)
    sizes: defaultdict[int, list[int]] = defaultdict(list)
    outlines: defaultdict[int, int] = defaultdict(int)
    for series in cohort.series:
        if series.modality == "CT":
            sizes[series.study].append(series.size)
        else:
            outlines[series.study] += 1
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return FetchPlan(
        cohort,
        sum(series.size for series in cohort.outlines),
        sum(min(of_study) for of_study in sizes.values()),
        sum(sum(sorted(sizes[study])[-count:]) for study, count in outlines.items()),
        _present(cohort.series, folder),
        shutil.disk_usage(existing).free,
    )


def fetch_cohort(
    name: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: FetchOptions | None = None,
    *,
    progress: Progress | None = None,
) -> FetchedCohort:
    """Fetch a public cohort and write its manifest.

    Each series has a folder PATIENT/UUID, which is there only if all its objects are, each with
    the bucket's checksum. The same call continues a fetch that was stopped. A series that cannot
    be had is left out, with a sentence.

    Args:
        name: a cohort of `series_list.names()`, or a list of series.
        folder: of the output.
        options: see there.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: there is no such cohort, its licence was not accepted, the server does not
            answer or refuses, the disk is full, no case is left, the folder holds other files, or
            another process fetches into it.
        CancelledError: the user cancelled; what has been fetched is kept.
    """
    folder, options, progress = Path(folder), options or FetchOptions(), progress or Silent()
    cohort = read_list(name).first(options.patients)
    if cohort.non_commercial and not options.accept_non_commercial:
        raise InputError(
            f"{cohort.title} is under {cohort.licence}: it may not be used commercially, and what "
            "is learnt from it may not either. If that is your use, add --accept-non-commercial."
        )
    with sole_use(folder, "fetches into"):
        another = "another cohort, or another version of it"
        resume_folder(folder / ABOUT, _about(cohort), another=another, own_files=[LOCK])
        return _fetch(name, cohort, folder, options, progress)


def _about(cohort: SeriesList) -> dict[str, Any]:
    names = ("name", "title", "licence", "citations", "bucket", "source")
    about = {name: getattr(cohort, name) for name in names}
    return {**about, "citations": list(cohort.citations)}


def _fetch(
    name: str | os.PathLike[str],
    cohort: SeriesList,
    folder: Path,
    options: FetchOptions,
    progress: Progress,
) -> FetchedCohort:
    plan = plan_fetch(name, folder, options)
    check_space(folder, max(plan.outlines + plan.least - plan.present, 0))
    client = Client(options.server)
    labels = labels_of_patients(
        cohort, folder, client, clinical=options.clinical, wanted=options.labels
    )
    bucket = Bucket(client, checked_server(options.server), cohort.bucket)
    problems: dict[tuple[str, str], str] = {}
    share = plan.outlines / max(plan.outlines + plan.most, 1)
    fetch = _Transfers(bucket, folder, options.connections, problems)
    fetch.run(cohort.outlines, Part(progress, 0, share), "outlines")
    references = references_of(cohort, folder, problems)
    wanted = {series.uuid: series for _, series in references}
    fetch.run(tuple(wanted.values()), Part(progress, share, 1), "CT")
    fetched = [
        pair
        for pair in references
        if not any((each.patient_id, each.uuid) in problems for each in pair)
    ]
    cases = write_manifest(cohort, folder, fetched, labels, problems)
    rows = [
        {"patient_id": patient, "series": series, "problem": sentence}
        for (patient, series), sentence in sorted(problems.items())
    ]
    write_csv(folder / ERRORS, ("patient_id", "series", "problem"), rows)
    return FetchedCohort(folder / MANIFEST, cases, problems)


class _Transfers:
    """Fetches series into PATIENT/UUID, several at a time, and collects what is wrong."""

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        connections: int,
        problems: dict[tuple[str, str], str],
    ) -> None:
        self._bucket, self._folder = bucket, folder
        self._connections, self._problems = connections, problems
        self._bytes = 0
        self._lock = threading.Lock()

    def run(self, series: Sequence[ListedSeries], progress: Progress, what: str) -> None:
        """Fetch series; stop at what concerns them all."""
        total = sum(each.size for each in series)
        check_space(self._folder, total - _present(series, self._folder))
        self._bytes = 0
        with ThreadPoolExecutor(self._connections) as threads:
            waiting = {threads.submit(self._fetch, each) for each in series}
            try:
                while waiting:
                    done, waiting = wait(waiting, _STEP, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
                    message = f"{what}: {gigabytes(self._bytes)} of {gigabytes(total)}"
                    step(progress, self._bytes / max(total, 1), message)
            except BaseException:
                self._bucket.client.stopped = True
                threads.shutdown(wait=True, cancel_futures=True)
                raise

    def _fetch(self, series: ListedSeries) -> None:
        try:
            self._bucket.fetch(
                series, self._folder / series.patient_id / series.uuid, self._received
            )
        except ObjectError as error:
            with self._lock:
                self._problems[series.patient_id, series.uuid] = str(error)

    def _received(self, count: int) -> None:
        with self._lock:
            self._bytes += count


def _present(series: Sequence[ListedSeries], folder: Path) -> int:
    return sum(each.size for each in series if is_whole(each, folder / each.patient_id / each.uuid))
