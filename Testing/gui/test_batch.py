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
    assert ui.batchLabel.text == "manifest.csv: 2 cases. 0 finished before are kept."
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
    assert ui.batchLabel.text.endswith("2 finished before are kept.")
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


def test_a_manifest_that_cannot_be_used_is_reported(panel, gui, tmp_path, wait_until):
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    gui.file_answers.append(str(tmp_path / "wrong.csv"))
    panel.ui.manifestButton.click()
    wait_until(lambda: at_rest(panel))
    assert "wrong.csv" in panel.ui.statusLabel.text
    assert not panel.ui.batchButton.enabled
