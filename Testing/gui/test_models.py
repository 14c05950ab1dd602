"""Models in the panel: what is installed and published, fetching, adding, the one used last."""

from __future__ import annotations

import shutil

import pytest

from LungSquadLib.models import published
from LungSquadLib.models.published import fetch_model

from .. import model_samples
from ..bucket_stand_in import serving
from ..samples import write_model
from .conftest import at_rest

pytest.importorskip("h5py", reason="Keras weights: h5py is not installed")
FIRST_LINES = """
from dataclasses import replace
from functools import partial
from LungSquadLib.models import published
from LungSquadLib.worker import __main__ as worker
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the published network's size, which are no published ones."""
    path = tmp_path_factory.mktemp("weights") / "theirs.h5"
    return model_samples.keras_file(path, model_samples.network(input_size=50))


@pytest.fixture
def server(tmp_path, weights, monkeypatch):
    """A server with these weights; the worker and this process know their checksum and address."""
    from LungSquadLib.mrml.panel import worker_process

    known = model_samples.publish(weights, tmp_path / "server", monkeypatch)
    with serving(tmp_path / "server") as stand_in:
        code = FIRST_LINES + (
            f"published.SERVER = {stand_in.url!r}\n"
            f"known = dict(git_sha1={known.git_sha1!r}, size={known.size})\n"
            "known = replace(published.PUBLISHED['hosny2018'], **known)\n"
            "published.PUBLISHED['hosny2018'] = known\n"
            "published.import_keras = partial(published.import_keras, width=0.02)\n"
            f"published.fetch_model = partial(published.fetch_model, server={stand_in.url!r})\n"
            "worker.main()"
        )
        monkeypatch.setattr(worker_process, "command", lambda python: [python, "-c", code])
        yield stand_in


