"""The batch script for Slicer does what `lungsquad batch` does, through a worker."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")
pytest.importorskip("torch", reason="networks: torch is not installed")

from LungSquadLib.mrml import slicer_batch
from LungSquadLib.mrml.scene import slicer

from ..samples import ball_images, write_model
from ..unit.test_worker import is_gone, wait_until

SCRIPT = slicer_batch.__file__
RANDOM = {"seg.dcm", "sr.dcm"}  # they hold the time at which they were written, and a new UID
MINUTE = rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC"  # at which a report was made


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A manifest of two patients and a row that is broken, and a model."""
    folder = tmp_path_factory.mktemp("Zürich patients")
    for number, radius in enumerate((7.0, 9.0)):
        for image, name in zip(ball_images(radius=radius), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(folder / f"{name}{number}.nrrd"))
    rows = [
        "ct,mask,case",
        "ct0.nrrd,mask0.nrrd,a",
        "no.nrrd,mask1.nrrd,b",
        "ct1.nrrd,mask1.nrrd,c",
    ]
    (folder / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "broken.csv").write_text("\n".join(rows[::2]), encoding="utf-8")
    write_model(folder / "model.safetensors")
    return folder


def start(program, inputs, out, *options, manifest="all.csv", model="model.safetensors"):
    """Run where the inputs are, with relative paths, and not where the library is."""
    command = [sys.executable, *program, manifest, "-o", out, "--model", model, "--device", "cpu"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *options], cwd=inputs, **streams)


def ended(process):
    out, errors = process.communicate(timeout=240)
    return process.returncode, out, errors


def files(folder):
    return {
        path.relative_to(folder): re.sub(MINUTE, b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name not in RANDOM
    }


@pytest.mark.slow
def test_files_and_exit_code_are_those_of_the_command_line(inputs):
    code, out, errors = ended(start([SCRIPT], inputs, "slicer", "--jobs", "2"))
    command_line = start(["-m", "LungSquadLib", "batch"], inputs, "command_line", "--jobs", "2")
    assert code == 0
    assert errors.startswith("lungsquad: row 2: There is no file or folder 'no.nrrd' (column 'ct'")
    assert errors.endswith("lungsquad: see slicer/errors.csv for what failed.\n")
    assert ended(command_line)[0] == 0
    assert " 33% 1 of 3 cases\n" in out
    assert "2 done, 0 finished before, 1 failed\nslicer/index.html\n" in out
    written = files(inputs / "slicer")
    assert len(written) > 10
    assert written == files(inputs / "command_line")


@pytest.mark.slow
def test_a_folder_of_patients_will_do(inputs):
    for number in range(2):
        patient = inputs / "patients" / f"patient {number}"
        patient.mkdir(parents=True)
        for name in ("ct", "mask"):
            shutil.copy(inputs / f"{name}{number}.nrrd", patient / f"{name}.nrrd")
    code, out, errors = ended(start([SCRIPT], inputs, "of a folder", manifest="patients"))
    assert (code, errors) == (0, "")
    assert "2 done, 0 finished before, 0 failed" in out


@pytest.mark.parametrize(
    ("options", "code", "errors"),
    [
        ({"manifest": "broken.csv"}, 1, "see out/errors.csv"),
        ({"manifest": "gone.csv"}, 2, "gone.csv': No such file"),
        ({"model": "nope"}, 2, "There is no model named 'nope'"),
        ({"out": ""}, 2, "An argument is empty"),
        ({"options": ["--jobs", "0"]}, 2, "--jobs must be 1 or more, not 0"),
        ({"options": ["--tea"]}, 2, "unrecognized arguments: --tea"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_one_sentence_and_the_exit_code_says_so(inputs, options, code, errors):
    given = {"out": "out", "options": [], **options}
    out, more = given.pop("out"), given.pop("options")
    ended_with, _, printed = ended(start([SCRIPT], inputs, out, *more, **given))
    assert ended_with == code
    assert errors in printed
    assert "Traceback" not in printed


def test_inside_slicer_the_application_ends_with_the_exit_code(monkeypatch, capsys):
    """An exception would leave Slicer running, with its window closed and nobody to end it."""
    codes = []
    util = type("util", (), {"exit": staticmethod(codes.append)})
    monkeypatch.setattr(slicer, "app", object(), raising=False)
    monkeypatch.setattr(slicer, "util", util, raising=False)
    for arguments in (["--help"], ["m.csv"], ["m.csv", "-o", "", "--model", "m"]):
        monkeypatch.setattr(sys, "argv", [SCRIPT, *arguments])
        slicer_batch.main()
    assert codes == [0, 2, 2]


def children(pid):
    """The processes that a process began, and those that they began; only Linux can say."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    direct = [int(text) for task in tasks for text in task.read_text().split()]
    return direct + [pid for child in direct for pid in children(child)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes: only on Linux")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_a_stopped_run_keeps_what_was_finished_and_leaves_no_process(inputs, number):
    out = inputs / f"stopped-{number}"
    process = start([SCRIPT], inputs, out.name)
    line = ""
    while "1 of 3" not in line:
        line = process.stdout.readline()
        assert line
    begun = children(process.pid)
    assert len(begun) >= 2  # the worker, and its process for one case
    process.send_signal(number)
    code, _, errors = ended(process)
    wait_until(lambda: all(is_gone(pid) for pid in begun))
    assert (out / "cases/a/prediction.json").exists()
    if number == signal.SIGKILL:  # nobody was printed
        return
    assert (code, errors) == (130, "lungsquad: Cancelled.\n")
    assert (out / "results.csv").read_text(encoding="utf-8").splitlines()[1].startswith("1,a,")
