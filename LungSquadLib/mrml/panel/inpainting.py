"""Section 5, below: a CT in which a model painted a tumour where a segment was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import qt
import SimpleITK as sitk
from slicer.i18n import tr as _

from ...imaging.ct import as_ct
from ...imaging.flags import Flag
from ...imaging.pictures import side_by_side
from ...models.catalogue import Entry
from ..segments import mask_on_ct
from ..synthetic import add_painted, painted_image
from ..temporary_files import Exchange, write_mask
from ..volumes import ct_of_volume
from .crop import flags_text
from .drawing import pixmap
from .installation import missing_packages
from .section import Section
from .synthetic import offer_classes, offer_models, usable
from .tasks import Ask, Steps, is_there, still_there
from .views import is_over, show_over

if TYPE_CHECKING:
    from .panel import Panel

_PICTURE_WIDTH = 440  # pixels


class PaintingSection(Section):
    """Asks a translator for a tumour in the CT, and shows it beside the CT as it is."""

    name = "painting"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._entries: list[Entry] = []
        self._painted: Any = None  # the volume that came last
        self.on_click(self.ui.paintButton, self._pressed)
        self.on_click(self.ui.overButton, self._over)
        self.ui.translatorSelector.currentIndexChanged.connect(self._translator_chosen)

    def missing(self) -> str:
        if not self._entries:
            return _("No model that paints a tumour into a CT is installed.")
        return self.panel.crop.missing()

    def update(self) -> None:
        super().update()
        self.ui.paintButton.enabled = not self.tasks.title
        if not is_there(self._painted):
            self._painted = None
        self.ui.paintedFrame.visible = self._painted is not None
        self.ui.overButton.checked = self._painted is not None and is_over(self._painted)

    def scene_closes(self) -> None:
        self._painted = None

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer those of the models on this machine that paint into a CT."""
        found = usable(entries, "inpainter")
        if found != self._entries:
            self._entries = found
            offer_models(self.ui.translatorSelector, found)

    def _translator_chosen(self, index: int) -> None:
        entry = self._entries[index] if 0 <= index < len(self._entries) else None
        offer_classes(self.ui.paintedClassSelector, self.ui.paintedClassLabel, entry)
        if entry is not None and entry.card is not None:
            box, spec = self.ui.huBox, entry.card.image
            box.minimum, box.maximum = int(spec.hu_low) - 1, int(spec.hu_high)
            box.value = box.minimum  # shown as "usual"

    def _pressed(self) -> None:
        if missing := missing_packages():
            self.panel.install(missing)
            return
        state = self.state
        self.tasks.start(
            _("Painting a tumour"), self._paint(), nodes=[state.ct, state.segmentation]
        )

    def _paint(self) -> Steps:
        state, ui = self.state, self.ui
        volume = state.ct
        ct = ct_of_volume(volume)
        mask = mask_on_ct(state.segmentation, state.segment, volume, ct)
        asked = {
            "model": str(self._entries[ui.translatorSelector.currentIndex].path),
            "hu": None if ui.huBox.value == ui.huBox.minimum else ui.huBox.value,
            "class": ui.paintedClassSelector.currentData,
        }
        file = yield from self.panel.copies.of(volume, share=0.3)
        with Exchange() as files:
            write_mask(mask, files.mask)
            asked |= {"ct": str(file), "mask": str(files.mask), "out": str(files.ct)}
            described = yield Ask("inpaint", asked, 0.3, 0.9)
            part = sitk.ReadImage(str(files.ct))
        image = painted_image(ct, part, described)
        yield 0.92
        picture = pixmap(side_by_side(ct, as_ct(image), mask)).scaledToWidth(
            _PICTURE_WIDTH, qt.Qt.SmoothTransformation
        )
        yield 0.96
        still_there(volume)
        self._painted = add_painted(volume, image, described)
        ui.besidePicture.setPixmap(picture)
        ui.paintedLabel.text = _words(described, self._painted.GetName())
        self.panel.tell(_("Done. The patient's CT is as it was; the new volume is made up."))

    def _over(self) -> None:
        show_over(None if is_over(self._painted) else self._painted, 1.0)
        self.panel.refresh()


def _words(described: Mapping[str, Any], name: str) -> str:
    requested, measured = described["requested"], described["measured"]
    words = [
        _("'{name}', by {model}.").format(name=name, model=described["model"]["name"]),
        described["model"]["notice"],
        _("Asked: {hu:.0f} HU on average, {diameter_mm:.1f} mm across.").format(**requested),
        _("Came out: {hu:.0f} HU, {diameter_mm:.1f} mm across.").format(**measured),
        flags_text([Flag.of(flag) for flag in described["flags"]]),
    ]
    return "\n".join(filter(None, words))
