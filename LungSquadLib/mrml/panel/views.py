"""What Slicer's views show: layers, the place, and where the user clicks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from ...imaging.geometry import Point
from ...imaging.pictures import WINDOWS
from ..coordinates import to_ras
from ..hierarchy import nodes_of, remove
from ..scene import new_node
from ..volumes import set_window
from .events import single_shot


def show_ct(volume: Any) -> None:
    """A CT that was just loaded: in all slice views, whole, in the lung window."""
    if volume.GetDisplayNode() is not None:
        set_window(volume, WINDOWS["lung"])
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None, fit=True)


def show_over(volume: Any, opacity: float) -> None:
    """Lay a volume over what the slice views show; None takes the layer away."""
    slicer.util.setSliceViewerLayers(foreground=volume, foregroundOpacity=opacity)


def is_over(volume: Any) -> bool:
    """Whether a slice view has a volume laid over what it shows."""
    return any(
        node.IsA("vtkMRMLSliceCompositeNode") and node.GetForegroundVolumeID() == volume.GetID()
        for node in nodes_of(volume.GetScene())
    )


def look_at(scene: Any, point_lps: Point) -> None:
    """Move all slice views to a point."""
    for node in nodes_of(scene):
        if node.IsA("vtkMRMLSliceNode"):
            node.JumpSliceByCentering(*to_ras(point_lps))


class Click:
    """Waits for the user to click one point in a view."""

    def __init__(self, owner: Any, got: Callable[[Point], None], ended: Callable[[], None]) -> None:
        """Args:
        owner: the widget that it is for.
        got: called with the point, LPS mm, after the click.
        ended: called when nothing is waited for any more, clicked or not.
        """
        self._got, self._ended = got, ended
        # Slicer tells of the click while it still works with the node: it must not go yet.
        self._timer = single_shot(owner, self._done)
        self._node: Any = None
        self._point: Point | None = None
        self._tags: list[tuple[Any, int]] = []

    @property
    def waiting(self) -> bool:
        """Whether the next click is ours."""
        return self._node is not None

    def start(self, scene: Any) -> None:
        """Make the next click in a view ours."""
        self.stop()
        self._node = new_node(scene, "vtkMRMLMarkupsFiducialNode", "LungSquad click")
        self._node.SetSaveWithScene(False)
        self._node.SetHideFromEditors(True)
        selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self._node.GetID())
        defined = slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent
        self._observe(self._node, defined, self._placed)
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
        event = interaction.InteractionModeChangedEvent
        self._observe(interaction, event, self._mode_changed)

    def stop(self) -> None:
        """Wait no longer."""
        if self._node is None:
            return
        node, self._node, self._point = self._node, None, None
        self._timer.stop()
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()
        scene = node.GetScene()
        if scene is not None:
            interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
            remove([node])
        self._ended()

    def _observe(self, subject: Any, event: int, call: Callable[[Any, Any], None]) -> None:
        self._tags.append((subject, subject.AddObserver(event, call)))

    def _placed(self, _caller: Any, _event: Any) -> None:
        ras = [0.0, 0.0, 0.0]
        self._node.GetNthControlPointPositionWorld(0, ras)
        self._point = (-ras[0], -ras[1], ras[2])
        self._timer.start()

    def _mode_changed(self, caller: Any, _event: Any) -> None:
        if caller.GetCurrentInteractionMode() != caller.Place:
            self._timer.start()  # after the click, or the user went back to the arrow

    def _done(self) -> None:
        point = self._point
        self.stop()
        if point is not None:
            self._got(point)
