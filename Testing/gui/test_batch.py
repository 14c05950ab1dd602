"""The batch of the panel: its plan, progress, cancelling, resuming and the page of results."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest
import SimpleITK as sitk

from ..samples import ball_images
from .conftest import at_rest


@pytest.fixture
def chosen(panel, gui, tmp_path, wait_until):
    """The panel with a manifest of two cases and an empty folder for their results."""
    rows = []
    for number, radius in enumerate((9.0, 7.0)):
        files = {"ct": tmp_path / f"ct{number}.nrrd", "mask": tmp_path / f"mask{number}.nrrd"}
        for path, image in zip(files.values(), ball_images(radius=radius), strict=True):
            sitk.WriteImage(image, str(path))
        rows.append({name: path.name for name, path in files.items()})
    manifest, folder = tmp_path / "manifest.csv", tmp_path / "results"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("ct", "mask"))
        writer.writeheader()
        writer.writerows(rows)
    folder.mkdir()
    ui = panel.ui
    panel.context.state.model = "one"
    wait_until(lambda: at_rest(panel))
    assert not ui.batchButton.enabled
    gui.file_answers += [str(manifest), str(folder)]
    ui.manifestButton.click()
    ui.batchFolderButton.click()
    wait_until(lambda: at_rest(panel))
    assert ui.batchLabel.text.startswith("manifest.csv: 2 cases. 0 finished before are kept.\n")
    return panel, folder


def test_a_batch_is_run_and_its_page_opened(chosen, working_here, wait_until, monkeypatch):
    import qt

    panel, folder = chosen
    ui = panel.ui
    assert not ui.batchResultsButton.enabled
    ui.batchButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 120)
    said = "2 done, 0 finished before, 0 failed. Open the page of results."
    assert ui.statusLabel.text == said
    assert "2 finished before are kept." in ui.batchLabel.text
    with (folder / "results.csv").open(encoding="utf-8") as file:
        assert [row["model"] for row in csv.DictReader(file)] == ["one", "one"]
    shown: list = []
    browser = SimpleNamespace(openUrl=lambda url: shown.append(url.toLocalFile()) or True)
    monkeypatch.setattr(qt, "QDesktopServices", browser)
    ui.batchResultsButton.click()
    assert shown == [str(folder / "index.html")]


def test_a_batch_shows_its_progress_and_is_cancelled(chosen, working, wait_until):
    panel, _folder = chosen
    working("heedful")
    panel.ui.batchButton.click()
    wait_until(lambda: "more minutes at the pace until now" in panel.ui.batchLabel.text, 60)
    assert panel.ui.batchLabel.text.startswith("2 cases. About ")
    panel.ui.cancelButton.click()
    wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text == "Cancelled."
    assert panel.ui.batchButton.enabled
    assert "finished before" in panel.ui.batchLabel.text


def test_a_folder_of_patients_is_planned_run_and_timed(
    panel, gui, working_here, tmp_path, wait_until, monkeypatch
):
    from LungSquadLib.mrml.panel import batch

    patients, results, ui = tmp_path / "patients", tmp_path / "results", panel.ui
    for name, radius in (("p1", 9.0), ("p2", 7.0), ("p3", 8.0)):
        (patients / name).mkdir(parents=True)
        images = ball_images(radius=radius)
        for file, image in zip(("ct.nrrd", "tumour.nrrd"), images, strict=True):
            sitk.WriteImage(image, str(patients / name / file))
    (patients / "p3" / "tumour.nrrd").unlink()
    results.mkdir()
    panel.context.state.model = "one"
    gui.file_answers += [str(patients), str(results)]
    ui.patientsButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    ui.batchFolderButton.click()
    wait_until(lambda: at_rest(panel))
    plan, pace, left_out = ui.batchLabel.text.split("\n")
    assert plan == "patients: 2 cases. 0 finished before are kept."
    assert pace == "The first cases will show how long it takes."
    assert left_out.startswith("Left out: 'p3'. It holds no outline")
    seconds = iter((100.0,))  # at the start, and 148 later
    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=lambda: next(seconds, 148.0)))
    ui.batchButton.click()
    wait_until(lambda: (results / "index.html").is_file() and at_rest(panel), 120)
    assert ui.statusLabel.text.startswith("2 done, 0 finished before, 0 failed.")
    assert {path.name for path in (results / "cases").iterdir()} == {"p1", "p2"}
    assert "About 0 min for 0 cases, at 24.0 s each as in the last run" in ui.batchLabel.text
    empty = tmp_path / "empty"
    empty.mkdir()
    gui.file_answers.append(str(empty))
    ui.batchFolderButton.click()
    wait_until(lambda: at_rest(panel))
    assert "About 1 min for 2 cases, at 24.0 s each" in ui.batchLabel.text


def test_a_manifest_that_cannot_be_used_is_reported(panel, gui, tmp_path, wait_until):
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    gui.file_answers.append(str(tmp_path / "wrong.csv"))
    panel.ui.manifestButton.click()
    wait_until(lambda: at_rest(panel))
    assert "wrong.csv" in panel.ui.statusLabel.text
    assert not panel.ui.batchButton.enabled
