"""Finds what is wrong with a `.ui` file and with the code that uses its widgets.

Nothing of it is run: Slicer would tell some of it when the panel is opened, and the rest never.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

SHARED = Path(__file__).resolve().parents[3] / "shared" / "docs" / "slicer-widgets.json"
SCENE = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")
MENUS = "efhv"  # mnemonics of Slicer's menus: Edit, File, Help, View
PARAMETER = "SlicerParameterName"
# Controls, which say in a tool tip what they are for.
CONTROLS = (
    "QPushButton",
    "QToolButton",
    "QCheckBox",
    "QRadioButton",
    "QComboBox",
    "QSpinBox",
    "QDoubleSpinBox",
    "QLineEdit",
    "QSlider",
    "ctkSliderWidget",
    "qMRMLNodeComboBox",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSegmentationShow3DButton",
    "qMRMLTableView",
    "QTableWidget",
    "QListWidget",
)


def classes_of_slicer() -> dict[str, dict]:
    """Properties, signals and methods of a real Slicer's widgets; empty without their file."""
    return json.loads(SHARED.read_text(encoding="utf-8"))["classes"] if SHARED.is_file() else {}


def _name(signature: str) -> str:
    return signature.partition("(")[0]


def _has_property(kind: type, name: str) -> bool:
    """Whether a class of Qt has a property; PySide6 may have deleted its own description."""
    return type("Copy", (kind,), {}).staticMetaObject.indexOfProperty(name) >= 0


