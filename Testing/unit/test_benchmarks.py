"""The benchmarks' arithmetic and tables, on recorded samples; and a quick run of them."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.benchmarks.goals import Goal, disagreements, goals_of
from Testing.benchmarks.results import markdown, row, write

ROOT = Path(__file__).parents[2]


def recorded():
    """Results as a run leaves them, with round numbers."""

    def crop(cpu, peak):
        return row(warm_s=[cpu], cpu_s=[cpu, cpu, 9.0], cold_s=[4 * cpu], peak_mb=[peak])

    def agreement(hu=1.0, voxels=0, shift=0.0):
        return {"largest_hu": hu, "mask_voxels": voxels, "shift_mm": shift}

    names = ("LungSquad", "SimpleITK, whole volume then crop", "torchio")
    names = (*names, "MONAI (ITKReader, Spacingd)")
    network = {
        "title": "prognosis network",
        "ours": "folded",
        "goal": 0.88,
        "note": "",
        "nominal_gflop": 50.0,
        "peak": row(gflops=[100.0]),
        "rows": {
            "folded": {
                "executed_gflop": 45.0,
                "apart": 1e-7,
                **row(cpu_s=[0.5, 0.6, 0.7], nominal=[0.91, 0.9, 0.89]),
            }
        },
    }
    return {
        "started": "2026-11-23 08:00 UTC",
        "quick": False,
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "memory_gb": 24.0,
            "load": 0.5,
            "system": "Linux",
            "python": "3.11.7",
            "packages": {"torch": "2.13.0"},
        },
        "crop": {
            "slices": 300,
            "rows": dict(
                zip(names, map(crop, (0.1, 1.5, 4.0, 12.0), (140, 800, 1400, 4200)), strict=True)
            ),
            "agreement": {name: agreement() for name in names},
            "in_memory": row(warm_s=[0.02], cpu_s=[0.02, 0.03, 0.5]),
            "peak_by_slices": {"150": row(peak_mb=[140.0]), "600": row(peak_mb=[144.0])},
        },
        "network": {"prognosis": network},
        "start": {
            "rows": {
                "lungsquad --help": row(seconds=[0.3, 0.1, 0.2]),
                "import LungSquadLib": row(seconds=[0.04]),
            },
            "pulled": [],
        },
        "cohort": {"slices": 100, "rows": {"few": built(20), "many": built(200)}},
        "tables": {
            "genes": 20_000,
            "patients": 1_000,
            "missing": 0.02,
            "rows": {"genes x patients": {"mb": 187.0, **read()}},
        },
        "molecules": {
            "genes": 20_000,
            "patients": 1_000,
            "rows": {"autoencoder, an epoch": read(), "integration, a fold": read()},
        },
        "features": {
            "volume_ml": 3.5,
            "rows": {"LungSquad": computed(0.1), "mirp": computed(2)},
            "skipped": {"nyxus": "nyxus was left out."},
        },
    }


def built(cases, *, cpu=0.125, peak=100.0, worker_peak=200.0):
    samples = {"cpu_s": [cpu], "wall_s": [0.2], "peak_mb": [peak], "worker_peak_mb": [worker_peak]}
    return {"cases": cases, **row(**samples)}


def read(*, cpu=5, peak=300):
    return row(cpu_s=[cpu], wall_s=[6], peak_mb=[peak])


def computed(cpu):
    samples = {"cpu_s": [cpu], "cold_cpu_s": [5 * cpu], "peak_mb": [200.0]}
    return {"features": 210, "version": "1.0", **row(**samples)}


def goal(results, subject):
    (found,) = [one for one in goals_of(results) if subject in one.subject]
    return found


def test_every_goal_is_reached_at_its_limit():
    results = recorded()
    assert [one.subject for one in goals_of(results) if not one.reached] == []
    against = goal(results, "against MONAI")
    assert (against.asked, against.measured) == ("at most 1/100", "1/120")


@pytest.mark.parametrize(
    ("subject", "spoil"),
    [
        ("against SimpleITK", lambda r: r["crop"]["rows"].update({"LungSquad": _slow(0.11)})),
        ("peak memory", lambda r: _peaks(r, 251.0, 251.0)),
        ("peak memory, most", lambda r: _peaks(r, 100.0, 120.0)),
        ("in memory", lambda r: r["crop"].update(in_memory=row(warm_s=[0.01], cpu_s=[0.031]))),
        ("prognosis", lambda r: _folded(r).update(row(cpu_s=[1.0], nominal=[0.87]))),
        ("--help", lambda r: r["start"]["rows"].update({"lungsquad --help": row(seconds=[0.26])})),
        ("cases a core", lambda r: r["cohort"]["rows"].update(many=built(200, cpu=0.13))),
        ("of the caller", lambda r: r["cohort"]["rows"].update(many=built(200, peak=116.0))),
        ("of the worker", lambda r: r["cohort"]["rows"].update(few=built(20, worker_peak=184.0))),
        ("pulls", lambda r: r["start"].update(pulled=["numpy"])),
        ("CPU time, genes", lambda r: _genes(r).update(read(cpu=10.1))),
        ("peak memory, genes", lambda r: _genes(r).update(read(peak=2100))),
        (
            "CPU time, autoenc",
            lambda r: _networks(r).update({"autoencoder, an epoch": read(cpu=6)}),
        ),
        (
            "peak memory, int",
            lambda r: _networks(r).update({"integration, a fold": read(peak=3e3)}),
        ),
        ("against mirp", lambda r: r["features"]["rows"].update(mirp=computed(1.9))),
        ("against pict", lambda r: r["features"]["rows"].update(pictologics=computed(0.02))),
        ("CPU time", lambda r: r["features"]["rows"].update(LungSquad=computed(1.1))),
    ],
)
def test_a_goal_that_is_missed_is_called_so(subject, spoil):
    results = recorded()
    spoil(results)
    missed = [one.subject for one in goals_of(results) if not one.reached]
    assert any(subject in one for one in missed)
    assert "**not reached**" in markdown(results)


def test_what_is_no_number_reaches_nothing():
    assert not Goal("crop", "", float("nan"), 250, "MB").reached
    assert not Goal("crop", "", float("nan"), 15, "part").reached


def test_contenders_that_disagree_are_named():
    results = recorded()
    assert disagreements(results) == []
    results["crop"]["agreement"]["torchio"]["mask_voxels"] = 3
    _folded(results)["apart"] = float("nan")
    assert [sentence.split(":")[0] for sentence in disagreements(results)] == [
        "torchio",
        "prognosis network, folded",
    ]


def test_results_are_written_as_json_with_every_sample_and_as_tables(tmp_path: Path):
    write(recorded(), tmp_path)
    read = json.loads((tmp_path / "results.json").read_text())
    assert read["crop"]["rows"]["LungSquad"] == {
        "samples": {"warm_s": [0.1], "cpu_s": [0.1, 0.1, 9.0], "cold_s": [0.4], "peak_mb": [140]},
        "medians": {"warm_s": 0.1, "cpu_s": 0.1, "cold_s": 0.4, "peak_mb": 140},
    }
    assert all(one["reached"] for one in read["goals"])
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert "| torchio | 4 | 4 | 16.0 | 1400 | 40.0 x |" in lines
    assert "| folded | 0.6 | 0.900 | 0.810 | 45.0 | 1.0e-07 |" in lines
    assert "| `lungsquad --help` | 200 | 100 | 300 |" in lines
    assert "| many | 200 | 0.125 | 0.2 | 100 | 200 |" in lines
    assert "| cases a core | at least 8 a second | 8 a second | reached |" in lines
    assert "| peak memory | at most 250 MB | 144 MB | reached |" in lines
    assert "| genes x patients | 187 | 5 | 6 | 300 |" in lines
    assert "| CPU time, genes x patients | at most 10 s | 5 s | reached |" in lines
    assert "| mirp 1.0 | 210 | 2 | 10.0 | 200 | 20.0 x |" in lines
    assert "| CPU time against mirp | at most 1/20 | 1/20 | reached |" in lines
    assert "nyxus was left out." in lines


def test_a_table_that_was_not_measured_is_left_out():
    results = recorded()
    del results["crop"], results["network"], results["cohort"]
    del results["tables"], results["molecules"], results["features"]
    assert {one.table for one in goals_of(results)} == {"start"}
    assert "Crop" not in markdown(results)


def test_each_table_is_written_when_it_is_done_and_one_that_fails_is_a_row(tmp_path, monkeypatch):
    from Testing.benchmarks import __main__ as program
    from Testing.benchmarks import cohort, start, tables

    def cohort_run(*, quick):
        written = json.loads((tmp_path / "results.json").read_text())
        assert quick
        assert written["start"] == recorded()["start"]
        raise RuntimeError("cohort failed on {}:\nTraceback\nModuleNotFoundError: a | b")

    monkeypatch.setattr(start, "run", lambda *, quick: recorded()["start"])
    monkeypatch.setattr(cohort, "run", cohort_run)
    monkeypatch.setattr(tables, "run", lambda *, quick: recorded()["tables"])
    arguments = ["bench", "-o", str(tmp_path), "--quick"]
    for name in ("start", "cohort", "tables"):
        arguments += ["--only", name]
    monkeypatch.setattr(sys, "argv", arguments)
    assert program.main() == 1
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["failed"] == {"cohort": "RuntimeError: ModuleNotFoundError: a | b"}
    assert found["tables"] == recorded()["tables"]
    assert "cohort" not in found
    text = (tmp_path / "results.md").read_text()
    assert "| cohort | RuntimeError: ModuleNotFoundError: a \\| b |" in text


@pytest.mark.slow
def test_a_quick_run_measures_what_needs_no_peers(tmp_path):
    pytest.importorskip("sklearn")
    names = ("tables", "molecules", "features")
    only = [word for name in names for word in ("--only", name)]
    command = [sys.executable, "-m", "Testing.benchmarks", "-o", str(tmp_path), "--quick", *only]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["failed"] == {}
    assert set(names) <= set(found)


def test_the_environment_of_the_benchmarks_pins_what_it_asks_for():
    """Networks of tables need scikit-learn, and what that needs."""
    pytest.importorskip("sklearn")
    folder = ROOT / "Testing" / "benchmarks"
    asked, pinned = (
        {_plain(name) for name in re.findall("^[A-Za-z][^=# ]*", text, re.MULTILINE)}
        for text in (
            (folder / f"{name}.txt").read_text() for name in ("requirements", "constraints")
        )
    )
    assert "scikit-learn" in asked
    needs = {_plain(re.match("[A-Za-z0-9_.-]+", one)[0]) for one in _required("scikit-learn")}
    assert (asked | needs) - pinned == set()


def _required(name):
    return [one for one in importlib.metadata.requires(name) or () if "extra ==" not in one]


def _plain(name):
    return re.sub("[-_.]+", "-", name).lower()


def _slow(cpu):
    return row(warm_s=[cpu], cpu_s=[cpu], cold_s=[cpu], peak_mb=[1])


def _peaks(results, *values):
    results["crop"]["peak_by_slices"] = {
        str(150 * n): row(peak_mb=[value]) for n, value in enumerate(values, 1)
    }


def _genes(results):
    return results["tables"]["rows"]["genes x patients"]


def _networks(results):
    return results["molecules"]["rows"]


def _folded(results):
    return results["network"]["prognosis"]["rows"]["folded"]
