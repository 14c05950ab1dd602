"""A cohort is built once, whatever happens meanwhile, and holds what the crop gives."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.data import build, case_loop
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.check import check_store
from LungSquadLib.data.processes import DIED, Outcome, _guarded, run_on
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.identity import pseudonym
from LungSquadLib.imaging.crop import crop
from LungSquadLib.progress import Silent

from ..case_data import facts
from ..dicom_maker import some_hu, write_series
from ..hostile import contents
from ..samples import ball_images

SMALL = Preprocessing(size=16, margin=4)
OPTIONS = ("--size", "16", "--margin", "4")
COUNT = 8


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Eight cases of seven patients who differ in the size of their tumour, and a manifest."""
    folder = tmp_path_factory.mktemp("patients")
    for number in range(COUNT):
        for image, name in zip(ball_images(radius=6.0 + number), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(folder / f"{name}{number}.nrrd"))
    return folder


@pytest.fixture(scope="module")
def manifest(patients):
    rows = [row(number) for number in range(COUNT - 1)]
    rows.append(row(COUNT - 1, patient=f"MRN-{COUNT - 2}"))
    return write_manifest(patients / "manifest.csv", rows)


def row(number, *, patient=None, label="LUAD", ct=None):
    patient = patient or f"MRN-{number}"
    return f"{patient},{ct or f'ct{number}.nrrd'},mask{number}.nrrd,A,{label},c{number}"


def write_manifest(path: Path, rows, columns="patient_id,ct,mask,site,histology,case") -> Path:
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def built(manifest, tmp_path_factory):
    """The store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("built") / "store"
    build_in_this_process(manifest, folder)
    return folder


@contextmanager
def in_this_process(module=case_loop):
    """Have a module's `run_all` work here, without the second that a pool takes to start."""

    def here(tasks, work, *, progress, **_processes):
        for task in tasks:
            if progress.cancelled:
                raise CancelledError("Cancelled.")
            yield Outcome(task, *_guarded(work, task))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "run_all", here)
        yield


def build_in_this_process(manifest, folder, **options):
    with in_this_process():
        return build_cohort(manifest, folder, preprocessing=SMALL, **options)


