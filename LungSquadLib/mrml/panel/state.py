"""The user's choices in the panel, kept in the scene: they are saved and restored with it."""

from __future__ import annotations

from typing import Annotated, Any

import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from ...imaging.geometry import Point
from ...imaging.stage import EDITION, EDITIONS
from ..scene import singleton

MODULE = "LungSquad"
ALL_MODELS = "*"


@parameterNodeWrapper
class State:
    """The choices that the panel shows.

    Attributes:
        ct: the CT.
        segmentation, segment: the tumour; a segment's ID.
        centre: the crop's centre where the user moved it, as text; see `crop_centre`.
        crop_box, size_measurement: the crop's outline and the tumour's diameter in the views.
        edition: of the TNM classification that the T stage follows.
        model: a model's name, or `ALL_MODELS`.
        keep_files: whether the files of reports are kept in the scene.
    """

    ct: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    segment: str
    centre: str
    crop_box: slicer.vtkMRMLMarkupsROINode
    size_measurement: slicer.vtkMRMLMarkupsLineNode
    show_crop_box: bool = True
    show_size_measurement: bool = True
    edition: Annotated[str, Choice(list(EDITIONS))] = EDITION
    model: str
    keep_files: bool = False
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"
    saliency_opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4


def state_of(scene: Any) -> State:
    """Return the panel's state in a scene; it is created where there is none."""
    node = singleton(scene, "vtkMRMLScriptedModuleNode", MODULE)
    node.SetModuleName(MODULE)
    try:
        return _checked(node)
    except (ValueError, TypeError):  # a scene's file may come from anywhere
        node.RemoveNodeReferenceIDs(None)
        node.UnsetAllParameters()
        return _checked(node)


def _checked(node: Any) -> State:
    """Return a node's state; Slicer checks values when they are written, not when they are read."""
    state: Any = State(node)  # type: ignore[call-arg] # the decorator makes it so
    for name in state.allParameters:
        state.setValue(name, state.getValue(name))
    crop_centre(state)
    return state


def crop_centre(state: State) -> Point | None:
    """Return the centre that the user moved the crop to, LPS mm; None where it is the tumour's.

    Raises:
        ValueError: it is not three numbers.
    """
    if not state.centre:
        return None
    x, y, z = map(float, state.centre.split())
    return (x, y, z)
