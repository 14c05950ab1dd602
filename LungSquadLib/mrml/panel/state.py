"""What the user chose, kept in the scene: it is saved and restored with it."""

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
        centre: the crop's centre where it was moved, as text; see `centre_of`.
        box, ruler: the crop's cube and the tumour's diameter in the views.
        edition: of the rules by which the tumour's size is staged.
        model: a model's name, or `ALL_MODELS`.
    """

    ct: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    segment: str
    centre: str
    box: slicer.vtkMRMLMarkupsROINode
    ruler: slicer.vtkMRMLMarkupsLineNode
    show_box: bool = True
    show_ruler: bool = True
    edition: Annotated[str, Choice(list(EDITIONS))] = EDITION
    model: str
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"
    saliency_opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4


def state_of(scene: Any) -> State:
    """The panel's state in a scene; made where there is none."""
    node = singleton(scene, "vtkMRMLScriptedModuleNode", MODULE)
    node.SetModuleName(MODULE)
    try:
        return _checked(node)
    except (ValueError, TypeError):  # a scene's file may come from anywhere
        node.RemoveNodeReferenceIDs(None)
        node.UnsetAllParameters()
        return _checked(node)


def _checked(node: Any) -> State:
    """A node's state; Slicer refuses what does not fit where it is written, not when read."""
    state: Any = State(node)  # type: ignore[call-arg] # the decorator makes it so
    for name in state.allParameters:
        state.setValue(name, state.getValue(name))
    centre_of(state)
    return state


def centre_of(state: State) -> Point | None:
    """Where the crop was moved to, LPS mm; None where it follows the tumour.

    Raises:
        ValueError: it is not three numbers.
    """
    if not state.centre:
        return None
    x, y, z = map(float, state.centre.split())
    return (x, y, z)
