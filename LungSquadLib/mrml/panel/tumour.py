"""Section 2: the tumour's outline, imported, segmented from a point, or drawn."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import count
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ...cohorts.patient_folders import is_tumour_name
from ...errors import InputError
from ...imaging.mask_files import read_mask
from ...imaging.masks import Mask
from ..hierarchy import remove
from ..results import is_result
from ..scene import singleton
from ..segments import add_empty_segment, add_segment, add_segmentation, segment_ids
from ..temporary_files import CaseFiles, CtFileCache
from ..volumes import ct_of_volume
from .clicks import Clicks
from .context import Context
from .section import Section
from .state import MODULE
from .tasks import Steps, WorkerCall, check_in_scene
from .views import hide_surface

_NAME = "tumour"
_PROPOSED = "LungSquad.proposed"  # tag of a segment that was neither accepted nor discarded


class TumourSection(Section):
    """Chooses or makes the segment that is the tumour."""

    name = "tumour"

    def __init__(
        self, context: Context, *, ct_files: CtFileCache, tumour_chosen: Callable[[], None]
    ) -> None:
        """Create the section.

        Args:
            context: the panel's services.
            ct_files: writes the CT for the worker.
            tumour_chosen: called when another segment becomes the tumour.
        """
        super().__init__(context)
        self._ct_files, self._tumour_chosen = ct_files, tumour_chosen
        self.clicks = Clicks(context, self)
        self._offered: list[dict[str, Any]] = []
        self._updating = False
        self._editor_node: Any = None
        ui = self.ui
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._node_chosen)
        ui.segmentSelector.connect("currentSegmentChanged(QString)", self._segment_chosen)
        self.on_click(ui.importMaskButton, self._choose_file)
        self.on_click(ui.importRoiButton, self._import_chosen)
        self.on_click(ui.drawButton, self._draw)
        self.on_click(ui.acceptButton, self._accept)
        self.on_click(ui.refineButton, self._refine)
        self.on_click(ui.discardButton, self.discard)
        ui.editorSection.connect("contentsCollapsed(bool)", lambda _folded: context.refresh())

    def missing(self) -> str:
        if self.state.ct is None:
            return _("Choose or load a CT first.")
        return ""

    def update(self) -> None:
        super().update()
        state, ui = self.state, self.ui
        if state.segmentation is not None and is_result(state.segmentation):
            state.segmentation, state.segment = None, ""  # a synthetic tumour is no patient's
        self._updating = True
        ui.segmentSelector.setCurrentNode(state.segmentation)
        if (
            state.segmentation is not None
            and ui.segmentSelector.currentSegmentID() != state.segment
        ):
            ui.segmentSelector.setCurrentSegmentID(state.segment)
        self._updating = False
        busy = bool(self.tasks.title)
        for button in (ui.importMaskButton, ui.drawButton, ui.importRoiButton):
            button.enabled = not busy
        ui.show3DButton.setSegmentationNode(state.segmentation)
        ui.show3DButton.enabled = state.segmentation is not None
        ui.proposalFrame.visible = self.proposal() is not None
        self.clicks.update()
        self._update_editor()

    def scene_closes(self) -> None:
        self.clicks.scene_closes()
        self.offer([])
        self._editor_node = None
        self.ui.show3DButton.setSegmentationNode(None)
        editor = self.ui.segmentEditor
        editor.setSegmentationNode(None)  # ends the effect...
        editor.removeViewObservations()  # ...but not its hold on the views while a scene closes
        editor.setMRMLSegmentEditorNode(None)

    def enter(self) -> None:
        """Take the Segment Editor's keyboard shortcuts: the user opens the module."""
        self.ui.segmentEditor.installKeyboardShortcuts()

    def leave(self) -> None:
        """End what waits for the user in the views: another module is opened."""
        self.clicks.stop()
        self.ui.segmentEditor.setActiveEffectByName("")
        self.ui.segmentEditor.uninstallKeyboardShortcuts()

    def open_mask(self, path: str) -> None:
        """Import a mask file; where it holds several outlines, let the user choose."""
        if self.state.ct is None:
            raise InputError(self.missing())
        self.tasks.start(_("Reading the mask"), self._open_mask(path), nodes=[self.state.ct])

    # Choosing

    def _node_chosen(self, node: Any) -> None:
        if not self._updating and self.context.has_state:
            self.state.segmentation = node
            self.state.segment = _first_segment(node)

    def _segment_chosen(self, segment_id: str) -> None:
        if not self._updating and self.context.has_state:
            self.state.segment = segment_id

    def choose(self, segmentation: Any, segment_id: str) -> None:
        """Make a segment the tumour, and show it in the views."""
        self._set(segmentation, segment_id)
        self._tumour_chosen()

    def _set(self, segmentation: Any, segment_id: str) -> None:
        state = self.state
        state.segmentation = segmentation
        state.segment = segment_id
        state.centre = ""

    def _segmentation(self) -> Any:
        """Return the segmentation for new segments: the chosen one, if it belongs to this CT."""
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
            self.context.widget,
            _("Mask of the tumour"),
            "",
            _("Masks (*.dcm *.nrrd *.nii *.nii.gz *.mha *.mhd);;All files (*)"),
        )
        if path:
            self.open_mask(path)

    def _open_mask(self, path: str) -> Steps:
        mask = str(Path(path).resolve())
        listed = yield WorkerCall("rois", {"mask": mask}, 0.0, 0.2)
        outlines = [{**outline, "mask": mask} for outline in listed]
        if len(outlines) > 1:
            self.offer(outlines)
            self.context.report(_("The file holds several outlines. Choose the tumour's."))
            return
        if not outlines:
            raise InputError(_("'{path}' holds no outline.").format(path=path))
        yield from self._import(outlines[0])

    def offer(self, outlines: list[dict[str, Any]]) -> None:
        """Let the user choose among outlines in files; an empty list hides the choice."""
        self._offered = outlines
        self.ui.roiSelector.clear()
        for outline in outlines:
            self.ui.roiSelector.addItem(_outline_text(outline))
        tumours = [n for n, outline in enumerate(outlines) if is_tumour_name(outline["name"])]
        self.ui.roiSelector.currentIndex = tumours[0] if tumours else 0  # the user can change it
        self.ui.roiFrame.visible = bool(outlines)

    def _import_chosen(self) -> None:
        outline = self._offered[self.ui.roiSelector.currentIndex]
        self.tasks.start(_("Importing the mask"), self._import(outline), nodes=[self.state.ct])

    def _import(self, outline: dict[str, Any]) -> Steps:
        fields = {
            name: outline[name]
            for name in ("mask", "roi", "label")
            if outline.get(name) is not None
        }
        mask, _result = yield from self.mask_from_worker("mask", fields)
        segmentation = self._segmentation()
        self.choose(segmentation, add_segment(segmentation, mask, name=outline["name"]))
        self.offer([])
        self.context.report(_("The outline is imported. Next: the prediction."))

    def mask_from_worker(
        self, verb: str, fields: dict[str, Any]
    ) -> Generator[float | WorkerCall, Any, tuple[Mask, dict[str, Any]]]:
        """Return a mask on the CT's grid that the worker makes, and the worker's result."""
        ct = self.state.ct
        path = yield from self._ct_files.file(ct, share=0.5)
        with CaseFiles() as files:
            request = {"ct": str(path), "out": str(files.mask), **fields}
            result = yield WorkerCall(verb, request, 0.5, 1.0)
            check_in_scene(ct)
            if self.state.ct is not ct:
                raise InputError(_("Another CT was chosen meanwhile. Choose the first one again."))
            return read_mask(files.mask, ct_of_volume(ct)), result

    # Proposals

    def add_proposal(self, mask: Mask, text: str) -> Any:
        """Show an outline for the user to accept or discard, in place of the last; its segment."""
        show = self._set if self.proposal() is not None else self.choose  # views stay in between
        self._remove_proposal()
        segmentation = self._segmentation()
        segment_id = add_segment(segmentation, mask, name=_("proposed tumour"))
        segment = segmentation.GetSegmentation().GetSegment(segment_id)
        segment.SetTag(_PROPOSED, "yes")
        show(segmentation, segment_id)
        self.ui.proposalLabel.text = text
        self.context.report(_("Check the proposed outline: accept, refine or discard it."))
        return segment

    def proposal(self) -> Any:
        """Return the chosen segment if it is a proposal, else None."""
        state = self.state
        if state.segmentation is None:
            return None
        segment = state.segmentation.GetSegmentation().GetSegment(state.segment)
        return segment if segment is not None and segment.HasTag(_PROPOSED) else None

    def _accept(self) -> None:
        segment = self.proposal()
        segment.RemoveTag(_PROPOSED)
        segment.SetName(_new_name(self.state.segmentation))
        self.context.report(_("The outline is accepted. Next: the prediction."))

    def _refine(self) -> None:
        self._accept()
        self._open_editor()
        self.context.report(_("Paint or erase in the slice views. The crop follows the outline."))

    def discard(self) -> None:
        """Remove the proposed outline."""
        self._remove_proposal()
        self.context.report(_("The proposed outline is discarded."))

    def _remove_proposal(self) -> None:
        state = self.state
        if self.proposal() is None:
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
        self._set(segmentation, add_empty_segment(segmentation, name=_new_name(segmentation)))
        self._open_editor()
        self.context.report(_("Draw the tumour in the slice views. The crop follows the outline."))

    def _open_editor(self) -> None:
        self.ui.editorSection.collapsed = False
        hide_surface(self.state.segmentation)
        self._update_editor()
        self.ui.segmentEditor.setActiveEffectByName("Paint")

    def _update_editor(self) -> None:
        """Set the inputs of the Segment Editor, while it is visible."""
        editor, state = self.ui.segmentEditor, self.state
        if self.ui.editorSection.collapsed or state.segmentation is None:
            return
        if self._editor_node is None or self._editor_node.GetScene() is None:
            self._editor_node = singleton(state.ct.GetScene(), "vtkMRMLSegmentEditorNode", MODULE)
            editor.setMRMLSegmentEditorNode(self._editor_node)
        editor.setSegmentationNode(state.segmentation)
        editor.setSourceVolumeNode(state.ct)
        editor.setCurrentSegmentID(state.segment)


def _new_name(segmentation: Any) -> str:
    """Return "tumour", or with a number where a segment has that name already."""
    segments = segmentation.GetSegmentation()
    taken = {segments.GetSegment(segment).GetName() for segment in segment_ids(segmentation)}
    names = (_NAME if number == 1 else f"{_NAME} {number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _first_segment(segmentation: Any) -> str:
    return next(iter(segment_ids(segmentation)), "") if segmentation is not None else ""


def _outline_text(outline: dict[str, Any]) -> str:
    volume = outline.get("volume_ml")
    return outline["name"] if volume is None else f"{outline['name']} ({volume:.2f} mL)"
