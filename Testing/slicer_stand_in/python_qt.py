"""PySide6 with the manners of PythonQt, and the module `qt` made of it.

PythonQt has Qt's properties as attributes, its slots as methods, and signals that connect by their
C++ signatures. `mend` teaches PySide6's classes this, so that a widget behaves the same whoever
made it: code, a `.ui` file or Qt.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache, partial
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import ClassVar
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

_connect, _disconnect = QtCore.QObject.connect, QtCore.QObject.disconnect


class _Attribute:
    """A Qt property of an object; for the class, what PySide6 has under its name."""

    def __init__(self, name, of_class):
        self._name, self._of_class = name, of_class

    def __get__(self, owner, kind=None):
        return self._of_class if owner is None else owner.property(self._name)

    def __set__(self, owner, value):
        if not owner.setProperty(self._name, value):
            raise TypeError(f"{type(owner).__name__}.{self._name} does not take {value!r}.")


def _finder(of_class):
    """Finds our `connect` before PySide6's, which no attribute of a class can hide."""

    if of_class.__name__ == "_find":  # of a class that this one inherits from
        return of_class

    def _find(owner, name):
        if name in _BY_SIGNATURE:
            return partial(_BY_SIGNATURE[name], owner)
        return of_class(owner, name)

    return _find


@lru_cache(maxsize=2000)
def _held(kind, name):
    return getattr_static(kind, name, None)


def _set_attribute(owner, name, value):
    """As PythonQt: what a class of Qt has no property for cannot be set."""
    held = _held(type(owner), name)
    ours = name[0] == "_" or not type(owner).__module__.startswith(("PySide6.", __package__))
    if isinstance(held, QtCore.Property):
        owner.setProperty(name, value)
    elif hasattr(held, "__set__"):
        held.__set__(owner, value)
    elif ours or isinstance(value, QtCore.SignalInstance):  # PySide6 keeps those it has made
        vars(owner)[name] = value
    elif getattr(value, "objectName", "") != name:  # PySide6's loader names children on their root
        raise AttributeError(f"{type(owner).__name__} has no property {name!r}.")


def _signal(owner, signature):
    """Qt's name of a signal; VTK's objects pass through Qt as Python objects."""
    name = re.sub(r"vtk\w+\s*\*", "PyObject", signature)
    plain = bytes(QtCore.QMetaObject.normalizedSignature(name).data()).decode()
    if owner.metaObject().indexOfSignal(plain) < 0:
        raise ValueError(f"{type(owner).__name__} has no signal {signature!r}.")
    return QtCore.SIGNAL(name)


def _connect_by_signature(owner, *arguments):
    if arguments[0] is owner:  # by PySide6's QTimer.singleShot
        return _connect(*arguments)
    signature, receiver = arguments
    return bool(_connect(owner, _signal(owner, signature), receiver))


def _disconnect_by_signature(owner, signature, receiver):
    return bool(_disconnect(owner, _signal(owner, signature), receiver))


_BY_SIGNATURE = {"connect": _connect_by_signature, "disconnect": _disconnect_by_signature}


@cache
def mend() -> None:
    """Teach PySide6 the manners of PythonQt, for this process."""
    for module in (QtCore, QtGui, QtWidgets):
        for kind in (getattr(module, name) for name in dir(module)):
            if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
                _mend_class(kind)
    QtCore.QObject.name = _Attribute("objectName", None)


# Properties that C++ reads by a virtual method: it would take ours for a Python override of that.
_VIRTUAL = ("sizeHint", "minimumSizeHint")


def _mend_class(kind):
    meta = kind.staticMetaObject
    for number in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(number).name()
        if name in _VIRTUAL:
            continue
        setattr(kind, name, _Attribute(name, getattr(kind, name, None)))
    kind.__getattribute__, kind.__setattr__ = _finder(kind.__getattribute__), _set_attribute


class UiLoader(QtUiTools.QUiLoader):
    """Loads `.ui` files with the stand-ins' widgets, and connects what they say by name."""

    widgets: tuple[type, ...] = ()

    def load(self, file, parent=None):
        for widget in self.widgets:
            self.registerCustomWidget(widget)
        tree = ElementTree.fromstring(bytes(file.readAll().data()))
        connections = tree.find("connections")
        if connections is not None:  # Qt itself knows no signals with VTK's objects
            tree.remove(connections)
        text = QtCore.QBuffer()
        text.setData(ElementTree.tostring(tree))
        text.open(QtCore.QIODevice.ReadOnly)
        root = super().load(text, parent)
        for element in tree.iter("widget"):
            made = type(_named(root, element.get("name"))).__name__
            if made != element.get("class"):  # Qt takes a plain widget where one cannot be made
                raise RuntimeError(f"There is no stand-in that works for {element.get('class')}.")
        for connection in connections if connections is not None else ():
            sender, signal, receiver, slot = (
                connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")
            )
            target = getattr(_named(root, receiver), slot.partition("(")[0])
            _named(root, sender).connect(signal, target)
        return root


def _named(root, name):
    return root if root.objectName == name else root.findChild(QtCore.QObject, name)


class FileDialog(QtWidgets.QFileDialog):
    """Never shown: the next of `answers`, or nothing, as if it had been cancelled."""

    answers: ClassVar[list[str]] = []

    @classmethod
    def _answer(cls, *_):
        return cls.answers.pop(0) if cls.answers else ""

    getExistingDirectory = getOpenFileName = getSaveFileName = _answer


class MessageBox(QtWidgets.QMessageBox):
    """For its names alone: a message box would stop a test, and bypasses slicer.util."""

    def _shown(self, *_):
        raise AssertionError("Ask through slicer.util, which knows of testing and of batch.")

    exec = exec_ = open = show = _shown
    about = critical = information = question = warning = classmethod(_shown)


def qt_module(settings: Path) -> ModuleType:
    """The module `qt`; its settings are kept in a folder."""
    mend()
    module = ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets):
        vars(module).update((name, getattr(part, name)) for name in dir(part) if name[0] != "_")
    module.QUiLoader, module.QFileDialog, module.QMessageBox = UiLoader, FileDialog, MessageBox
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    scope = QtCore.QSettings.UserScope
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, str(settings))
    return module