@pytest.fixture
def users(panel, monkeypatch, tmp_path):
    """The folder of the user's models, for the worker too."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    folder = tmp_path / "share" / "LungSquad" / "models"
    monkeypatch.setattr(catalogue, "user_folder", lambda: folder)
    return folder


def texts(table) -> list[list[str]]:
    """The cells of a table."""
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def test_installed_models_show_licence_and_training_data(panel, wait_until):
    rows = texts(panel.ui.modelTable)
    assert [row[0] for row in rows] == ["Model one", "Model two"]
    for entry, row in zip(panel.models._entries, rows, strict=True):
        assert row[1:] == [entry.card.training.data, entry.card.licence, "LUNGSQUAD_MODELS"]
    panel.ui.modelTable.selectRow(1)
    wait_until(lambda: panel.ui.installedLabel.text.startswith("Model two"))
    about = panel.ui.installedLabel.text
    entry = panel.models._entries[1]
    for text in (entry.card.training.data, entry.card.licence, str(entry.path)):
        assert text in about


def test_a_broken_model_file_says_why(panel, models, wait_until):
    broken = models / "broken.safetensors"
    broken.write_bytes(b"nothing")
    try:
        panel.enter()
    finally:
        broken.unlink()
    (row,) = (row for row in texts(panel.ui.modelTable) if row[0] == "broken")
    assert "cannot be used" in row[1]


def test_published_models_show_source_licence_and_size(panel, wait_until):
    ui = panel.ui
    assert ui.publishedSelector.count == 4
    about = ui.publishedLabel.text
    assert "Licence: MIT. In a hospital: yes, for research." in about
    assert "Size: 47.5 MB. Source: github.com/modelhub-ai/deep-prognosis." in about
    assert "downloads it from raw.githubusercontent.com" in about
    assert ui.fetchModelButton.enabled
    ui.publishedSelector.currentIndex = 1
    wait_until(lambda: not ui.fetchModelButton.enabled)
    assert "zenodo.org/records/10528450" in ui.publishedLabel.text
    assert "Import weights..." in ui.publishedLabel.text


def test_nothing_is_fetched_without_a_yes(panel, server, users, gui, wait_until):
    from PySide6.QtWidgets import QMessageBox

    gui.messages.answer = QMessageBox.StandardButton.Cancel
    panel.ui.fetchModelButton.click()
    wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text == "Nothing was fetched."
    (question,) = (text for _level, text in gui.messages.shown)
    for text in ("raw.githubusercontent.com", "MIT", " MB)", "nothing about a patient is sent"):
        assert text in question
    assert server.requests == []
    assert not users.exists()


def test_a_model_is_fetched_cancelled_and_continued(panel, server, users, wait_until, heartbeat):
    """In the worker: the window responds, the part that came is kept, and nothing else."""
    ui = panel.ui

    def slowly(handler, path):
        handler.answer((server.folder / path.lstrip("/")).read_bytes(), "x", seconds=0.05)
        return True

    server.spoil = slowly
    with heartbeat:
        ui.fetchModelButton.click()
        wait_until(lambda: " MB" in ui.statusLabel.text, 60)
        assert not ui.fetchModelButton.enabled
        assert not ui.addModelButton.enabled
        assert 0 < ui.progressBar.value < 100
        ui.cancelButton.click()
    assert heartbeat.longest < 0.25
    wait_until(lambda: at_rest(panel))
    assert ui.statusLabel.text == "Cancelled."
    wait_until(lambda: not (users / ".lock").exists())
    assert [path.name for path in users.iterdir()] == ["weights.h5.part"]
    ranges = []
    server.spoil = lambda handler, _path: ranges.append(handler.headers["Range"])
    ui.fetchModelButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    assert ui.statusLabel.text.startswith("The model 'hosny-2018' is installed: ")
    assert int(ranges[0].removeprefix("bytes=").rstrip("-")) > 0
    assert [path.name for path in users.iterdir()] == ["hosny-2018.safetensors"]
    row = texts(ui.modelTable)[ui.modelTable.currentRow()]
    assert row[2:] == ["MIT, from github.com/modelhub-ai/deep-prognosis.", "you"]
    assert "It is installed." in ui.publishedLabel.text
    assert ui.modelSelector.findData("hosny-2018") >= 0


def test_weights_of_this_machine_are_imported_without_a_request(
    panel, server, users, weights, gui, working_here, monkeypatch, wait_until
):
    monkeypatch.setattr(published, "user_folder", lambda: users)
    small = published.import_keras
    monkeypatch.setattr(
        published, "import_keras", lambda *given, **named: small(*given, width=0.02, **named)
    )
    gui.file_answers.append(str(weights))
    panel.ui.importWeightsButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    assert panel.ui.statusLabel.text.startswith("The model 'hosny-2018' is installed: ")
    assert server.requests == []


def test_other_weights_are_refused(panel, server, users, gui, working_here, tmp_path, wait_until):
    other = tmp_path / "other.h5"
    other.write_bytes(b"other")
    gui.file_answers.append(str(other))
    panel.ui.importWeightsButton.click()
    wait_until(lambda: "does not hold the published weights" in panel.ui.statusLabel.text)
    assert not list(users.glob("*"))


def test_a_model_file_is_added(panel, users, gui, working_here, monkeypatch, tmp_path, wait_until):
    monkeypatch.setattr(published, "user_folder", lambda: users)
    file = tmp_path / "three.safetensors"
    write_model(file, seed=3, name="three", title="Model three")
    gui.file_answers.append(str(file))
    panel.ui.addModelButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    assert (users / "three.safetensors").read_bytes() == file.read_bytes()
    assert gui.messages.shown == []
    assert panel.ui.modelSelector.findData("three") >= 0
    assert texts(panel.ui.modelTable)[panel.ui.modelTable.currentRow()][0] == "Model three"


def test_a_model_of_the_same_name_is_asked_about(
    panel, models, users, gui, working_here, wait_until
):
    from PySide6.QtWidgets import QMessageBox

    gui.messages.answer = QMessageBox.StandardButton.Cancel
    gui.file_answers.append(str(models / "one.safetensors"))
    panel.ui.addModelButton.click()
    wait_until(lambda: at_rest(panel))
    assert "There is already a model 'one'" in gui.messages.shown[-1][1]
    assert not users.exists()


def test_a_broken_file_is_not_added(panel, models, users, gui, working_here, tmp_path, wait_until):
    file = tmp_path / "three.safetensors"
    shutil.copyfile(models / "one.safetensors", file)
    content = bytearray(file.read_bytes())
    content[-4:] = b"\0\0\xc0\x7f"  # the last weight is not a number
    file.write_bytes(content)
    gui.file_answers.append(str(file))
    panel.ui.addModelButton.click()
    wait_until(lambda: "cannot be used" in panel.ui.statusLabel.text)
    assert not list(users.glob("*"))


def test_the_model_used_last_is_kept_for_the_next_session(
    panel, module, working_here, scene, wait_until
):
    import qt

    from .conftest import put_away

    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.findData("two")
    wait_until(lambda: at_rest(panel))
    assert qt.QSettings().value("LungSquad/modelSelector") is None  # chosen, not used
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 120)
    assert qt.QSettings().value("LungSquad/modelSelector") == "two"
    scene.Clear(0)
    later = type(module)()
    try:
        later.enter()
        wait_until(lambda: at_rest(later.panel))
        assert later.panel.ui.modelSelector.currentData == "two"
        assert later.panel.prediction.chosen_paths()[0].stem == "two"
    finally:
        put_away(later)


def test_packages_that_are_missing_are_asked_for_and_leave_slicers_alone(gui, monkeypatch):
    import slicer

    from LungSquadLib.mrml.panel.installation import install

    installed: list = []
    monkeypatch.setattr(slicer.util, "pip_install", installed.append, raising=False)
    assert install(["h5py"]) == "h5py is installed. Press the button again."
    assert installed == [["--no-deps", "h5py"]]
    assert "LungSquad needs h5py" in gui.messages.shown[0][1]


def test_fetch_model_imports_an_encoder_only_from_a_file(tmp_path):
    from LungSquadLib.errors import ModelError

    with pytest.raises(ModelError, match="is imported from a file"):
        fetch_model("fmcib", tmp_path)
    with pytest.raises(ModelError, match="cannot be imported as fmcib"):
        fetch_model("fmcib", tmp_path, source=tmp_path / "nothing.pt")
    assert list(tmp_path.iterdir()) == []
