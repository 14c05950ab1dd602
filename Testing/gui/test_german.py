"""The panel in German: the `.ts` file as Slicer uses it, compiled by Qt's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..translations import TRANSLATIONS, read_translations

GERMAN = TRANSLATIONS / "LungSquad_de.ts"


@pytest.fixture
def german(application, tmp_path):
    """The application speaks German."""
    import PySide6
    from PySide6.QtCore import QTranslator

    compiler = Path(PySide6.__file__).parent / "lrelease"
    if not compiler.is_file():
        pytest.skip("GUI: PySide6 has no lrelease here")
    compiled = tmp_path / "LungSquad_de.qm"
    command = [str(compiler), str(GERMAN), "-qm", str(compiled)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(read_translations(GERMAN))} finished and 0 unfinished" in run.stdout
    translator = QTranslator()
    assert translator.load(str(compiled))
    application.installTranslator(translator)
    yield
    application.removeTranslator(translator)


def texts_of(widget) -> dict[str, str]:
    """The texts of all labels and buttons by name."""
    from PySide6.QtWidgets import QAbstractButton, QLabel

    children = [*widget.findChildren(QLabel), *widget.findChildren(QAbstractButton)]
    return {child.objectName: child.text for child in children if child.objectName}


def test_the_panel_is_german(german, opened, scene, wait_until, screenshot):
    ui = opened.panel.ui
    wait_until(lambda: not opened.waiting())
    translated = read_translations(GERMAN)
    english = {text for _context, text in translated} - set(translated.values())
    shown = texts_of(opened.widget)
    assert [name for name, text in shown.items() if text in english] == []
    assert shown["predictButton"] == "Vorhersagen"
    assert shown["cropHint"] == "Wählen oder laden Sie zuerst ein CT."
    assert ui.tumourTable.horizontalHeaderItem(0).text() == "Tumor"
    scene.Clear(0)
    wait_until(lambda: ui.statusLabel.text == "Die Szene wurde geschlossen. Laden Sie ein CT.")


def test_progress_of_the_worker_is_german(german, panel, working_here, monkeypatch, wait_until):
    import qt

    def request(_verb, _fields, callbacks):
        qt.QTimer.singleShot(0, lambda: callbacks.progress(0.5, "Writing the report"))
        return 1

    monkeypatch.setattr(panel.worker, "request", request)
    panel.ui.predictButton.click()
    wait_until(lambda: panel.ui.statusLabel.text == "Schreiben des Berichts")
    panel.tasks.cancel()
    wait_until(lambda: panel.ui.statusLabel.text == "Abgebrochen.")


def unfold(panel) -> None:
    """Open all sections, and show all of their parts that wait for something."""
    for name, widget in vars(panel.ui).items():
        if name.endswith("Section"):
            widget.collapsed = False
        if name.endswith(("Section", "Frame")) and name != "editorSection":
            widget.visible = True


@pytest.mark.parametrize("language", ["english", "german"])
def test_no_text_is_cut_off(language, request, wait_until, screenshot):
    """In a panel of usual width, every button and label shows its whole text."""
    from PySide6.QtWidgets import QAbstractButton, QLabel

    if language == "german":
        request.getfixturevalue("german")
    opened = request.getfixturevalue("opened")
    unfold(opened.panel)
    screenshot(opened.widget, f"panel-{language}")
    assert opened.widget.width <= 560
    cut = []
    for kind in (QAbstractButton, QLabel):
        for child in opened.widget.findChildren(kind):
            if not (child.objectName and child.isVisible() and child.text):
                continue
            if kind is QLabel and child.wordWrap:
                fits = child.height >= child.heightForWidth(child.width)
            else:
                fits = child.width >= child.minimumSizeHint().width()
            if not fits:
                cut.append(child.objectName)
    assert cut == []
