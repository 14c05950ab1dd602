"""Slicer's views: the volumes that they show, their position, and points that the user picks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
import slicer
from vtkmodules.vtkCommonCore import vtkCommand

from ...imaging.geometry import Point
from ...imaging.pictures import WINDOWS
from ..coordinates import to_ras
from ..hierarchy import nodes_of, remove
from ..results import add_movable_box
from ..scene import new_node
from ..segments import segment_ids
from ..volumes import set_window
from .events import Observers, single_shot

_AROUND_MM = 150.0  # the smaller side of a slice view
_CAMERA_MM = np.array([-120.0, 260.0, 110.0])  # from the point: in front, to the left, above
_MOST_SURFACES = 12
_DRAG_MS = 400  # after the last move of a handle

Corners: TypeAlias = tuple[Point, Point]  # of a box, LPS mm
T = TypeVar("T")


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


class Picker(Generic[T]):
    """Waits for the user to place a markups node in a view; only one picker waits at a time."""

    kind = ""
    _waiting: ClassVar[Picker[Any] | None] = None

    def __init__(self, owner: Any, picked: Callable[[T], None], ended: Callable[[], None]) -> None:
        """Create the picker; `start` activates it.

        Args:
            owner: the widget that the timer belongs to.
            picked: called with what was placed.
            ended: called when the picker is no longer active, whether something was placed or not.
        """
        self._picked, self._on_end = picked, ended
        # Slicer calls us while it still works with the node, which must not be removed then.
        self._timer = single_shot(owner, self._finish)
        self._node: Any = None
        self._tags: list[tuple[Any, int]] = []

    @property
    def active(self) -> bool:
        """Whether the next click in a view is for this picker."""
        return self._node is not None

    def start(self, scene: Any) -> None:
        """Let the next clicks in a view place the node."""
        if Picker._waiting is not None:
            Picker._waiting.stop()
        Picker._waiting = self
        self._node = new_node(scene, self.kind, "LungSquad picker")
        self._node.SetSaveWithScene(False)
        self._node.SetHideFromEditors(True)
        selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        interaction = _interaction(scene)
        selection.SetReferenceActivePlaceNodeClassName(self.kind)
        selection.SetActivePlaceNodeID(self._node.GetID())
        defined = slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent
        self._observe(self._node, defined, lambda _caller, _event: self._timer.start())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
        event = interaction.InteractionModeChangedEvent
        self._observe(interaction, event, self._mode_changed)

    def stop(self) -> None:
        """Wait for no click any more."""
        if self._node is None:
            return
        node, self._node, Picker._waiting = self._node, None, None
        self._timer.stop()
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()
        scene = node.GetScene()
        if scene is not None:
            interaction = _interaction(scene)
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
            remove([node])
        self._on_end()

    def placed(self, node: Any) -> T | None:
        """Return what a node says, or None while it is not placed."""
        raise NotImplementedError

    def _observe(self, subject: Any, event: int, call: Callable[[Any, Any], None]) -> None:
        self._tags.append((subject, subject.AddObserver(event, call)))

    def _mode_changed(self, caller: Any, _event: Any) -> None:
        if caller.GetCurrentInteractionMode() != caller.Place:
            self._timer.start()  # after the last click, or the user went back to the arrow

    def _finish(self) -> None:
        placed, interaction = self.placed(self._node), _interaction(self._node.GetScene())
        if placed is None and interaction.GetCurrentInteractionMode() == interaction.Place:
            return  # a click is still missing
        self.stop()
        if placed is not None:
            self._picked(placed)


class PointPicker(Picker[Point]):
    """Waits for a click; picks the point, LPS mm."""

    kind = "vtkMRMLMarkupsFiducialNode"

    def placed(self, node: Any) -> Point | None:
        if not node.GetNumberOfDefinedControlPoints():
            return None
        r, a, s = node.GetNthControlPointPositionWorld(0)
        return (-r, -a, s)


class BoxPicker(Picker[Corners]):
    """Waits for clicks on two opposite corners; picks the box, as deep as its shorter side."""

    kind = "vtkMRMLMarkupsROINode"

    def placed(self, node: Any) -> Corners | None:
        return corners_of(node) if node.GetControlPointPlacementComplete() else None


class MovableBox:
    """A box with handles in the views.

    Attributes:
        corners: where it is; None while it is not there.
    """

    def __init__(self, owner: Any, moved: Callable[[Corners], None]) -> None:
        """Create none yet.

        Args:
            owner: the widget that the timer belongs to.
            moved: called with the corners when the user has moved the box.
        """
        self.corners: Corners | None = None
        self._moved = moved
        self._node: Any = None
        self._observers = Observers()
        self._timer = single_shot(owner, self._notice, ms=_DRAG_MS)

    def show(self, scene: Any, corners: Corners) -> None:
        """Put the box somewhere."""
        if self._node is None or self._node.GetScene() is not scene:
            self.forget()
            self._node = add_movable_box(scene)
            self._observers.add(self._node, vtkCommand.ModifiedEvent, self._timer.start)
        self.corners = corners
        if corners_of(self._node) != corners:
            low, high = map(to_ras, corners)
            self._node.SetSizeWorld(*abs(high - low))
            self._node.SetCenterWorld(*((low + high) / 2))
            self.corners = corners_of(self._node)  # as it rounds them
        self._timer.stop()

    def remove(self) -> None:
        """Take the box away."""
        node = self._node
        self.forget()
        if node is not None:
            remove([node])

    def forget(self) -> None:
        """Let go of the box: its scene closes."""
        self._timer.stop()
        self._observers.clear()
        self._node = self.corners = None

    def _notice(self) -> None:
        corners = None if self._node.GetScene() is None else corners_of(self._node)
        if corners is None:
            self.forget()  # the user deleted it
        elif corners != self.corners:
            self.corners = corners
            self._moved(corners)


def corners_of(roi: Any) -> Corners:
    """Return two opposite corners, LPS mm, of an ROI's box along the patient's axes."""
    bounds = [0.0] * 6
    roi.GetRASBounds(bounds)
    left, right, back, front, low, high = bounds
    return (-right, -front, low), (-left, -back, high)


def _interaction(scene: Any) -> Any:
    return scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
