"""Section 3: the crop, which follows the tumour's outline while it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ...imaging.crop import Crop
from ...imaging.crop import crop as crop_of
from ...imaging.flags import Flag, merged
from ...imaging.geometry import Point
from ...imaging.masks import Mask
from ...imaging.planes import VIEWS
from ...imaging.stage import LIMITS, SizeStage, size_stage
from ..results import add_crop_box, add_ruler, place_crop_box, place_ruler
from ..segments import mask_on_ct
from ..volumes import ct_of_volume
from .drawing import pixmap, plane_pictures
from .events import Observers, single_shot
from .section import Section, show_text
from .state import centre_of
from .tasks import told
from .views import Click, look_at

if TYPE_CHECKING:
    from .panel import Panel

_AFTER_MS = 20  # a stroke of the brush is many events: wait for the last of them


class CropSection(Section):
    """Shows what the network will see.

    Attributes:
        crop: the crop; None where there is none, and `problem` says why.
    """

    name = "crop"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.crop: Crop | None = None
        self.problem = ""
        self._key: Any = None
        self._look_at_next = False
        self._observed: Any = None
        self._observers = Observers()
        self._click = Click(panel.widget, self._moved, self._click_ended)
        self._timer = single_shot(panel.widget, self._recompute, ms=_AFTER_MS)
        self.on_click(self.ui.centreButton, self._click_pressed)
        self.on_click(self.ui.followButton, self._follow)

    def missing(self) -> str:
        if self.state.ct is None:
            return _("Choose or load a CT first.")
        if self.state.segmentation is None or not self.state.segment:
            return _("Outline the tumour first.")
        return self.problem

    def update(self) -> None:
        self._observe(self.state.segmentation)
        self._look()
        super().update()
        ui, there = self.ui, self.crop is not None
        for view in VIEWS:
            getattr(ui, f"{view}Picture").visible = there
        if not there:
            show_text(ui.cropLabel, "")
            show_text(ui.stageLabel, "")
            show_text(ui.cropFlags, "")
        ui.centreButton.checked = self._click.waiting
        ui.followButton.enabled = there and bool(self.state.centre)
        _show(self.state.box, there and self.state.show_box)
        _show(self.state.ruler, there and self.state.show_ruler)

    def scene_closes(self) -> None:
        self._click.stop()
        self._timer.stop()
        self._observers.clear()
        self._observed, self._key, self.crop, self.problem = None, None, None, ""

    def entered(self, inside: bool) -> None:
        """The user opens the module, or another one."""
        if not inside:
            self._click.stop()

    def look_at_next(self) -> None:
        """Move the views to the tumour with the next crop: it is another tumour."""
        self._look_at_next = True

    # What it is made of

    def _observe(self, segmentation: Any) -> None:
        if segmentation is self._observed:
            return
        self._observers.clear()
        self._observed = segmentation
        if segmentation is None:
            return
        kind, drawn = slicer.vtkSegmentation, segmentation.GetSegmentation()
        for event in (
            kind.SourceRepresentationModified,
            kind.RepresentationModified,
            kind.SegmentModified,
            kind.SegmentAdded,
            kind.SegmentRemoved,
        ):
            self._observers.add(drawn, event, self._edited)
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._observers.add(segmentation, moved, self._edited)

    def _edited(self) -> None:
        self._key = None
        self.panel.refresh()

    def _look(self) -> None:
        """Make the crop again, soon, if what it is made of is another."""
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
            self.crop = crop_of(ct, mask, centre_lps=centre_of(state))
        except Exception as error:
            self.crop, self.problem = None, told(error)
        else:
            self.problem = ""
            self._show(self.crop, mask)
        self.panel.refresh()

    # What is seen of it

    def _show(self, crop: Crop, mask: Mask) -> None:
        state, scene = self.state, self.state.ct.GetScene()
        staged = size_stage(mask.image, edition=state.edition)
        for view, picture in plane_pictures(crop).items():
            getattr(self.ui, f"{view}Picture").setPixmap(pixmap(picture))
        show_text(self.ui.cropLabel, _words(crop))
        show_text(self.ui.stageLabel, _stage_words(staged))
        show_text(self.ui.cropFlags, flags_text(crop.flags))
        if state.box is None:
            state.box = add_crop_box(scene, crop)
        else:
            place_crop_box(state.box, crop)
        if state.ruler is None:
            state.ruler = add_ruler(scene)
        place_ruler(state.ruler, staged.axial)
        if self._look_at_next:
            self._look_at_next = False
            look_at(scene, crop.mask_centre_of_mass_lps)

    # Moving it

    def _click_pressed(self) -> None:
        if self.ui.centreButton.checked:
            self._click.start(self.state.ct.GetScene())
            self.panel.tell(_("Click in a slice view: the cube's centre moves there."))
        else:
            self._click.stop()

    def _click_ended(self) -> None:
        self.ui.centreButton.checked = False

    def _moved(self, point: Point) -> None:
        self.state.centre = " ".join(f"{value:.3f}" for value in point)
        self.panel.tell(_("The cube was moved. Models are trained on crops centred on the tumour."))

    def _follow(self) -> None:
        self.state.centre = ""
        self.panel.tell(_("The cube follows the tumour again."))


def flags_text(flags: Sequence[Flag]) -> str:
    """Flags as lines of text; the severe ones first."""
    return "\n".join(f"{flag.severity.capitalize()}: {flag.sentence}" for flag in merged(flags))


def _stage_words(staged: SizeStage) -> str:
    """The T stage by size, and what else is to be known of it."""
    about = [_("T stage: {sentence}").format(sentence=staged.sentence), LIMITS]
    return "\n".join([*about, *(flag.sentence for flag in staged.flags if flag.severity != "info")])


def _words(crop: Crop) -> str:
    sides = " x ".join(
        f"{n * mm:g}" for n, mm in zip(crop.ct.GetSize(), crop.ct.GetSpacing(), strict=True)
    )
    words = [
        _("{ml:.2f} mL.").format(ml=crop.mask_volume_ml),
        _("The cube has {sides} mm.").format(sides=sides),
    ]
    if not crop.flags:
        words.append(_("Nothing about it stands out."))
    return " ".join(words)


def _show(node: Any, visible: bool) -> None:
    display = None if node is None else node.GetDisplayNode()
    if display is not None and bool(display.GetVisibility()) != visible:
        display.SetVisibility(visible)
