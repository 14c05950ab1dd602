"""`slicer.app`, and the messages that Slicer would show."""

from __future__ import annotations

import logging
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import slicer
from PySide6.QtCore import QCoreApplication, QEventLoop, QObject, Signal
from PySide6.QtWidgets import QApplication, QMessageBox


class Application(QObject):
    """Slicer's application without a main window and views."""

    startupCompleted = Signal()
    applicationName = "Slicer"

    def __init__(self, folder):
        super().__init__()
        self._folder, self._logic = str(folder), slicer.applicationLogic

    @property
    def temporaryPath(self):
        return self._folder

    def applicationLogic(self):
        return self._logic

    def processEvents(self, flags=QEventLoop.ProcessEventsFlag.AllEvents):
        QCoreApplication.processEvents(flags)

    def setOverrideCursor(self, cursor):
        QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        QApplication.restoreOverrideCursor()

    def layoutManager(self):
        return None

    def moduleManager(self):
        modules = vars(slicer.modules)
        return SimpleNamespace(module=lambda name: modules.get(name.lower()))

    def topLevelWidgets(self):
        return QApplication.topLevelWidgets()

    def testingEnabled(self):
        return False


class Messages:
    """Messages and questions that the user would have seen, and the answers that a test gives.

    `shown` has pairs of a level's name and a text; `answer` is the button that is pressed.
    """

    def __init__(self):
        self.shown = []
        self.answer = QMessageBox.StandardButton.Ok

    def display(self, level, text, _while_testing, **_options):
        self.shown.append((logging.getLevelName(level).lower(), text))
        return self.answer

    def show_status(self, text, _duration=0):
        self.shown.append(("status", text))
        return True


def load_volume(path, properties=None):
    """`slicer.util.loadVolume`, which asks Slicer's application for a reader."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", Path(path).stem)
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        slicer.mrmlScene.RemoveNode(storage)
        raise RuntimeError(f"Failed to load node from file: {path}")
    node.SetAndObserveStorageNodeID(storage.GetID())
    node.CreateDefaultDisplayNodes()
    return node


def load_scene(path, properties=None):
    """`slicer.util.loadScene`, which asks Slicer's application for a reader."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        slicer.mrmlScene.SetURL(str(next(Path(folder).rglob("*.mrml"))))
        if not slicer.mrmlScene.Import():
            raise RuntimeError(f"Failed to load scene from file: {path}")
