"""`slicer.ScriptedLoadableModule`: the classes that a scripted module is made of."""

from __future__ import annotations

import sys
import unittest
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import ClassVar

import qt
import slicer


class ScriptedLoadableModule:
    """What Slicer knows of a module before it is opened."""

    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__


class ScriptedLoadableModuleWidget:
    """The module's panel."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, name):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self):
        pass

    def cleanup(self):
        pass

    def onReload(self):
        """A widget of code that is loaded anew, as `slicer.modules.<name>Widget`."""
        name = self.moduleName
        spec = spec_from_file_location(name, slicer.util.modulePath(name))
        sys.modules[name] = code = module_from_spec(spec)
        spec.loader.exec_module(code)
        self.cleanup()
        setattr(slicer.modules, f"{name}Widget", getattr(code, f"{name}Widget")())


class ScriptedLoadableModuleLogic:
    """The module's work."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's test."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        """Slicer shows it for a while."""


class SampleDataLogic:
    """The samples that were offered, as they were."""

    sources: ClassVar[list[dict]] = []

    @classmethod
    def registerCustomSampleDataSource(cls, **source):
        cls.sources.append(source)
