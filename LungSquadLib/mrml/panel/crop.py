"""Section 3: the crop, which follows the tumour's outline while it is drawn."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ...imaging.crop import Crop
from ...imaging.crop import crop as crop_tumour
from ...imaging.geometry import Point
from ...imaging.masks import Mask
from ...imaging.pictures import VIEWS
from ...imaging.stage import LIMITS, SizeStage, size_stage
from ..results import add_crop_box, add_size_measurement, place_crop_box, place_size_measurement
from ..segments import mask_on_ct
from ..volumes import ct_of_volume
from .context import Context
from .drawing import pixmap, plane_pictures
from .events import Observers, single_shot
from .section import Section, flags_text, show_text
from .state import crop_centre
from .tasks import message_of
from .views import PointPicker, centre_views

_DELAY_MS = 20  # a stroke of the brush is many events: wait for the last of them


class CropSection(Section):
    """Shows what the network will see.

    Attributes:
        crop: the crop; None where there is none, and `problem` says why.
    """

    name = "crop"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.crop: Crop | None = None
        self.problem = ""
        self._key: Any = None
        self._centre_views_next = False
        self._observed: Any = None
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
        self._observe(self.state.segmentation)
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
        self._observed, self._key, self.crop, self.problem = None, None, None, ""

    def leave(self) -> None:
        """Stop waiting for a click: the user opens another module."""
        self._picker.stop()

    def centre_views_next(self) -> None:
        """Centre the views on the tumour with the next crop: another tumour was chosen."""
        self._centre_views_next = True

    # Its inputs

    def _observe(self, segmentation: Any) -> None:
        if segmentation is self._observed:
            return
        self._observers.clear()
        self._observed = segmentation
        if segmentation is None:
            return
        events, segments = slicer.vtkSegmentation, segmentation.GetSegmentation()
        for event in (
            events.SourceRepresentationModified,
            events.RepresentationModified,
            events.SegmentModified,
            events.SegmentAdded,
            events.SegmentRemoved,
        ):
            self._observers.add(segments, event, self._edited)
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._observers.add(segmentation, moved, self._edited)

    def _edited(self) -> None:
        self._key = None
        self.context.refresh()

    def _check_inputs(self) -> None:
        """Compute the crop again, soon, if one of its inputs has changed."""
        state = self.state
        if state.ct is None or state.segmentation is None or not state.segment:
            self._timer.stop()
            self._key, self.crop, self.problem = None, None, ""
            return
        changed = state.ct.GetImageData().GetMTime() if state.ct.GetImageData() else 0
        key = (state.ct, changed, state.segmentation, state.segment, state.centre, state.edition)
        if key != self._key:
            self._key = key
            self._timer.start()

    def _recompute(self) -> None:
        state = self.state
        try:
            ct = ct_of_volume(state.ct)
            mask = mask_on_ct(state.segmentation, state.segment, state.ct, ct)
            self.crop = crop_tumour(ct, mask, centre_lps=crop_centre(state))
        except Exception as error:
            self.crop, self.problem = None, message_of(error)
        else:
            self.problem = ""
            self._show(self.crop, mask)
        self.context.refresh()

    # Its display

    def _show(self, crop: Crop, mask: Mask) -> None:
        state, scene = self.state, self.state.ct.GetScene()
        stage = size_stage(mask.image, edition=state.edition)
        for view, picture in plane_pictures(crop).items():
            getattr(self.ui, f"{view}Picture").setPixmap(pixmap(picture))
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
        if self._centre_views_next:
            self._centre_views_next = False
            centre_views(scene, crop.mask_centre_of_mass_lps)

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
