"""A scene that keeps the files of reports: saved and loaded, taken out, and from anywhere."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..mrml.nodes import read_scene
from .conftest import at_rest, file_names
from .figures import figure


@pytest.fixture
def predicted(panel, working_here, wait_until):
    """The panel after a prediction, with the files of its report."""
    panel.context.state.model = "one"
    wait_until(lambda: at_rest(panel) and panel.ui.modelSelector.currentData == "one")
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    return panel


@pytest.fixture
def opened_reports(monkeypatch):
    """The files that a web browser was asked to open."""
    import qt

    paths: list[Path] = []
    browser = SimpleNamespace(openUrl=lambda url: paths.append(Path(url.toLocalFile())) or True)
    monkeypatch.setattr(qt, "QDesktopServices", browser)
    return paths


def kept(scene) -> list:
    """The nodes with the files of reports."""
    kind = "vtkMRMLTextNode"
    nodes = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
    return [node for node in nodes if node.GetName().startswith("Report files")]


def page_of(path: Path) -> str:
    """A report without the minute in which it was made."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", path.read_text(encoding="utf-8"))


def saved_and_loaded(panel, scene, folder, wait_until) -> None:
    from LungSquadLib.mrml.scene import write_scene

    write_scene(scene, folder / "scene.mrb")
    scene.Clear(0)
    wait_until(lambda: at_rest(panel))
    read_scene(scene, folder / "scene.mrb", folder / "read")
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))


def test_a_report_is_there_again_after_loading(
    predicted, scene, opened_reports, wait_until, tmp_path, temporary, gui
):
    ui = predicted.ui
    assert not ui.keepFilesCheckBox.checked
    assert kept(scene) == []
    ui.openReportButton.click()
    ui.keepFilesCheckBox.checked = True
    start = time.perf_counter()
    predicted._update()
    figure("report's files into the scene", (time.perf_counter() - start) * 1000, "ms")
    wait_until(lambda: at_rest(predicted))
    (node,) = kept(scene)
    figure("report's files in the scene", len(node.GetText()) / 1e6, "MB")
    before = page_of(opened_reports[0])
    saved_and_loaded(predicted, scene, tmp_path, wait_until)
    assert not opened_reports.pop().exists()  # the temporary files went with their scene
    assert ui.keepFilesCheckBox.checked
    assert len(kept(scene)) == 1
    ui.openReportButton.click()
    wait_until(lambda: at_rest(predicted))
    assert ui.statusLabel.text == "The report is open in the web browser."
    assert page_of(opened_reports[0]) == before
    assert opened_reports[0].is_relative_to(temporary)
    gui.file_answers.append(str(tmp_path))
    ui.saveReportButton.click()
    names = file_names(tmp_path / "LungSquad results")
    assert {"report.html", "prediction.json", "planes.npz", "crop.nrrd", "tumours.csv"} <= {*names}


def test_without_the_check_box_a_scene_has_no_files(
    predicted, scene, opened_reports, wait_until, tmp_path
):
    ui = predicted.ui
    ui.keepFilesCheckBox.checked = True
    wait_until(lambda: at_rest(predicted))
    saved_and_loaded(predicted, scene, tmp_path, wait_until)
    ui.keepFilesCheckBox.checked = False
    wait_until(lambda: at_rest(predicted))
    assert kept(scene) == []
    ui.openReportButton.click()  # they stay as long as the scene is open
    assert opened_reports[0].is_file()
    saved_and_loaded(predicted, scene, tmp_path, wait_until)
    opened_reports.clear()
    ui.openReportButton.click()
    wait_until(lambda: at_rest(predicted))
    assert "the scene was saved without" in ui.statusLabel.text
    assert opened_reports == []


def test_a_new_prediction_replaces_the_files(predicted, scene, wait_until):
    ui = predicted.ui
    ui.keepFilesCheckBox.checked = True
    wait_until(lambda: at_rest(predicted))
    x, y, z = predicted.crop.crop.mask_centre_of_mass_lps
    first = kept(scene)[0].GetText()
    predicted.context.state.centre = f"{x + 3} {y} {z}"
    wait_until(lambda: at_rest(predicted))
    ui.predictButton.click()
    wait_until(lambda: predicted.tasks.title)
    wait_until(lambda: at_rest(predicted), 60)
    (node,) = kept(scene)
    assert node.GetText() != first


def packed(**files: bytes | str) -> str:
    """A node's text with files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(data.getvalue()).decode()


def unpacked(text: str) -> dict[str, bytes]:
    """The files in a node's text."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(text))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def hostile(text: str) -> dict[str, str]:
    """Texts of nodes that are no files of a report, or say what hurts."""
    files = unpacked(text)
    described = json.loads(files["prediction.json"])
    outside = {**described, "files": {**described["files"], "crop": "../../secret.nrrd"}}
    return {
        "no base64": "<b>",
        "no zip": base64.b64encode(b"PK").decode(),
        "nothing": packed(),
        "a page": packed(**files, **{"report.html": "<script>alert(1)</script>"}),
        "a path": packed(**files, **{"../crop.nrrd": b"x"}),
        "an absolute path": packed(**files, **{"/tmp/crop.nrrd": b"x"}),
        "a name outside": packed(**{**files, "prediction.json": json.dumps(outside)}),
        "no JSON": packed(**{**files, "prediction.json": "{"}),
        "half": packed(**{**files, "prediction.json": '{"format_version": 4}'}),
        "a damaged volume": packed(**{**files, "crop.nrrd": b"NRRD0004\n"}),
    }


def test_hostile_files_are_not_opened(
    predicted, scene, opened_reports, wait_until, tmp_path, temporary, monkeypatch
):
    from LungSquadLib.mrml import report_files

    ui = predicted.ui
    ui.keepFilesCheckBox.checked = True
    wait_until(lambda: at_rest(predicted))
    saved_and_loaded(predicted, scene, tmp_path, wait_until)
    (node,) = kept(scene)
    good, before = node.GetText(), sorted(file_names(temporary))
    for name, text in hostile(good).items():
        node.SetText(text)
        ui.openReportButton.click()
        wait_until(lambda: at_rest(predicted))
        assert "'Report files, " in predicted.context.status, name
        assert (name, opened_reports) == (name, [])
        assert sorted(file_names(temporary)) == before
    node.SetText(good)
    with monkeypatch.context() as patch:
        patch.setattr(report_files, "_LARGEST", 1000)
        ui.openReportButton.click()
        assert "inflates to more" in predicted.context.status
    files = unpacked(good)
    described = json.loads(files["prediction.json"])
    described["predictions"][0]["question"] = "<script>alert(1)</script>"
    node.SetText(packed(**{**files, "prediction.json": json.dumps(described)}))
    ui.openReportButton.click()
    page = opened_reports[0].read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
