"""Full disks, Ctrl-C and killed runs: a result is whole or absent, and an older one stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from Testing import model_samples
from Testing.hostile import contents, sentences, table

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from LungSquadLib.cli import main
sys.exit(main(sys.argv[2:]))
"""
STOPPED = """
import signal, sys, time
from LungSquadLib.cli import main
from LungSquadLib.pipeline import case
number = int(sys.argv[1])
case.rendered = lambda folder: (signal.raise_signal(number), time.sleep(100))
sys.argv[1:] = sys.argv[2:]
sys.exit(main())
"""
PREDICT = "predict {vol} {mask} --model {model} --device cpu -o {here}/out"

# The largest file that the disk has room for, in bytes, and what is written.
FULL = {
    "NRRD": (2000, "crop {vol} {mask} -o {here}/kept.nrrd"),
    "NIfTI": (2000, "crop {vol} {mask} -o {here}/kept.nii.gz"),
    "MHA": (2000, "crop {vol} {mask} -o {here}/kept.mha"),
    "mask beside a crop": (
        70000,
        "crop {vol} {mask} -o {here}/kept.nrrd --mask-out {here}/mask.nii",
    ),
    "NPZ": (2000, "slices {vol} {mask} -o {here}/out"),
    "PNG": (300, "slices {here}/flat.nrrd {here}/ball.nrrd -o {here}/out"),
    "JSON": (2200, "slices {here}/tall.nrrd {here}/pole.nrrd -o {here}/out"),
    "HTML": (20000, "report {here}/finished"),
    "prediction": (20000, PREDICT),
    "evaluation": (20000, "evaluate {here}/t.csv --label y --score p -o {here}/out"),
    "safetensors": (20000, "models import-keras {here}/weights.h5 -o {here}/kept.safetensors"),
}


def run(code: str, number: int, command: list[str]) -> subprocess.CompletedProcess:
    """Run a piece of Python in a process of its own, with a number and a command line."""
    arguments = [sys.executable, "-B", "-c", code, str(number), *command]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # threads wait for one another on a busy machine
    return subprocess.run(arguments, capture_output=True, text=True, env=alone, check=False)


@pytest.fixture(scope="module")
def finished(good, tmp_path_factory):
    """The folder of a finished case."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(filled(PREDICT, good, folder)) == 0
    return folder / "out"


@pytest.fixture
def room(here, finished, tmp_path_factory):
    """Earlier results that must stay, and inputs for files that grow large alone."""
    for name in ("kept.nrrd", "kept.nii.gz", "kept.mha", "kept.safetensors"):
        (here / name).write_text("of an earlier run")
    (here / "out").mkdir()
    (here / "out" / "report.html").write_text("of an earlier run")
    shutil.copytree(finished, here / "finished")
    (here / "t.csv").write_text("y,p\n" + "0,0.2\n1,0.7\n0,0.6\n1,0.4\n" * 5)
    for shape, ct, mask in (((3, 300, 300), "flat", "ball"), ((300, 4, 4), "tall", "pole")):
        marked = np.zeros(shape, np.uint8)
        marked[:, 1:3, 1:3] = 1
        write(here / f"{ct}.nrrd", np.arange(np.prod(shape)).reshape(shape) // 9 % 1000 - 900)
        write(here / f"{mask}.nrrd", marked)
    write(here / "tall.nrrd", np.zeros((300, 4, 4)))
    return here


def write(path: Path, voxels: np.ndarray) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(voxels.astype(np.int16)), str(path), True)


def filled(command: str, good, here: Path) -> list[str]:
    places = {
        "series": good.series,
        "vol": good.ct,
        "mask": good.mask,
        "model": good.model,
        "here": here,
    }
    return [part.format(**places) for part in command.split()]


@pytest.mark.slow
@table(FULL)
def test_a_full_disk_is_said_and_leaves_no_piece(row, good, room):
    pytest.importorskip("resource")
    limit, command = row
    if "weights.h5" in command:
        from LungSquadLib.networks import build

        model_samples.keras_file(
            room / "weights.h5", model_samples.randomise(build("prognosis", {}))
        )
    before = contents(room)
    done = run(LIMITED, limit, filled(command, good, room))
    assert done.returncode == 2, done
    (said,) = sentences(done.stderr).splitlines()
    assert said.startswith(f"lungsquad: '{room}"), said
    assert "File too large" in said or "is the disk full?" in said, said
    assert contents(room) == before


def test_output_that_cannot_be_written_is_said(good):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "LungSquadLib", "inspect", str(good.series), "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "lungsquad: No space left on device.\n")


# Where Ctrl-C comes, and in which command.
INTERRUPTED = {
    "while headers are read": (
        "LungSquadLib.imaging.ct.find_series",
        "crop {series} {mask} -o {here}/kept.nrrd",
    ),
    "while the CT is read": (
        "LungSquadLib.imaging.ct.CT.hu",
        "crop {vol} {mask} -o {here}/kept.nrrd",
    ),
    "while a volume is written": (
        "LungSquadLib.imaging.files.write._write",
        "crop {vol} {mask} -o {here}/kept.nrrd",
    ),
    "while slices are written": (
        "LungSquadLib.imaging.slices.write_json",
        "slices {vol} {mask} -o {here}/out",
    ),
    "while the network works": ("LungSquadLib.inference.classifier._other_runs", PREDICT),
    "while DICOM is written": (
        "LungSquadLib.pipeline.case.write_dicom",
        PREDICT.replace("{vol}", "{series}"),
    ),
    "while the result is written": ("LungSquadLib.pipeline.case.write_json", PREDICT),
    "while the report is made": ("LungSquadLib.pipeline.case.rendered", PREDICT),
    "while a report is made again": (
        "LungSquadLib.report.render.report_page",
        "report {here}/finished",
    ),
}


@table(INTERRUPTED)
def test_ctrl_c_leaves_no_piece(row, good, room, monkeypatch, capfd):
    place, command = row
    before = contents(room)

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place, interrupted)
        assert main(filled(command, good, room)) == 130
    out, said = capfd.readouterr()
    assert (out, sentences(said)) == ("", "lungsquad: Cancelled.\n")
    assert contents(room) == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.slow
def test_a_run_that_is_ended_can_be_begun_again(name, good, room):
    if not hasattr(signal, name) or os.name == "nt":
        pytest.skip(f"this system cannot send {name}")
    before = contents(room)
    done = run(STOPPED, getattr(signal, name), filled(PREDICT, good, room))
    left = {key: value for key, value in contents(room).items() if ".lungsquad-" not in key}
    assert left == before
    if name != "SIGKILL":  # which lets nobody clean up
        assert (done.returncode, sentences(done.stderr)) == (130, "lungsquad: Cancelled.\n")
        assert contents(room) == before
    assert main(filled(PREDICT, good, room)) == 0
    assert (room / "out" / "report.html").read_text().startswith("<!doctype html>")
