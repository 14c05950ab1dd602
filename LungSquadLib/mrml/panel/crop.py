"""Section 3: the crop, which follows the tumour's outline while it is drawn."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _
from vtkmodules.vtkCommonCore import vtkCommand

from ...imaging.crop import Crop
from ...imaging.crop import crop as crop_tumour
from ...imaging.geometry import Point
from ...imaging.masks import Mask
from ...imaging.pictures import VIEWS
from ...imaging.stage import LIMITS, SizeStage, size_stage
from ..results import add_crop_box, add_size_measurement, place_crop_box, place_size_measurement
from ..segments import mask_on_ct
from ..tumour import CaseKey
from ..volumes import ct_of_volume, voxels_and_grid
from .context import Context
from .drawing import plane_pictures, show_picture
from .events import Observers, single_shot
from .section import Section, flags_text, show_text
from .state import crop_centre
from .tasks import message_of
from .views import PointPicker, show_surface, zoom_on

_DELAY_MS = 20  # a stroke of the brush is many events: wait for the last of them


class CropSection(Section):
    """Shows what the network will see.

    Attributes:
        crop: the crop; None where there is none, and `problem` says why.
        key: what the crop was made from, with which results are compared.
        edits: how often a segment was changed, added, moved or removed.
    """

    name = "crop"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.crop: Crop | None = None
        self.key: CaseKey | None = None
        self.problem = ""
        self.edits = 0
        self._inputs: Any = None  # of the crop, or of the one that is due
        self._show_tumour_next = self._making_surface = False
        self._observed: tuple[Any, Any] = (None, None)
        self._observers = Observers()
        self._picker = PointPicker(context.widget, self._move, self._picker_ended)
        self._timer = single_shot(context.widget, self._recompute, ms=_DELAY_MS)
        self.on_click(self.ui.moveCropButton, self._move_pressed)
        self.on_click(self.ui.centreCropButton, self._centre_on_tumour)

    def missing(self) -> str:
        if self.state.ct is None:
            return _("Choose or load a CT first.")
        if self.state.segmentation is None or not self.state.segment:
            return _("Outline the tumour first.")
        return self.problem

    def update(self) -> None:
        self._observe(self.state.ct, self.state.segmentation)
        self._check_inputs()
        super().update()
        ui, exists = self.ui, self.crop is not None
        for view in VIEWS:
            getattr(ui, f"{view}Picture").visible = exists
        if not exists:
            show_text(ui.cropLabel, "")
            show_text(ui.stageLabel, "")
            show_text(ui.cropFlags, "")
        ui.moveCropButton.checked = self._picker.active
        ui.centreCropButton.enabled = exists and bool(self.state.centre)
        _set_visible(self.state.crop_box, exists and self.state.show_crop_box)
        _set_visible(self.state.size_measurement, exists and self.state.show_size_measurement)

    def scene_closes(self) -> None:
        self._picker.stop()
        self._timer.stop()
        self._observers.clear()
        self._observed = (None, None)
        self._clear()

    def leave(self) -> None:
        """Stop waiting for a click: the user opens another module."""
        self._picker.stop()

    def show_tumour_next(self) -> None:
        """Zoom the views on the tumour with the next crop: another tumour was chosen."""
        self._show_tumour_next = True

    # Its inputs

    def _observe(self, ct: Any, segmentation: Any) -> None:
        if (ct, segmentation) == self._observed:
            return
        self._observers.clear()
        self._observed = (ct, segmentation)
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent  # of their parents, too
        if ct is not None:
            for event in (moved, ct.ImageDataModifiedEvent, vtkCommand.ModifiedEvent):
                self._observers.add(ct, event, self.context.refresh)
        if segmentation is not None:
            events, segments = slicer.vtkSegmentation, segmentation.GetSegmentation()
            self._observers.add(segmentation, moved, self._edited)
            for event in (
                events.SourceRepresentationModified,
                events.RepresentationModified,
                events.SegmentModified,
                events.SegmentAdded,
                events.SegmentRemoved,
            ):
                self._observers.add(segments, event, self._edited)

    def _edited(self) -> None:
        if self._making_surface:
            return  # it changes no outline
        self._inputs = None
        self.edits += 1
        self.context.refresh()

    def _clear(self) -> None:
        self._inputs, self.crop, self.key, self.problem = None, None, None, ""

    def _check_inputs(self) -> None:
        """Compute the crop again, soon, if one of its inputs has changed."""
        state = self.state
        if state.ct is None or state.segmentation is None or not state.segment:
            self._timer.stop()
            self._clear()
            return
        segment = (state.segmentation, state.segment)
        inputs = (state.ct, voxels_and_grid(state.ct), *segment, state.centre, state.edition)
        if inputs != self._inputs:
            self._inputs = inputs
            self._timer.start()

    def _recompute(self) -> None:
        state = self.state
        try:
            ct = ct_of_volume(state.ct)
            mask = mask_on_ct(state.segmentation, state.segment, state.ct, ct)
            centre = crop_centre(state)
            crop = crop_tumour(ct, mask, centre_lps=centre)
            self.key = CaseKey.of(ct, mask, centre)
        except Exception as error:
            self.crop, self.key, self.problem = None, None, message_of(error)
        else:
            self.crop, self.problem = crop, ""
            self._show(crop, mask)
        self.context.refresh()

    # Its display

    def _show(self, crop: Crop, mask: Mask) -> None:
        state, scene = self.state, self.state.ct.GetScene()
        stage = size_stage(mask.image, edition=state.edition)
        segment = state.segmentation.GetSegmentation().GetSegment(state.segment)
        for view, picture in plane_pictures(crop, colour=segment.GetColor()).items():
            show_picture(getattr(self.ui, f"{view}Picture"), picture)
        show_text(self.ui.cropLabel, _crop_text(crop))
        show_text(self.ui.stageLabel, _stage_text(stage))
        show_text(self.ui.cropFlags, flags_text(crop.flags))
        if state.crop_box is None:
            state.crop_box = add_crop_box(scene, crop)
        else:
            place_crop_box(state.crop_box, crop)
        if state.size_measurement is None:
            state.size_measurement = add_size_measurement(scene)
        place_size_measurement(state.size_measurement, stage.axial)
        if self._show_tumour_next:
            self._show_tumour_next = False
            zoom_on(scene, crop.mask_centre_of_mass_lps)
            self._making_surface = True
            show_surface(state.segmentation)
            self._making_surface = False

    # Its position

    def _move_pressed(self) -> None:
        if self.ui.moveCropButton.checked:
            self._picker.start(self.state.ct.GetScene())
            self.context.report(_("Click in a slice view to set the centre of the crop."))
        else:
            self._picker.stop()

    def _picker_ended(self) -> None:
        self.ui.moveCropButton.checked = False

    def _move(self, point: Point) -> None:
        self.state.centre = " ".join(f"{value:.3f}" for value in point)
        self.context.report(
            _("The crop was moved. The models were trained on crops centred on the tumour.")
        )

    def _centre_on_tumour(self) -> None:
        self.state.centre = ""
        self.context.report(_("The crop is centred on the tumour again."))


def _stage_text(stage: SizeStage) -> str:
    """Return the T stage by size, its limits and its flags."""
    lines = [_("T stage: {sentence}").format(sentence=stage.sentence), LIMITS]
    return "\n".join([*lines, *(flag.sentence for flag in stage.flags if flag.severity != "info")])


def _crop_text(crop: Crop) -> str:
    sides = " x ".join(
        f"{n * mm:g}" for n, mm in zip(crop.ct.GetSize(), crop.ct.GetSpacing(), strict=True)
    )
    sentences = [
        _("Tumour volume: {ml:.2f} mL.").format(ml=crop.mask_volume_ml),
        _("Crop: {sides} mm.").format(sides=sides),
    ]
    if not crop.flags:
        sentences.append(_("No quality warnings."))
    return " ".join(sentences)


def _set_visible(node: Any, visible: bool) -> None:
    display = None if node is None else node.GetDisplayNode()
    if display is not None and bool(display.GetVisibility()) != visible:
        display.SetVisibility(visible)
