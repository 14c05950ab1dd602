"""Slicer's views: the volumes that they show, their position, and points that the user picks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer

from ...imaging.geometry import Point
from ...imaging.pictures import WINDOWS
from ..coordinates import to_ras
from ..hierarchy import nodes_of, remove
from ..scene import new_node
from ..segments import segment_ids
from ..volumes import set_window
from .events import single_shot

_AROUND_MM = 150.0  # the smaller side of a slice view
_CAMERA_MM = np.array([-120.0, 260.0, 110.0])  # from the point: in front, to the left, above
_MOST_SURFACES = 12


def show_ct(volume: Any) -> None:
    """Show a CT in all slice views, whole, in the lung window."""
    if volume.GetDisplayNode() is not None:
        set_window(volume, WINDOWS["lung"])
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None, fit=True)


def show_overlay(volume: Any, opacity: float) -> None:
    """Show a volume over the CT in the slice views; None removes the overlay."""
    slicer.util.setSliceViewerLayers(foreground=volume, foregroundOpacity=opacity)


def is_overlay(volume: Any) -> bool:
    """Return whether a slice view shows a volume as overlay."""
    return any(
        node.IsA("vtkMRMLSliceCompositeNode") and node.GetForegroundVolumeID() == volume.GetID()
        for node in nodes_of(volume.GetScene())
    )


def centre_views(scene: Any, point_lps: Point) -> None:
    """Centre all slice views on a point."""
    for node in nodes_of(scene):
        if node.IsA("vtkMRMLSliceNode"):
            node.JumpSliceByCentering(*to_ras(point_lps))


def zoom_on(scene: Any, point_lps: Point) -> None:
    """Centre all views on a point, and show what lies around it: the tumour and its crop."""
    centre_views(scene, point_lps)
    point = to_ras(point_lps)
    for node in nodes_of(scene):
        if node.IsA("vtkMRMLSliceNode"):
            width, height, depth = node.GetFieldOfView()
            factor = _AROUND_MM / min(width, height)
            node.SetFieldOfView(width * factor, height * factor, depth)
        elif node.IsA("vtkMRMLCameraNode"):
            node.SetFocalPoint(*point)
            node.SetPosition(*(point + _CAMERA_MM))
            node.SetViewUp(0, 0, 1)
            node.ResetClippingRange()


def show_surface(segmentation: Any) -> None:
    """Show a segmentation's surfaces in 3D, where it has few segments: each takes its time."""
    if len(segment_ids(segmentation)) <= _MOST_SURFACES:
        segmentation.CreateClosedSurfaceRepresentation()


def hide_surface(segmentation: Any) -> None:
    """Remove a segmentation's surfaces, which would be made anew at every stroke of the brush."""
    segmentation.RemoveClosedSurfaceRepresentation()


class PointPicker:
    """Waits for the user to click one point in a view."""

    def __init__(
        self, owner: Any, picked: Callable[[Point], None], ended: Callable[[], None]
    ) -> None:
        """Create the picker; `start` activates it.

        Args:
            owner: the widget that the timer belongs to.
            picked: called with the point, LPS mm.
            ended: called when the picker is no longer active, with or without a point.
        """
        self._picked, self._on_end = picked, ended
        # Slicer calls us while it still works with the node, which must not be removed then.
        self._timer = single_shot(owner, self._finish)
        self._node: Any = None
        self._point: Point | None = None
        self._tags: list[tuple[Any, int]] = []

    @property
    def active(self) -> bool:
        """Whether the next click in a view picks the point."""
        return self._node is not None

    def start(self, scene: Any) -> None:
        """Make the next click in a view pick the point."""
        self.stop()
        self._node = new_node(scene, "vtkMRMLMarkupsFiducialNode", "LungSquad point")
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
        """Wait for no click any more."""
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
        self._on_end()

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

    def _finish(self) -> None:
        point = self._point
        self.stop()
        if point is not None:
            self._picked(point)
