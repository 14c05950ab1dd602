"""Section 2: the tumour's outline, imported, proposed from a click, or drawn."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ...errors import InputError
from ...imaging.geometry import Point
from ...imaging.masks import Mask, read_mask
from ..hierarchy import remove
from ..results import is_result
from ..scene import singleton
from ..segments import add_empty_segment, add_segment, add_segmentation
from ..temporary_files import Exchange
from ..volumes import ct_of_volume
from .section import Section
from .state import MODULE
from .tasks import Ask, Steps, still_there
from .views import Click

if TYPE_CHECKING:
    from .panel import Panel

_NAME = "tumour"
_PROPOSED = "LungSquad.proposed"  # tag of a segment that was neither accepted nor undone


class TumourSection(Section):
    """Chooses or makes the segment that is the tumour."""

    name = "tumour"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._click = Click(panel.widget, self._clicked, self._click_ended)
        self._found: list[dict[str, Any]] = []
        self._updating = False
        self._editor_node: Any = None
        ui = self.ui
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._node_chosen)
        ui.segmentSelector.connect("currentSegmentChanged(QString)", self._segment_chosen)
        self.on_click(ui.importMaskButton, self._choose_file)
        self.on_click(ui.importRoiButton, self._import_chosen)
        self.on_click(ui.clickButton, self._click_pressed)
        self.on_click(ui.drawButton, self._draw)
        self.on_click(ui.acceptButton, self._accept)
        self.on_click(ui.refineButton, self._refine)
        self.on_click(ui.undoButton, self._undo)
        ui.editorSection.connect("contentsCollapsed(bool)", lambda _folded: self.panel.refresh())

    def missing(self) -> str:
        if self.state.ct is None:
            return _("Choose or load a CT first.")
        return ""

    def update(self) -> None:
        super().update()
        state, ui = self.state, self.ui
        if state.segmentation is not None and is_result(state.segmentation):
            state.segmentation, state.segment = None, ""  # a made-up tumour is no patient's
        self._updating = True
        ui.segmentSelector.setCurrentNode(state.segmentation)
        if (
            state.segmentation is not None
            and ui.segmentSelector.currentSegmentID() != state.segment
        ):
            ui.segmentSelector.setCurrentSegmentID(state.segment)
        self._updating = False
        busy = bool(self.tasks.title)
        for button in (ui.clickButton, ui.importMaskButton, ui.drawButton, ui.importRoiButton):
            button.enabled = not busy
        ui.clickButton.checked = self._click.waiting
        ui.proposalFrame.visible = self._proposal() is not None
        self._update_editor()

    def scene_closes(self) -> None:
        self._click.stop()
        self.offer([])
        self._editor_node = None
        editor = self.ui.segmentEditor
        editor.setSegmentationNode(None)  # ends the effect...
        editor.removeViewObservations()  # ...but not its hold on the views while a scene closes
        editor.setMRMLSegmentEditorNode(None)

    def entered(self, inside: bool) -> None:
        """The user opens the module, or another one."""
        if inside:
            self.ui.segmentEditor.installKeyboardShortcuts()
        else:
            self._click.stop()
            self.ui.segmentEditor.setActiveEffectByName("")
            self.ui.segmentEditor.uninstallKeyboardShortcuts()

    def open_mask(self, path: str) -> None:
        """Import a mask file; where it holds several outlines, let the user choose."""
        if self.state.ct is None:
            raise InputError(self.missing())
        self.tasks.start(_("Reading the mask"), self._open_mask(path), nodes=[self.state.ct])

    # Choosing

    def _node_chosen(self, node: Any) -> None:
        if not self._updating and self.panel.has_state:
            self.state.segmentation = node
            self.state.segment = _first_segment(node)

    def _segment_chosen(self, segment_id: str) -> None:
        if not self._updating and self.panel.has_state:
            self.state.segment = segment_id

    def chosen(self, segmentation: Any, segment_id: str) -> None:
        """Make a segment the tumour."""
        state = self.state
        state.segmentation = segmentation
        state.segment = segment_id
        state.centre = ""
        self.panel.crop.look_at_next()

    def _segmentation(self) -> Any:
        """The segmentation that new segments go to: the chosen one, if it is of this CT."""
        state = self.state
        node = state.segmentation
        if node is not None:
            role = node.GetReferenceImageGeometryReferenceRole()
            if node.GetNodeReference(role) is state.ct and node.GetParentTransformNode() is None:
                return node
        return add_segmentation(state.ct.GetScene(), state.ct, name="Tumour")

    # Importing

    def _choose_file(self) -> None:
        path = qt.QFileDialog.getOpenFileName(
            self.panel.widget,
            _("Mask of the tumour"),
            "",
            _("Masks (*.dcm *.nrrd *.nii *.nii.gz *.mha *.mhd);;All files (*)"),
        )
        if path:
            self.open_mask(path)

    def _open_mask(self, path: str) -> Steps:
        mask = str(Path(path).resolve())
        found = yield Ask("rois", {"mask": mask}, 0.0, 0.2)
        rois = [{**roi, "mask": mask} for roi in found]
        if len(rois) > 1:
            self.offer(rois)
            self.panel.tell(_("The file holds several outlines: choose the tumour's."))
            return
        if not rois:
            raise InputError(_("'{path}' holds no outline.").format(path=path))
        yield from self._import(rois[0])

    def offer(self, rois: list[dict[str, Any]]) -> None:
        """Let the user choose among outlines; with none, nothing is offered."""
        self._found = rois
        self.ui.roiSelector.clear()
        for roi in rois:
            self.ui.roiSelector.addItem(_roi_text(roi))
        self.ui.roiSelector.currentIndex = _likely_tumour(rois)
        self.ui.roiFrame.visible = bool(rois)

    def _import_chosen(self) -> None:
        roi = self._found[self.ui.roiSelector.currentIndex]
        self.tasks.start(_("Importing the mask"), self._import(roi), nodes=[self.state.ct])

    def _import(self, roi: dict[str, Any]) -> Steps:
        fields = {name: roi[name] for name in ("mask", "roi", "label") if roi.get(name) is not None}
        mask, _answer = yield from self._mask_from_worker("mask", fields)
        segmentation = self._segmentation()
        self.chosen(segmentation, add_segment(segmentation, mask, name=roi["name"]))
        self.offer([])
        self.panel.tell(_("The outline is imported. Next: the prediction."))

    def _mask_from_worker(
        self, verb: str, fields: dict[str, Any]
    ) -> Generator[float | Ask, Any, tuple[Mask, dict[str, Any]]]:
        """A mask on the CT's grid that the worker makes."""
        ct = self.state.ct
        path = yield from self.panel.copies.of(ct, share=0.5)
        with Exchange() as exchange:
            asked = {"ct": str(path), "out": str(exchange.mask), **fields}
            answer = yield Ask(verb, asked, 0.5, 1.0)
            still_there(ct)
            if self.state.ct is not ct:
                raise InputError(_("Another CT was chosen meanwhile: choose the first one again."))
            return read_mask(exchange.mask, ct_of_volume(ct)), answer

    # From a click

    def _click_pressed(self) -> None:
        if self.ui.clickButton.checked:
            self._click.start(self.state.ct.GetScene())
            self.panel.tell(_("Click into the tumour in a slice view."))
        else:
            self._click.stop()

    def _click_ended(self) -> None:
        self.ui.clickButton.checked = False

    def _clicked(self, point: Point) -> None:
        if self.state.ct is not None:
            self.tasks.start(_("Outlining"), self._propose(point), nodes=[self.state.ct])

    def _propose(self, point: Point) -> Steps:
        mask, answer = yield from self._mask_from_worker("propose", {"point": list(point)})
        self._remove_proposal()
        segmentation = self._segmentation()
        segment_id = add_segment(segmentation, mask, name=_("proposed tumour"))
        segmentation.GetSegmentation().GetSegment(segment_id).SetTag(_PROPOSED, "yes")
        self.chosen(segmentation, segment_id)
        sentences = [_("Proposed: {ml:.2f} mL.").format(ml=answer["volume_ml"])]
        sentences += [flag["sentence"] for flag in answer["flags"]]
        self.ui.proposalLabel.text = " ".join(sentences)
        self.panel.tell(_("Look at the proposed outline: accept, refine or undo it."))

    def _proposal(self) -> Any:
        """The chosen segment, if it was proposed."""
        state = self.state
        if state.segmentation is None:
            return None
        segment = state.segmentation.GetSegmentation().GetSegment(state.segment)
        return segment if segment is not None and segment.HasTag(_PROPOSED) else None

    def _accept(self) -> None:
        segment = self._proposal()
        segment.RemoveTag(_PROPOSED)
        segment.SetName(_NAME)
        self.panel.tell(_("The outline is accepted. Next: the prediction."))

    def _refine(self) -> None:
        self._accept()
        self.ui.editorSection.collapsed = False
        self._update_editor()
        self.ui.segmentEditor.setActiveEffectByName("Paint")
        self.panel.tell(_("Paint or erase in the slice views; the crop follows."))

    def _undo(self) -> None:
        self._remove_proposal()
        self.panel.tell(_("The proposed outline is gone."))

    def _remove_proposal(self) -> None:
        state = self.state
        if self._proposal() is None:
            return
        segmentation = state.segmentation
        segmentation.GetSegmentation().RemoveSegment(state.segment)
        state.segment = ""
        if not segmentation.GetSegmentation().GetNumberOfSegments():
            state.segmentation = None
            remove([segmentation])
        else:
            state.segment = _first_segment(segmentation)

    # Drawing

    def _draw(self) -> None:
        segmentation = self._segmentation()
        self.chosen(segmentation, add_empty_segment(segmentation, name=_NAME))
        self.ui.editorSection.collapsed = False
        self._update_editor()
        self.ui.segmentEditor.setActiveEffectByName("Paint")
        self.panel.tell(_("Draw the tumour in the slice views; the crop follows."))

    def _update_editor(self) -> None:
        """Give the Segment Editor what it works on, while it can be seen."""
        editor, state = self.ui.segmentEditor, self.state
        if self.ui.editorSection.collapsed or state.segmentation is None:
            return
        if self._editor_node is None or self._editor_node.GetScene() is None:
            self._editor_node = _editor_node(state.ct.GetScene())
            editor.setMRMLSegmentEditorNode(self._editor_node)
        editor.setSegmentationNode(state.segmentation)
        editor.setSourceVolumeNode(state.ct)
        editor.setCurrentSegmentID(state.segment)


def _editor_node(scene: Any) -> Any:
    """The Segment Editor's node of this module, one for each scene."""
    return singleton(scene, "vtkMRMLSegmentEditorNode", MODULE)


def _first_segment(segmentation: Any) -> str:
    if segmentation is None or not segmentation.GetSegmentation().GetNumberOfSegments():
        return ""
    return str(segmentation.GetSegmentation().GetNthSegmentID(0))


def _roi_text(roi: dict[str, Any]) -> str:
    volume = roi.get("volume_ml")
    return roi["name"] if volume is None else f"{roi['name']} ({volume:.2f} mL)"


def _likely_tumour(rois: list[dict[str, Any]]) -> int:
    """The first whose name says tumour; the user sees it and can choose another."""
    words = ("gtv", "tumor", "tumour", "lesion", "nodule", "neoplasm")
    for number, roi in enumerate(rois):
        if any(word in roi["name"].lower() for word in words):
            return number
    return 0
