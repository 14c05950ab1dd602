"""The MRML widgets that the panel uses, on the real scene, with names that the real ones have."""

from __future__ import annotations

from functools import partial

import slicer
from PySide6.QtCore import Property, Signal
from PySide6.QtGui import QImage, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QWidget,
)

_NONE = "None"


def _kept(kind, name, value, then=None):
    """A property that is kept, and does no more unless `then` names a method to call."""

    def read(self):
        return vars(self).get(f"_{name}", value)

    def write(self, new):
        setattr(self, f"_{name}", new)
        if then:
            getattr(self, then)()

    return Property(kind, read, write)


class _Watching:
    """What a widget observes; it lets go of what it observed before, and of all in the end."""

    def _watch(self, *subjects_and_events, call):
        if "_tags" not in vars(self):
            self._tags = []
            self.destroyed.connect(partial(_unwatch, self._tags))
        _unwatch(self._tags)
        self._tags += [
            (subject, subject.AddObserver(event, lambda *_: call()))
            for subject, event in subjects_and_events
        ]


def _unwatch(tags, _widget=None):
    for subject, tag in tags:
        subject.RemoveObserver(tag)
    tags.clear()


class qMRMLWidget(QWidget):
    """A widget that knows the scene."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QWidget, _Watching):
    """Chooses one of the scene's nodes of some classes."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeTypes = _kept("QStringList", "nodeTypes", [], "_update")
    noneEnabled = _kept(bool, "noneEnabled", False, "_update")
    showChildNodeTypes = _kept(bool, "showChildNodeTypes", True, "_update")
    showHidden = _kept(bool, "showHidden", False, "_update")
    addEnabled = _kept(bool, "addEnabled", True)
    removeEnabled = _kept(bool, "removeEnabled", True)
    renameEnabled = _kept(bool, "renameEnabled", False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._rows, self._requested = None, [], None
        self._box = QComboBox()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.currentIndexChanged.connect(self._chosen)
        self.enabled = False

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        self._scene = scene
        self.enabled = scene is not None
        self._update()
        if self._requested is not None:
            self.setCurrentNode(self._requested)

    def currentNode(self):
        index = self._box.currentIndex
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def setCurrentNode(self, node):
        if self._scene is None:
            self._requested = node
            return
        default = 0 if self.noneEnabled else -1
        self._box.currentIndex = self._rows.index(node) if node in self._rows else default

    def _offers(self, node):
        kinds = self.nodeTypes
        fits = (
            any(node.IsA(kind) for kind in kinds)
            if self.showChildNodeTypes
            else node.GetClassName() in kinds
        )
        return fits and (self.showHidden or not node.GetHideFromEditors())

    def _update(self):
        """Show what the scene holds now; where the current node went, its neighbour is taken."""
        scene, before = self._scene, self.currentNode()
        row = self._box.currentIndex
        nodes, watched = [], []
        if scene is not None:
            if scene.IsBatchProcessing():  # its end is an event, too
                return
            every = map(scene.GetNthNode, range(scene.GetNumberOfNodes()))
            nodes = [node for node in every if self._offers(node)]
            kind = slicer.vtkMRMLScene
            ends = (kind.NodeAddedEvent, kind.NodeRemovedEvent, kind.EndBatchProcessEvent)
            watched = [(scene, event) for event in ends]
            watched += [(node, "ModifiedEvent") for node in nodes]  # it may be renamed
        self._watch(*watched, call=self._update)
        self._rows = [*([None] if self.noneEnabled else []), *nodes]
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems([_NONE if node is None else node.GetName() for node in self._rows])
        here = before in self._rows if before is not None else self.noneEnabled
        now = self._rows.index(before) if here else min(max(row, 0), len(self._rows) - 1)
        self._box.currentIndex = now
        self._box.blockSignals(False)
        if self.currentNode() is not before:
            self._chosen()

    def _chosen(self):
        node = self.currentNode()
        self.currentNodeChanged.emit(node)
        self.currentNodeIDChanged.emit("" if node is None else node.GetID())


class qMRMLSegmentSelectorWidget(qMRMLWidget, _Watching):
    """Chooses a segmentation and one of its segments."""

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._segment_id = ""
        self._nodes, self._segments, self._message = qMRMLNodeComboBox(), QComboBox(), QLabel()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = False
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._nodes, self._segments, self._message):
            layout.addRow(widget)
        self.mrmlSceneChanged.connect(self._nodes.setMRMLScene)
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._nodes.currentNodeChanged.connect(self.currentNodeChanged)
        self._segments.currentIndexChanged.connect(self._segment_changed)
        self._populate()

    def _none_enabled(self):
        return self._nodes.noneEnabled

    def _set_none_enabled(self, enabled):
        self._nodes.noneEnabled = enabled
        self._populate()

    noneEnabled = Property(bool, _none_enabled, _set_none_enabled)

    def currentNode(self):
        return self._nodes.currentNode()

    def setCurrentNode(self, node):
        self._nodes.setCurrentNode(node)

    def currentSegmentID(self):
        """As in Slicer, the last one still where the segmentation has become empty or None."""
        return self._segment_id

    def setCurrentSegmentID(self, segment_id):
        index = self._segments.findData(segment_id) if segment_id or not self.noneEnabled else 0
        if index != -1:
            self._segments.currentIndex = index

    def segmentIDs(self):
        return [self._segments.itemData(row) for row in range(self._segments.count)]

    def _node_changed(self, node):
        kind = slicer.vtkSegmentation
        events = (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified)
        self._watch(*((node, event) for event in events if node is not None), call=self._populate)
        self._populate()

    def _populate(self):
        node = self.currentNode()
        segmentation = None if node is None else node.GetSegmentation()
        ids = [] if segmentation is None else list(segmentation.GetSegmentIDs())
        self._segments.blockSignals(True)
        self._segments.clear()
        if ids and self.noneEnabled:
            self._segments.addItem(_NONE, _NONE)
        for segment_id in ids:
            self._segments.addItem(segmentation.GetSegment(segment_id).GetName(), segment_id)
        known = self._segment_id in ids or (self.noneEnabled and not self._segment_id)
        self._segments.currentIndex = -1
        if known:
            self.setCurrentSegmentID(self._segment_id)
        self._segments.blockSignals(False)
        self._segments.visible = bool(ids)
        self._message.visible = not ids
        self._message.text = "No node is selected" if node is None else "No segments"
        if ids and not known:
            self._segments.currentIndex = 1 if self.noneEnabled else 0

    def _segment_changed(self, index):
        if self.currentNode() is not None:
            chosen = self._segments.itemData(index)
            self._segment_id = "" if chosen in (_NONE, None) else chosen
            self.currentSegmentChanged.emit(self._segment_id)


