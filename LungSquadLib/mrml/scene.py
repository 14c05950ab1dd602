"""Slicer's scene, in Slicer and without it, and its file (.mrb).

Slicer creates the scene, the application logic and the module logics itself. The package
`slicer-core` has the same classes, but creates nothing: this file creates what segmentations,
colours, markups and slice views need.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..errors import InputError, MissingPackageError
from ..files import whole_file

try:
    import slicer
    from vtkmodules.vtkCommonCore import vtkCollection
except ImportError as missing:
    raise MissingPackageError("slicer-core", "Slicer's scene outside Slicer", "slicer") from missing

__all__ = [
    "application_logic",
    "inside_slicer",
    "new_node",
    "singleton",
    "slicer",
    "start",
    "write_scene",
]

# The terminologies' logic is left out: it reads files that slicer-core does not bring, and
# LungSquad writes its few codes itself.
_LOGICS = {
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Models": "vtkSlicerModelsLogic",
}


def inside_slicer() -> bool:
    """Return whether this is Slicer's process, with its application and event loop."""
    return getattr(slicer, "app", None) is not None


def start() -> Any:
    """Return the scene `slicer.mrmlScene`; outside Slicer the first call creates it.

    Then `slicer.modules.volumes.logic()` and its like work as in Slicer, too.
    """
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
        slicer.modules = SimpleNamespace()
        _set_up(slicer.mrmlScene)
    return slicer.mrmlScene


def application_logic() -> Any:
    """Return the application logic of `slicer.mrmlScene`."""
    start()
    return slicer.app.applicationLogic() if inside_slicer() else slicer.applicationLogic


def new_node(scene: Any, kind: str, name: str) -> Any:
    """Add a node of a class; the name gets a number where another node has it."""
    taken = scene.GetFirstNodeByName(name) is not None
    return scene.AddNewNodeByClass(kind, scene.GenerateUniqueName(name) if taken else name)


def singleton(scene: Any, kind: str, tag: str) -> Any:
    """Return the only node of a class with a tag in a scene; create it where there is none."""
    node = scene.GetSingletonNode(tag, kind)
    if node is None:
        node = scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(tag)
        node = scene.AddNode(node)
    return node


def _set_up(scene: Any) -> None:
    application = slicer.applicationLogic = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    application.SetSliceLogics(vtkCollection())
    application.SetViewLogics(vtkCollection())
    colours = application.GetColorLogic()
    colours.SetMRMLScene(scene)
    colours.AddDefaultColorNodes()
    _register(application, "Colors", colours)
    for name, class_name in _LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        _register(application, name, logic)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)


def _register(application: Any, name: str, logic: Any) -> None:
    application.SetModuleLogic(name, logic)
    setattr(slicer.modules, name.lower(), SimpleNamespace(logic=lambda: logic))


SUFFIX = ".mrb"


def write_scene(scene: Any, path: str | os.PathLike[str]) -> None:
    """Write a scene with all its data, whole or not at all.

    Raises:
        InputError: the name does not end in .mrb, or a node of the scene cannot be written.
        OSError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"A scene's file must end in {SUFFIX}: '{path}' does not.")
    with tempfile.TemporaryDirectory(prefix="lungsquad-") as temporary:
        folder = Path(temporary).resolve() / "scene"
        folder.mkdir()
        if not scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None):
            raise InputError(f"The scene could not be written to '{path}'. See Slicer's error log.")
        with whole_file(target) as file, zipfile.ZipFile(file, "w") as archive:
            for entry in sorted(folder.rglob("*")):
                packed = zipfile.ZIP_STORED if entry.suffix == ".nrrd" else zipfile.ZIP_DEFLATED
                name = Path(target.stem) / entry.relative_to(folder)
                archive.write(entry, name.as_posix(), compress_type=packed)