def table(path: Path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def times(store: Path):
    return {path.name: path.stat().st_mtime_ns for path in (store / "cases").iterdir()}


def test_a_case_is_what_the_crop_gives(built, patients):
    store = open_store(built)
    assert [case.case for case in store.cases] == [f"c{number}" for number in range(COUNT)]
    assert (store.preprocessing, store.rows) == (SMALL, COUNT)
    case = store.cases[3]
    images = (sitk.ReadImage(str(patients / f"{name}3.nrrd")) for name in ("ct", "mask"))
    cut = crop(*images, size=24)
    assert np.array_equal(store.hu(case), sitk.GetArrayFromImage(cut.ct))
    assert np.array_equal(store.mask(case), sitk.GetArrayFromImage(cut.mask))
    assert (store.hu(case).dtype, store.mask(case).dtype) == (np.int16, np.uint8)
    assert (case.volume_ml, case.flags) == (cut.mask_volume_ml, cut.flags)
    assert (case.patient, case.site) == (pseudonym("MRN-3"), "A")
    assert store.cases[6].patient == store.cases[7].patient != case.patient


def test_a_case_s_file_describes_itself(built):
    case = open_store(built).cases[2]
    with np.load(built / case.file, allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
    assert about["preprocessing"] == {"size": 16, "margin": 4, "spacing": 1.0}
    assert {**about["case"], "sha256": case.sha256} == case.to_dict()


def test_any_text_of_a_column_comes_back(patients, tmp_path):
    text = "=1+1;\u00e9 'x'"
    path = write_manifest(patients / "formula.csv", [row(0, label=text)])
    build_in_this_process(path, tmp_path / "s")
    (case,) = open_store(tmp_path / "s").cases
    assert case.columns == {"histology": text}


def test_two_processes_give_the_bytes_of_one(built, manifest, tmp_path, capsys):
    command = ["cohort", "build", str(manifest), "-o", str(tmp_path / "s"), "--jobs", "2"]
    assert main([*command, *OPTIONS]) == 0
    assert capsys.readouterr().out == f"{COUNT} done, 0 finished before, 0 failed\n"
    assert contents(tmp_path / "s") == contents(built)


@contextmanager
def cluster_of_one():
    """Yield the address of a dask scheduler with one worker, in this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
    ) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_gives_the_bytes_of_this_machine(built, manifest, tmp_path):
    """By its address, and by the file that `dask scheduler --scheduler-file` writes."""
    with cluster_of_one() as address:
        file = tmp_path / "scheduler.json"
        file.write_text(json.dumps({"type": "Scheduler", "address": address, "workers": {}}))
        for number, scheduler in enumerate((address, str(file))):
            store = tmp_path / f"s{number}"
            build_cohort(manifest, store, preprocessing=SMALL, scheduler=scheduler)
            assert contents(store) == contents(built)


def test_workers_of_another_version_are_refused_in_one_sentence(manifest, tmp_path, monkeypatch):
    with cluster_of_one() as address:  # whose worker is another thread
        monkeypatch.setattr(build, "maker", lambda: threading.current_thread().name)
        with pytest.raises(InputError, match=r"1 of 1 workers .* another version than LungSquad"):
            build_cohort(manifest, tmp_path / "s", preprocessing=SMALL, scheduler=address)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text", ["{}", "tcp://127.0.0.1:9", '{"address": 3}', "[1]"])
def test_a_file_of_no_scheduler_is_refused(manifest, tmp_path, text):
    pytest.importorskip("distributed")
    (tmp_path / "scheduler.json").write_text(text)
    with pytest.raises(InputError, match="is not a scheduler file"):
        build_cohort(manifest, tmp_path / "s", scheduler=str(tmp_path / "scheduler.json"))


def test_without_dask_a_cluster_is_refused_with_what_to_install(manifest, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Exception, match=r"pip install 'lungsquad\[cluster\]'"):
        build_cohort(manifest, tmp_path / "s", scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_that_does_not_answer_is_refused(manifest, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("LungSquadLib.data.processes._TIMEOUT_S", 0.3)
    with pytest.raises(InputError, match=r"No dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        build_cohort(manifest, tmp_path / "s", scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_without_workers_is_refused(manifest, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("LungSquadLib.data.processes._TIMEOUT_S", 1)
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, protocol="tcp", dashboard_address=None
        ) as cluster,
        pytest.raises(InputError, match="has no workers: start some"),
    ):
        build_cohort(manifest, tmp_path / "s", scheduler=cluster.scheduler_address)


class KilledWorker(Exception):
    """What dask raises for work whose workers died."""


class Failing(Executor):
    """An executor that does no work: its futures end with an error, or cancelled."""

    def __init__(self, error=None):
        self.error = error

    def submit(self, *_args):
        future = Future()
        if self.error is None:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(self.error)
        return future


def test_a_worker_that_dies_far_away_is_its_tasks_error():
    outcomes = list(run_on(Failing(KilledWorker()), [1, 2], abs, width=1))
    assert [(outcome.task, outcome.error) for outcome in outcomes] == [(1, DIED), (2, DIED)]
    (outcome,) = run_on(Failing(OSError(5, "the network is down")), [1], abs, width=1)
    assert outcome.error == "the network is down."


def test_a_scheduler_that_drops_the_work_ends_the_run():
    with pytest.raises(InputError, match="The scheduler dropped the work"):
        list(run_on(Failing(), [1, 2], abs, width=2))


KILLED = """
import os, signal, sys
from Testing.unit.test_cohort_build import build_in_this_process
left = int(sys.argv[3])
def counted(event, arguments):
    global left
    touches = event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod")
    if touches and sys.argv[2] in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(counted)
build_in_this_process(sys.argv[1], sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_build_that_is_killed_anywhere_goes_on_to_the_same_bytes(built, manifest, tmp_path):
    """Killed before one after the other of the things that it does to the store's files."""
    store, done, kills = tmp_path / "s", {}, random.Random(0)
    for _ in range(4):
        step = str(kills.randint(0, 20))
        command = [sys.executable, "-c", KILLED, str(manifest), str(store), step]
        code = subprocess.run(command, check=False).returncode
        assert code == -signal.SIGKILL
        there = times(store) if (store / "cases").is_dir() else {}
        whole = {name: time for name, time in there.items() if not name.startswith(".")}
        assert {name: whole.get(name) for name in done} == done  # nothing is lost or done twice
        done = whole
    assert 0 < len(done) < COUNT
    build_in_this_process(manifest, store)
    assert {name: times(store)[name] for name in done} == done
    assert contents(store) == contents(built)


def test_ctrl_c_leaves_an_index_of_what_is_there(manifest, built, tmp_path):
    class CancelledAfterTwo(Silent):
        fraction = 0.0
        cancelled = property(lambda self: self.fraction > 1.5 / COUNT)

        def report(self, fraction, message):
            self.fraction = fraction

    with pytest.raises(CancelledError):
        build_in_this_process(manifest, tmp_path / "s", progress=CancelledAfterTwo())
    store = open_store(tmp_path / "s")
    assert ([case.case for case in store.cases], store.rows) == (["c0", "c1"], COUNT)
    build_in_this_process(manifest, tmp_path / "s")
    with pytest.raises(CancelledError):  # and what is from before stays in the index
        build_in_this_process(manifest, tmp_path / "s", progress=CancelledAfterTwo())
    assert contents(tmp_path / "s") == contents(built)


def test_only_what_changed_is_done_again_and_who_left_is_gone(patients, tmp_path):
    rows = [row(number) for number in range(4)]
    path, store = write_manifest(patients / "changing.csv", rows), tmp_path / "s"
    build_in_this_process(path, store)
    before = times(store)
    write_manifest(path, [row(0), row(1, label="LUSC"), row(2)])
    summary = build_in_this_process(path, store)
    assert (summary.done, summary.skipped) == (1, 2)
    changed = {name for name, time in times(store).items() if before[name] != time}
    assert (changed, set(before) - set(times(store))) == ({"c1.npz"}, {"c3.npz"})
    assert [case.columns["histology"] for case in open_store(store).cases] == [
        "LUAD",
        "LUSC",
        "LUAD",
    ]
    os.utime(patients / "mask2.nrrd")
    assert build_in_this_process(path, store).done == 1


def test_a_case_whose_images_are_out_of_reach_is_kept_for_when_they_are_back(patients, tmp_path):
    path, store = write_manifest(patients / "away.csv", [row(0), row(1)]), tmp_path / "s"
    build_in_this_process(path, store)
    (patients / "ct1.nrrd").rename(patients / "away.nrrd")
    assert build_in_this_process(path, store).failed == 1
    assert [case.case for case in open_store(store).cases] == ["c0"]
    (patients / "away.nrrd").rename(patients / "ct1.nrrd")
    assert build_in_this_process(path, store).skipped == 2


def test_a_broken_case_is_a_row_without_names(patients, tmp_path):
    doe = patients / "Doe.nrrd"
    doe.write_bytes(b"NRRD0004\nnothing")
    rows = [row(0), row(1, ct="Doe.nrrd"), row(2, ct="gone/Doe2.nrrd")]
    path = write_manifest(patients / "broken.csv", rows)
    summary = build_in_this_process(path, tmp_path / "s")
    assert (summary.done, summary.failed, summary.exit_code) == (1, 2, 0)
    errors = table(tmp_path / "s" / "errors.csv")
    assert [error["case"] for error in errors] == ["c1", "c2"]
    assert "CT" in errors[0]["error"]
    written = [p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file()]
    assert not any(word in content for content in written for word in (b"Doe", b"MRN-"))


def test_identity_is_kept_where_it_is_asked_for(patients, tmp_path):
    path = write_manifest(patients / "kept.csv", [row(0)])
    build_in_this_process(path, tmp_path / "s", keep_identity=True)
    assert open_store(tmp_path / "s").cases[0].patient == "MRN-0"


def test_a_worker_with_another_key_is_refused(patients, tmp_path, monkeypatch):
    path = write_manifest(patients / "key.csv", [row(0)])
    made_elsewhere = iter(["one key", "another"])
    monkeypatch.setattr(build, "maker", lambda: next(made_elsewhere))
    build_in_this_process(path, tmp_path / "s")
    assert "another LUNGSQUAD_IDENTITY_KEY" in table(tmp_path / "s/errors.csv")[0]["error"]


def test_a_dicom_series_is_found_again_whatever_its_mask(tmp_path):
    """Its pixels and its series have hashes, which two outlines of it share."""
    write_series(tmp_path / "series", some_hu((6, 20, 20)), spacing=(2.0, 2.0, 3.0))
    for name, end in (("a", 9), ("b", 12)):
        ct = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "series")))
        mask = sitk.Image(ct.GetSize(), sitk.sitkUInt8)
        mask.CopyInformation(ct)
        mask[5:end, 5:end, 1:4] = 1
        sitk.WriteImage(mask, str(tmp_path / f"{name}.nrrd"))
    rows = [f"{name},series,{name}.nrrd" for name in "ab"]
    path = write_manifest(tmp_path / "m.csv", rows, "patient_id,ct,mask")
    build_in_this_process(path, tmp_path / "s")
    one, two = open_store(tmp_path / "s").cases
    assert one.series == two.series != ""
    assert (one.pixels, one.crop == two.crop) == (two.pixels, False)


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        ("ct,mask", ["a,b"], "lacks the column 'patient_id'"),
        ("patient_id,ct,mask", [",a,b"], "row 1: the cell 'patient_id' is empty"),
        ("patient_id,ct,mask,case", ["1,a,b,x", "2,c,d,X"], "has the case 'x' more than once"),
        (
            "patient_id,ct,mask,volume_ml",
            ["1,a,b,3"],
            "a column 'volume_ml', which is a field of the store",
        ),
        ("patient_id,ct,mask,age,age", ["1,a,b,3,4"], "has the column 'age' more than once"),
    ],
)
def test_a_manifest_that_makes_no_cohort_is_refused(tmp_path, columns, rows, said):
    path = write_manifest(tmp_path / "m.csv", rows, columns)
    with pytest.raises(InputError, match=said):
        build_cohort(path, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_another_s_is_refused(built, manifest, patients, tmp_path):
    with pytest.raises(InputError, match=r"holds cases of 16 voxels of 1 mm with a margin of 4"):
        build_cohort(manifest, built, preprocessing=replace(SMALL, margin=5))
    with pytest.raises(InputError, match="is no store and is not empty"):
        build_cohort(manifest, patients, preprocessing=SMALL)


def test_a_newer_store_is_refused(manifest, tmp_path):
    described = {"format_version": 99, "lungsquad": "9.9"}
    (tmp_path / "store.json").write_text(json.dumps(described), encoding="utf-8")
    for use in (lambda: open_store(tmp_path), lambda: build_cohort(manifest, tmp_path)):
        with pytest.raises(InputError, match=r"written by LungSquad 9\.9, which is newer"):
            use()


@pytest.mark.parametrize("size", [(7, 4, 1.0), (16, -1, 1.0), (512, 1, 1.0), (16, 4, 0.0)])
def test_a_preprocessing_that_makes_no_sense_is_refused(size):
    with pytest.raises(InputError, match=r"cannot be|must be"):
        Preprocessing(*size)


def test_real_cases_are_built_and_are_whole(case_data, tmp_path):
    cases = {"lidc_0001": "mask_consensus.nrrd", "lidc_0314": "SEG/seg.dcm"}
    rows = [
        f"{name},{case_data.folder}/open/{name}/CT,{case_data.folder}/open/{name}/{mask},{name}"
        for name, mask in cases.items()
    ]
    path = write_manifest(tmp_path / "m.csv", rows, "patient_id,ct,mask,case")
    assert build_in_this_process(path, tmp_path / "s").done == len(cases)
    store = open_store(tmp_path / "s")
    known = [facts(case_data / "open" / name / "mask_consensus.nrrd").ml for name in sorted(cases)]
    assert [case.volume_ml for case in store.cases] == pytest.approx(known)
    assert check_store(store) == ()