class qMRMLSegmentationShow3DButton(QPushButton):
    """Makes and removes the surfaces of a segmentation."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = None
        self.checkable = True
        self.clicked.connect(self._clicked)

    def segmentationNode(self):
        return self._node

    def setSegmentationNode(self, node):
        self._node = node
        self.checked = node is not None and node.GetSegmentation().ContainsRepresentation(
            "Closed surface"
        )

    def _clicked(self, checked):
        if checked:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Keeps its settings in the editor's node, as the real one; it draws nothing."""

    currentSegmentIDChanged = Signal(str)
    segmentationNodeSelectorVisible = _kept(bool, "segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = _kept(bool, "sourceVolumeNodeSelectorVisible", True)
    switchToSegmentationsButtonVisible = _kept(bool, "switchToSegmentationsButtonVisible", True)
    maximumNumberOfUndoStates = _kept(int, "maximumNumberOfUndoStates", 10)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._effect = None, ""
        self._about = QLabel("(Segment Editor)")
        QHBoxLayout(self).addWidget(self._about)

    def mrmlSegmentEditorNode(self):
        return self._node

    def setMRMLSegmentEditorNode(self, node):
        if node is None and self._effect:
            raise AssertionError(f"The effect {self._effect} would stay at work in the views.")
        self._node = node

    def segmentationNode(self):
        return None if self._node is None else self._node.GetSegmentationNode()

    def setSegmentationNode(self, node):
        if node is not self.segmentationNode():
            self._required("setSegmentationNode").SetAndObserveSegmentationNode(node)
            self.setActiveEffectByName("")

    def sourceVolumeNode(self):
        return None if self._node is None else self._node.GetSourceVolumeNode()

    def setSourceVolumeNode(self, node):
        self._required("setSourceVolumeNode").SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self):
        return "" if self._node is None else self._node.GetSelectedSegmentID() or ""

    def setCurrentSegmentID(self, segment_id):
        self._required("setCurrentSegmentID").SetSelectedSegmentID(segment_id)
        self.currentSegmentIDChanged.emit(segment_id)

    def setActiveEffectByName(self, name):
        if name:
            self._required("setActiveEffectByName")
        self._effect = name
        self._about.text = f"(Segment Editor: {name or 'no effect'})"

    def removeViewObservations(self):
        pass

    def installKeyboardShortcuts(self):
        pass

    def uninstallKeyboardShortcuts(self):
        pass

    def _required(self, name):
        if self._node is None:
            raise AssertionError(f"{name} comes before setMRMLSegmentEditorNode: it is lost.")
        return self._node


class qMRMLTableView(QTableView):
    """Shows a table node's cells."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._node = None, None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableNode(self, node):
        self._node = node
        self.setModel(_cells(node))


def _cells(node):
    table = None if node is None else node.GetTable()
    if table is None:
        return QStandardItemModel(0, 0)
    rows, columns = table.GetNumberOfRows(), table.GetNumberOfColumns()
    model = QStandardItemModel(rows, columns)
    model.setHorizontalHeaderLabels([table.GetColumnName(number) for number in range(columns)])
    for row in range(rows):
        for column in range(columns):
            model.setItem(row, column, QStandardItem(table.GetValue(row, column).ToString()))
    return model


class qMRMLUtils:
    """Pictures of VTK's for Qt."""

    def vtkImageDataToQImage(self, image, drawn):
        """Colours (RGB, rows from below) into a QImage."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        columns, rows, _ = image.GetDimensions()
        colours = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1]
        view = QImage(
            colours.tobytes(), columns, rows, colours[0].nbytes, QImage.Format.Format_RGB888
        )
        drawn.swap(view.copy())
