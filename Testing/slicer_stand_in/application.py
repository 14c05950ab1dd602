"""`slicer.app`, and the messages that Slicer would show."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import slicer
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication, QMessageBox


class Application:
    """Slicer's application without a main window and views."""

    applicationName = "Slicer"

    def __init__(self, folder):
        self.temporaryPath = str(folder)
        self._logic = slicer.applicationLogic

    def applicationLogic(self):
        return self._logic

    def processEvents(self):
        QCoreApplication.processEvents()

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
    """What the user would have been told or asked, and the answers that a test gives.

    `told` has pairs of a level's name and a text; `answer` is the button that is pressed.
    """

    def __init__(self):
        self.told = []
        self.answer = QMessageBox.StandardButton.Ok

    def display(self, level, text, _while_testing, **_options):
        self.told.append((logging.getLevelName(level).lower(), text))
        return self.answer

    def show_status(self, text, _duration=0):
        self.told.append(("status", text))
        return True
