"""The panel's `.ui` file holds together, by itself and with the code; and a breach is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ui_file import SHARED, UiFile

pytest.importorskip("PySide6.QtWidgets", reason="GUI: PySide6", exc_type=ImportError)

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "LungSquad" / "Resources" / "UI" / "LungSquad.ui"
CODE = ROOT / "LungSquadLib" / "mrml" / "panel"
SAMPLE = Path(__file__).with_name("sample.ui")
SAMPLE_CODE = """
@parameterNodeWrapper
class State:
    ct: Node
    share: float

class Section:
    def show(self):
        self.ui.ctSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.chosen)
        ui = self.ui
        ui.section.collapsed = ui.ctSelector.currentNode() is None
        ui.runButton.clicked.connect(self.run)
"""

# What is written wrongly, in the file or in the code, and the breach that is reported.
BREACHES = {
    "names": ('name="runButton"', 'name="section"', "2 widgets are called section."),
    "buddy": ("<cstring>ctSelector", "<cstring>nobody", "is nobody, which is not there"),
    "tab stop": ("<tabstop>runButton", "<tabstop>nobody", "is nobody, which is not there"),
    "tab stops": ("<tabstop>runButton", "<tabstop>ctSelector", "tab stop is named twice"),
    "custom": ("<class>ctkSliderWidget<", "<class>other<", "ctkSliderWidget is not among the"),
    "scene": ("<receiver>ctSelector", "<receiver>section", "ctSelector does not get the scene."),
    "slot": ("setMRMLScene(vtk", "setScene(vtk", "ctSelector does not get the scene."),
    "parameter": ("<string>share", "<string>shares", "No parameter is called shares."),
    "property": ('"noneEnabled"', '"noneAllowed"', "qMRMLNodeComboBox has no property noneAllowed"),
    "control": ('"toolTip"><string>Do', '"whatsThis"><string>Do', "runButton has no tool tip."),
    "mnemonic": ("<string>Run", "<string>Save to &amp;File", "The mnemonic f is taken."),
    "style": ('"windowTitle"', '"styleSheet"', "A style sheet is set"),
    "widget in code": ("ui.section.", "ui.sections.", "ui.sections, which is not there"),
    "method in code": (
        ".currentNode()",
        ".currentIndex()",
        "qMRMLNodeComboBox has no currentIndex",
    ),
    "signal in code": ('"currentNodeChanged(vtk', '"nodeChanged(vtk', "has no signal nodeChanged("),
    "property called": ("ui.section.collapsed =", "ui.section.collapsed() or", "property, and cal"),
    "property in code": ("ui.section.collapsed", "ui.section.folded", "Button has no folded."),
}
OF_SLICER = ("property", "property called", "method in code", "signal in code", "property in code")


def breaches(folder: Path, *, wrong: str = "", instead: str = "") -> list[str]:
    """The breaches in the sample, with something written differently in it."""
    texts = (SAMPLE.read_text(encoding="utf-8"), SAMPLE_CODE)
    if wrong:
        assert any(wrong in text for text in texts)
    for name, text in zip(("sample.ui", "code.py"), texts, strict=True):
        (folder / name).write_text(text.replace(wrong, instead) if wrong else text, "utf-8")
    return UiFile(folder / "sample.ui", folder).breaches()


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(breach, tmp_path):
    if breach in OF_SLICER and not SHARED.is_file():
        pytest.skip(f"names of real widgets: {SHARED.name} is not there")
    wrong, instead, message = BREACHES[breach]
    assert message in " ".join(breaches(tmp_path, wrong=wrong, instead=instead))


def test_nothing_is_found_where_nothing_is_wrong(tmp_path):
    assert breaches(tmp_path) == []


@pytest.mark.skipif(not UI.is_file(), reason=f"{UI.name} is not there")
def test_the_panel_holds_together():
    assert UiFile(UI, CODE).breaches() == []
