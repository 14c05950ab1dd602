"""Stores of cohorts on full disks and in the wrong places: a sentence, and nothing half-written."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from LungSquadLib.cli import main
from Testing.hostile import contents, sentences
from Testing.robustness.test_unfinished import LIMITED, run

BUILD = ("cohort", "build")
SMALL = ("--size", "16", "--margin", "2")


@pytest.fixture
def manifest(good, here):
    """Two cases, of one CT and two masks."""
    lines = ["patient_id,ct,mask", f"A,{good.ct},{good.mask}", f"A,{good.series},{good.seg}"]
    (here / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return here / "m.csv"


@pytest.mark.slow
def test_a_disk_too_full_for_cases_is_a_row_each_and_can_be_gone_on_with(manifest, here):
    pytest.importorskip("resource")
    done = run(LIMITED, 4000, [*BUILD, str(manifest), "-o", str(here / "s"), *SMALL])
    assert done.returncode == 1, done
    assert done.stdout == "0 done, 0 finished before, 2 failed\n"
    with (here / "s" / "errors.csv").open(encoding="utf-8", newline="") as file:
        assert all("File too large" in row["error"] for row in csv.DictReader(file))
    assert list((here / "s" / "cases").iterdir()) == []
    for store in ("s", "whole"):
        assert main([*BUILD, str(manifest), "-o", str(here / store), *SMALL]) == 0
    assert contents(here / "s") == contents(here / "whole")


def test_a_disk_too_full_for_the_index_is_said(manifest, here):
    pytest.importorskip("resource")
    done = run(LIMITED, 100, [*BUILD, str(manifest), "-o", str(here / "s"), *SMALL])
    assert done.returncode == 2, done
    (said,) = sentences(done.stderr).splitlines()
    assert said == f"lungsquad: '{here / 's' / 'store.json'}': File too large."
    assert [path for path in (here / "s").rglob("*") if path.is_file()] == []


def test_ctrl_c_leaves_no_piece(manifest, here, monkeypatch, capfd):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("LungSquadLib.data.case_loop.run_all", interrupted)
    assert main([*BUILD, str(manifest), "-o", str(here / "s")]) == 130
    assert sentences(capfd.readouterr().err) == "lungsquad: Cancelled.\n"
    names = {path.name for path in (here / "s").rglob("*")}
    assert names == {"cases", "store.json", "index.json", "errors.csv", "flags.csv"}


def test_a_patient_with_several_cases_is_no_duplicate_and_two_patients_with_one_ct_are(
    good, here, capfd
):
    case = f"{good.ct},{good.mask}"
    for ids, code in ((("A", "A"), 0), (("A", "B"), 1)):
        rows = [" patient_id, ct ,mask", *(f"{patient},{case}" for patient in ids)]
        (here / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        assert main([*BUILD, str(here / "m.csv"), "-o", str(here / "s"), *SMALL]) == 0
        capfd.readouterr()
        assert main(["cohort", "check", str(here / "s")]) == code
        out = capfd.readouterr().out
        assert ("belong to different patients" in out) == bool(code), out


def test_a_scheduler_that_does_not_answer_is_said_soon_and_leaves_nothing(manifest, here, refused):
    pytest.importorskip("distributed")
    begun = time.monotonic()
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        command = [*BUILD, manifest, "-o", here / "s", "--scheduler", address]
        refused(command, f"No dask scheduler answers at '{address}'")
    assert time.monotonic() - begun < 10


COMMANDS = {
    "a store that is none": ("cohort check {here}", "is no store of a cohort"),
    "a picture of none": ("cohort show {here}/gone -o {here}", "is no store of a cohort"),
    "no manifest": ("cohort build {here}/gone.csv -o {here}/s", "No such file"),
    "no process": ("cohort build {here}/m.csv -o {here}/s --jobs 0", "must be 1 or more"),
    "a cube too large": (
        "cohort build {here}/m.csv -o {here}/s --size 600",
        "which must be at most 512",
    ),
    "no spacing": ("cohort build {here}/m.csv -o {here}/s --spacing nan", "spacing must be"),
    "a store in a file": ("cohort build {here}/m.csv -o {here}/m.csv", "is a file"),
    "a folder that is in use": ("cohort build {here}/m.csv -o {here}", "is not empty"),
    "phantoms among other things": ("cohort phantoms -o {here}", "is not empty"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_makes_no_sense_is_refused(name, manifest, here: Path, refused):
    command, phrase = COMMANDS[name]
    refused(command.format(here=here).split(), phrase)
