"""Many cases: no bad one ends the run, nothing finished is lost or done twice."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.data.manifest import read_manifest
from LungSquadLib.data.processes import DIED, run_all
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.progress import Silent

from ..samples import ball_images, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "sample.safetensors")


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Four patients who differ in the size of their tumour."""
    folder = tmp_path_factory.mktemp("patients")
    for number, radius in enumerate((7.0, 8.0, 9.0, 10.0)):
        for image, name in zip(ball_images(radius=radius), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(folder / f"{name}{number}.nrrd"))
    return folder


def manifest(patients: Path, rows, columns="ct,mask,case") -> Path:
    path = patients / f"manifest-{abs(hash(tuple(rows)))}.csv"
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


def table(path: Path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(patients, model, out, rows, *options):
    arguments = ["batch", str(manifest(patients, rows)), "--model", str(model.path)]
    return main([*arguments, "-o", str(out), "--device", "cpu", *options])


GOOD = [f"ct{number}.nrrd,mask{number}.nrrd,case-{number}" for number in range(4)]


@pytest.mark.slow
def test_a_bad_case_is_a_row_and_the_rest_is_done(patients, model, tmp_path, capsys):
    rows = [GOOD[0], "nowhere.nrrd,mask1.nrrd,gone", "mask1.nrrd,ct1.nrrd,swapped", GOOD[2]]
    assert run(patients, model, tmp_path, rows, "--jobs", "2") == 0
    staged = {row["case"]: row["t_stage"] for row in table(tmp_path / "results.csv")}
    assert staged == {"case-0": "T1b", "case-2": "T1b"}
    errors = {row["case"]: row["error"] for row in table(tmp_path / "errors.csv")}
    assert set(errors) == {"gone", "swapped"}
    assert "There is no file or folder 'CT'" in errors["gone"]
    assert "2 failed" in capsys.readouterr().out
    page = (tmp_path / "index.html").read_text()
    assert "cases/case-2/report.html" in page
    assert errors["gone"].replace("'", "&#x27;") in page


@pytest.mark.slow
def test_a_second_run_keeps_what_is_whole(patients, model, tmp_path, capsys):
    assert run(patients, model, tmp_path, GOOD[:2]) == 0
    before = (tmp_path / "cases/case-0/prediction.json").stat().st_mtime_ns
    assert run(patients, model, tmp_path, GOOD[:3]) == 0
    assert "1 done, 2 finished before" in capsys.readouterr().out
    assert (tmp_path / "cases/case-0/prediction.json").stat().st_mtime_ns == before
    assert len(table(tmp_path / "results.csv")) == 3
    (tmp_path / "cases/case-1/prediction.json").unlink()
    assert run(patients, model, tmp_path, GOOD[:3]) == 0
    assert "1 done, 2 finished before" in capsys.readouterr().out


@pytest.mark.slow
def test_what_would_change_the_answer_is_done_again(patients, model, tmp_path, capsys):
    assert run(patients, model, tmp_path, GOOD[:1]) == 0
    assert run(patients, model, tmp_path, GOOD[:1], "--seed", "3") == 0
    assert "1 done, 0 finished" in capsys.readouterr().out
    os.utime(patients / "mask0.nrrd")
    assert run(patients, model, tmp_path, GOOD[:1], "--seed", "3") == 0
    assert "1 done, 0 finished" in capsys.readouterr().out


@pytest.mark.slow
def test_batch_and_predict_give_the_same_json(patients, model, tmp_path):
    assert run(patients, model, tmp_path / "batch", GOOD[:1]) == 0
    arguments = [str(patients / "ct0.nrrd"), str(patients / "mask0.nrrd"), "--device", "cpu"]
    out = tmp_path / "one"
    assert main(["predict", *arguments, "--model", str(model.path), "-o", str(out)]) == 0
    batch = json.loads((tmp_path / "batch/cases/case-0/prediction.json").read_text())
    assert batch == json.loads((out / "prediction.json").read_text())


def test_where_nothing_could_be_done_the_exit_code_says_so(patients, model, tmp_path):
    assert run(patients, model, tmp_path, ["no.nrrd,no.nrrd,a"]) == 1


@pytest.mark.linux
@pytest.mark.slow
def test_an_interrupted_run_keeps_what_was_finished(patients, model, tmp_path):
    arguments = ["batch", str(manifest(patients, GOOD)), "--model", str(model.path)]
    command = [sys.executable, "-m", "LungSquadLib", *arguments, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    done = tmp_path / "out/cases/case-0/prediction.json"
    limit = time.monotonic() + 120
    while not done.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1] == "lungsquad: Cancelled."
    kept = {row["case"] for row in table(tmp_path / "out/results.csv")}
    assert "case-0" in kept
    assert {path.name for path in (tmp_path / "out/cases").iterdir()} == kept
    assert run(patients, model, tmp_path / "out", GOOD) == 0
    assert len(table(tmp_path / "out/results.csv")) == 4


@pytest.mark.slow
def test_identity_of_the_manifest_is_hashed(patients, model, tmp_path):
    path = manifest(patients, ["ct0.nrrd,mask0.nrrd,MRN-4711"], "ct,mask,patient_id")
    arguments = ["batch", str(path), "--model", str(model.path), "--device", "cpu"]
    assert main([*arguments, "-o", str(tmp_path / "hidden")]) == 0
    written = [p.read_bytes() for p in (tmp_path / "hidden").rglob("*") if p.is_file()]
    assert not any(b"MRN-4711" in content for content in written)
    assert table(tmp_path / "hidden/results.csv")[0]["case"] == "case-0001"
    assert main([*arguments, "-o", str(tmp_path / "kept"), "--keep-identity"]) == 0
    assert table(tmp_path / "kept/results.csv")[0]["patient"] == "MRN-4711"


def square(number):
    if number == 3:
        raise InputError("three is not liked")
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.mark.linux
def test_a_process_that_dies_takes_nobody_with_it():
    outcomes = {outcome.task: outcome for outcome in run_all(range(8), square, jobs=2)}
    assert outcomes[3].error == "three is not liked"
    assert outcomes[5].error == DIED
    assert {n: o.result for n, o in outcomes.items() if o.error is None} == {
        n: n * n for n in (0, 1, 2, 4, 6, 7)
    }


def touch_and_wait(path):
    Path(path).touch()
    time.sleep(600)


def test_a_cancellation_is_heeded_while_a_process_works(tmp_path):
    said = tmp_path / "here"

    class CancelledOnceBegun(Silent):
        cancelled = property(lambda self: said.exists())

    with pytest.raises(CancelledError):
        list(run_all([said], touch_and_wait, jobs=1, progress=CancelledOnceBegun()))


@pytest.mark.skipif(sys.platform == "win32", reason="processes do not inherit pipes there")
@pytest.mark.slow
def test_processes_end_with_a_parent_that_was_killed(tmp_path):
    said = tmp_path / "here"
    code = (
        "from LungSquadLib.data.processes import run_all\n"
        "from Testing.unit.test_batch import touch_and_wait\n"
        f"list(run_all([{str(said)!r}], touch_and_wait, jobs=1))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    end = time.monotonic() + 120
    while not said.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.kill()
    parent.communicate(timeout=120)  # which ends when nobody holds the other end of the pipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ct mask\na b\n", "lacks the columns 'ct' and 'mask'"),
        ("ct,mask\n", "has no rows"),
        ("ct,mask\na\n", "row 1: it has more or fewer cells"),
        ("ct,mask\na,\n", "row 1: the cell 'mask' is empty"),
        ("ct,mask,label\na,b,x\n", "the label 'x' is not a whole number"),
        ("ct,mask,case\na,b,../x\n", "cannot name a folder"),
        ("ct,mask,case\na,b,x\nc,d,x\n", "the case 'x' more than once"),
        ('ct,mask\n"a,b\n', "not a CSV table"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path, text, said):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said.replace("../", r"\.\./")):
        read_manifest(tmp_path / "m.csv")


def test_a_manifest_from_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "m.csv").write_bytes(
        "\ufeffct,mask,roi,label,site\r\n a ,b,GTV 1,2,Zürich\r\n".encode()
    )
    (row,) = read_manifest(tmp_path / "m.csv")
    assert (row.ct, row.mask) == (tmp_path / "a", tmp_path / "b")
    assert (row.roi, row.label, row.case) == ("GTV 1", 2, "case-0001")
