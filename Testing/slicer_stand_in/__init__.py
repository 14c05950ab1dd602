"""Slicer's GUI as far as LungSquad's panel needs it: PySide6 widgets on slicer-core's real scene.

It proves that the panel is wired, not that the real widgets work. Its widgets have no name that the
real ones lack, and take no attribute that they lack.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

_VIEWS = ("Red", "Yellow", "Green")


def install(patch: pytest.MonkeyPatch, *, folder: Path) -> SimpleNamespace:
    """Give this process `qt`, `ctk` and what slicer-core lacks, until `patch` is undone.

    Args:
        patch: what the changes are made with.
        folder: for settings and temporary files.

    Returns:
        `messages`, which the user would have seen; `file_answers`, the paths that the user chooses
        in file dialogs.
    """
    import slicer

    from LungSquadLib.mrml.scene import start

    from . import python_qt

    start()
    for name in [name for name in sys.modules if name.startswith("LungSquadLib.mrml.panel")]:
        patch.delitem(sys.modules, name)  # it knows the stand-ins of an earlier test
    qt = python_qt.qt_module(folder)
    patch.setitem(sys.modules, "qt", qt)
    from . import application, ctk, mrml_widgets

    patch.setitem(sys.modules, "ctk", ctk)
    patch.setattr(slicer, "app", application.Application(folder), raising=False)
    patch.setattr(python_qt.FileDialog, "answers", [])
    messages = application.Messages()
    patch.setattr(slicer.util, "_messageDisplay", messages.display)
    patch.setattr(slicer.util, "showStatusMessage", messages.show_status)
    patch.setattr(slicer.util, "loadVolume", application.load_volume)
    patch.setattr(slicer.util, "loadScene", application.load_scene)
    widgets = [*_widgets_of(ctk), *_widgets_of(mrml_widgets)]
    patch.setattr(python_qt.UiLoader, "widgets", tuple(widgets))
    for widget in (*_widgets_of(mrml_widgets), mrml_widgets.qMRMLUtils):
        patch.setattr(slicer, widget.__name__, widget, raising=False)
    _add_modules(patch)
    _add_views()
    return SimpleNamespace(messages=messages, file_answers=python_qt.FileDialog.answers)


def _widgets_of(module):
    from PySide6.QtWidgets import QWidget

    named = vars(module).values()
    local = (each for each in named if getattr(each, "__module__", "") == module.__name__)
    return [each for each in local if isinstance(each, type) and issubclass(each, QWidget)]


def _add_modules(patch):
    """The modules of `slicer` that slicer-core has not, and the DICOM database."""
    import slicer

    from . import dicom, i18n, parameter_node, scripted_module

    added = {
        "slicer.i18n": i18n,
        "slicer.parameterNodeWrapper": parameter_node,
        "slicer.ScriptedLoadableModule": scripted_module,
    }
    for name, module in added.items():
        patch.setitem(sys.modules, name, module)
        patch.setattr(slicer, name.partition(".")[2], module, raising=False)
    samples = ModuleType("SampleData")
    samples.SampleDataLogic = scripted_module.SampleDataLogic
    patch.setattr(scripted_module.SampleDataLogic, "sources", [])
    patch.setitem(sys.modules, "SampleData", samples)
    library = ModuleType("DICOMLib")
    library.DICOMUtils = dicom
    patch.setitem(sys.modules, "DICOMLib", library)
    patch.setattr(slicer, "dicomDatabase", dicom.Database(), raising=False)
    patch.setattr(slicer, "dicomDatabaseDirectorySettingsKey", dicom.SETTINGS_KEY, raising=False)


def _add_views():
    """The nodes of three slice views; nothing is drawn."""
    import slicer

    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    for name in _VIEWS:
        logic.AddSliceNode(name)
