"""Section 5, below: a copy of the CT with a synthetic tumour in the place of the segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import SimpleITK as sitk
from slicer.i18n import tr as _

from ...imaging.ct import as_ct
from ...imaging.files.transfer import write_mask
from ...imaging.flags import Flag
from ...imaging.pictures import side_by_side
from ...models.catalogue import Entry
from ..segments import mask_on_ct
from ..synthetic import add_inpainted, inpainted_image
from ..temporary_files import CaseFiles, CtFileCache
from ..volumes import ct_of_volume
from .context import Context
from .drawing import scaled_pixmap
from .inputs import CropSource
from .model_choice import keep_last_used, offer_classes, offer_models, usable_models
from .section import Section, flags_text
from .tasks import Steps, WorkerCall, check_in_scene, in_scene
from .views import is_overlay, show_overlay

_PICTURE_WIDTH = 440  # pixels


class InpaintingSection(Section):
    """Inpaints a synthetic tumour into a copy of the CT, and shows it beside the CT."""

    name = "inpainting"

    def __init__(self, context: Context, *, ct_files: CtFileCache, crop: CropSource) -> None:
        super().__init__(context)
        self._ct_files, self._crop = ct_files, crop
        self._entries: list[Entry] = []
        self._inpainted: Any = None  # the newest volume
        self.on_click(self.ui.inpaintButton, self._pressed)
        self.on_click(self.ui.overlayButton, self._toggle_overlay)
        self.ui.inpainterSelector.currentIndexChanged.connect(self._inpainter_chosen)

    def missing(self) -> str:
        if not self._entries:
            return _("No inpainting model is installed.")
        return self._crop.missing()

    def update(self) -> None:
        super().update()
        self.ui.inpaintButton.enabled = not self.tasks.title
        if not in_scene(self._inpainted):
            self._inpainted = None
        exists = self._inpainted is not None
        self.ui.inpaintedFrame.visible = exists
        self.ui.overlayButton.checked = exists and is_overlay(self._inpainted)

    def scene_closes(self) -> None:
        self._inpainted = None

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer the inpainting models among the models on this machine."""
        inpainters = usable_models(entries, "inpainter")
        if inpainters != self._entries:  # or each look would undo the user's choices
            self._entries = inpainters
            offer_models(self.ui.inpainterSelector, inpainters)

    def _inpainter_chosen(self, index: int) -> None:
        entry = self._entries[index] if 0 <= index < len(self._entries) else None
        offer_classes(self.ui.inpaintingClassSelector, self.ui.inpaintingClassLabel, entry)
        if entry is not None and entry.card is not None:
            box, spec = self.ui.huBox, entry.card.image
            box.minimum, box.maximum = int(spec.hu_low) - 1, int(spec.hu_high)
            box.value = box.minimum  # shown as "median"

    def _pressed(self) -> None:
        if self.context.can_run_networks():
            keep_last_used(self.ui.inpainterSelector)
            nodes = [self.state.ct, self.state.segmentation]
            self.tasks.start(_("Inpainting a synthetic tumour"), self._inpaint(), nodes=nodes)

    def _inpaint(self) -> Steps:
        state, ui = self.state, self.ui
        volume = state.ct
        ct = ct_of_volume(volume)
        mask = mask_on_ct(state.segmentation, state.segment, volume, ct)
        request = {
            "model": str(self._entries[ui.inpainterSelector.currentIndex].path),
            "hu": None if ui.huBox.value == ui.huBox.minimum else ui.huBox.value,
            "label": ui.inpaintingClassSelector.currentData,
        }
        ct_file = yield from self._ct_files.file(volume, share=0.3)
        with CaseFiles() as files:
            write_mask(mask, files.mask)
            request |= {"ct": str(ct_file), "mask": str(files.mask), "out": str(files.ct)}
            described = yield WorkerCall("inpaint", request, 0.3, 0.9)
            part = sitk.ReadImage(str(files.ct))
        image = inpainted_image(ct, part, described)
        yield 0.92
        ratio = ui.comparisonPicture.devicePixelRatioF()
        picture = scaled_pixmap(side_by_side(ct, as_ct(image), mask), _PICTURE_WIDTH, ratio)
        yield 0.96
        check_in_scene(volume)
        self._inpainted = add_inpainted(volume, image, described)
        ui.comparisonPicture.setPixmap(picture)
        ui.inpaintedLabel.text = _inpainted_text(described, self._inpainted.GetName())
        self.context.report(
            _("The synthetic tumour is in a new volume. The patient's CT is unchanged.")
        )

    def _toggle_overlay(self) -> None:
        show_overlay(None if is_overlay(self._inpainted) else self._inpainted, 1.0)
        self.context.refresh()


def _inpainted_text(described: Mapping[str, Any], name: str) -> str:
    lines = [
        _("'{name}', by {model}.").format(name=name, model=described["model"]["name"]),
        described["model"]["notice"],
        _("Requested: mean {hu:.0f} HU, diameter {diameter_mm:.1f} mm.").format(
            **described["requested"]
        ),
        _("Result: mean {hu:.0f} HU, diameter {diameter_mm:.1f} mm.").format(
            **described["measured"]
        ),
        flags_text([Flag.of(flag) for flag in described["flags"]]),
    ]
    return "\n".join(filter(None, lines))