class UiFile:
    """A `.ui` file, and the package of the code that uses it."""

    def __init__(self, path: Path, code: Path) -> None:
        self.tree = ElementTree.parse(path).getroot()
        self.widgets = list(self.tree.iter("widget"))
        self.kinds = {widget.get("name"): widget.get("class") for widget in self.widgets}
        files = sorted(code.rglob("*.py"))
        self.modules = [ast.parse(file.read_text(encoding="utf-8"), str(file)) for file in files]
        self.slicer = classes_of_slicer()

    def breaches(self) -> list[str]:
        """All that is wrong, a sentence each."""
        return [
            *self._names(),
            *self._custom_widgets(),
            *self._scene(),
            *self._parameters(),
            *self._properties(),
            *self._controls(),
            *self._mnemonics(),
            *self._widgets_in_code(),
            *self._members_in_code(),
        ]

    @cached_property
    def _extends(self) -> dict[str, str]:
        custom = self.tree.iter("customwidget")
        return {
            element.findtext("class", ""): element.findtext("extends", "") for element in custom
        }

    def _names(self) -> Iterator[str]:
        for name, count in Counter(widget.get("name") for widget in self.widgets).items():
            if count > 1:
                yield f"{count} widgets are called {name}."
        stops = [element.text for element in self.tree.iter("tabstop")]
        buddies = [element.text for element in self._values("buddy")]
        for name in (*stops, *buddies):
            if name not in self.kinds:
                yield f"A buddy or tab stop is {name}, which is not there."
        if len(set(stops)) != len(stops):
            yield "A tab stop is named twice."

    def _custom_widgets(self) -> Iterator[str]:
        for name, kind in self.kinds.items():
            if not kind.startswith("Q") and kind not in self._extends:
                yield f"{name}: {kind} is not among the custom widgets."

    def _scene(self) -> Iterator[str]:
        root = self.widgets[0].get("name")
        connected = {
            tuple(connection.findtext(part) for part in ("sender", "signal", "receiver", "slot"))
            for connection in self.tree.iter("connection")
        }
        for name, kind in self.kinds.items():
            takes_one = SCENE[1] in self._all(kind, "slots_and_invokables", [SCENE[1]])
            needs_one = name != root and kind.startswith(("qMRML", "qSlicer")) and takes_one
            if needs_one and (root, SCENE[0], name, SCENE[1]) not in connected:
                yield f"{name} does not get the scene."

    def _parameters(self) -> Iterator[str]:
        fields = {
            part.target.id
            for module in self.modules
            for node in ast.walk(module)
            if isinstance(node, ast.ClassDef)
            and any(ast.unparse(each) == "parameterNodeWrapper" for each in node.decorator_list)
            for part in node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        }
        for value in self._values(PARAMETER):
            if value.text not in fields:
                yield f"No parameter is called {value.text}."

    def _properties(self) -> Iterator[str]:
        if self._values("styleSheet"):
            yield "A style sheet is set: Slicer's light and dark styles would not show."
        if not self.slicer:
            return
        for widget in self.widgets:
            for element in widget.findall("property"):
                name, kind = element.get("name"), widget.get("class")
                if element.get("stdset") != "0" and not self._knows(kind, name):
                    yield f"{widget.get('name')}: {kind} has no property {name}."

    def _controls(self) -> Iterator[str]:
        for widget in self.widgets:
            names = [element.get("name") for element in widget.findall("property")]
            if widget.get("class") in CONTROLS and "toolTip" not in names:
                yield f"{widget.get('name')} has no tool tip."

    def _mnemonics(self) -> Iterator[str]:
        letters = [
            letter.casefold()
            for element in self._values("text")
            for letter in re.findall(r"&(\w)", element.text or "")
        ]
        for letter, count in Counter(letters).items():
            if count > 1 or letter in MENUS:
                yield f"The mnemonic {letter} is taken."

    def _widgets_in_code(self) -> Iterator[str]:
        for node in self._of_ui():
            if node.attr not in self.kinds:
                yield f"The code uses ui.{node.attr}, which is not there."

    def _members_in_code(self) -> Iterator[str]:
        """Find what the code uses of a widget and the real one does not have."""
        if not self.slicer:
            return
        used = {id(node): node.attr for node in self._of_ui()}
        every = [node for module in self.modules for node in ast.walk(module)]
        called = {id(node.func) for node in every if isinstance(node, ast.Call)}
        for node in every:
            if isinstance(node, ast.Attribute) and id(node.value) in used:
                name, kind = used[id(node.value)], self.kinds.get(used[id(node.value)])
                if kind and not self._knows(kind, node.attr):
                    yield f"ui.{name}: {kind} has no {node.attr}."
                elif kind and self._is_property(kind, node.attr) and id(node) in called:
                    yield f"ui.{name}: {node.attr} is a property, and called."
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = used.get(id(node.func.value))
                signals = self._all(self.kinds.get(name), "signals", None)
                if node.func.attr == "connect" and signals is not None and node.args:
                    signal = node.args[0]
                    if isinstance(signal, ast.Constant) and signal.value not in signals:
                        yield f"ui.{name} has no signal {signal.value}."

    def _of_ui(self) -> list[ast.Attribute]:
        """The expressions `ui.NAME` and `... .ui.NAME` of the code."""
        nodes = (node for module in self.modules for node in ast.walk(module))
        return [
            node
            for node in nodes
            if isinstance(node, ast.Attribute)
            and (getattr(node.value, "id", "") == "ui" or getattr(node.value, "attr", "") == "ui")
        ]

    def _all(self, kind: str | None, part: str, otherwise: list | None) -> list | None:
        """The signals or methods of a class; `otherwise` for a class that nothing is known of."""
        return list(self.slicer[kind][part]) if kind in self.slicer else otherwise

    def _knows(self, kind: str, name: str) -> bool:
        """Whether a real widget has a property, signal or method, as far as is known."""
        from PySide6 import QtWidgets

        known = self.slicer.get(kind, {})
        names = [_name(each) for part in known.values() for each in part]
        base = kind if kind.startswith("Q") else self._extends.get(kind, "QWidget")
        qt = getattr(QtWidgets, base, QtWidgets.QWidget)
        return name in names or hasattr(qt, name) or _has_property(qt, name)

    def _is_property(self, kind: str, name: str) -> bool:
        """Whether PythonQt has it as an attribute."""
        from PySide6 import QtWidgets

        names = map(_name, self.slicer.get(kind, {}).get("properties", ()))
        base = getattr(QtWidgets, kind, QtWidgets.QWidget)
        return name in names or _has_property(base, name)

    def _values(self, name: str) -> list[ElementTree.Element]:
        """The values of all properties of a name."""
        return [each[0] for each in self.tree.iter("property") if each.get("name") == name]
