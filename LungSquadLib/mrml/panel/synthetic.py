"""Section 5: slices of tumours that a model makes up, and real ones to compare them with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from ...imaging.axial import axial_slices
from ...imaging.crop import Crop
from ...imaging.pictures import tile
from ...models.catalogue import Entry, user_folder
from ..segments import mask_on_ct
from ..synthetic import MadeUp, add_made_up, read_made_up
from ..temporary_files import Exchange
from ..volumes import ct_of_volume
from .drawing import pixmap
from .events import single_shot
from .installation import missing_packages
from .section import Section, show_text
from .tasks import Ask, Steps, told

if TYPE_CHECKING:
    from .panel import Panel

_MOST_REAL = 16
_CHEST_MM = 200.0  # from this width on a generator's images are of a whole slice, not of a tumour


class GeneratedSection(Section):
    """Asks a generator for images, shows them, and puts the chosen one into the scene."""

    name = "generated"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._entries: list[Entry] = []
        self._made: MadeUp | None = None
        self._asked: dict[str, Any] = {}  # what was asked for it
        # The crop and the images that the real slices belong to.
        self._real_of: tuple[Crop | None, MadeUp | None] = (None, None)
        self._timer = single_shot(panel.widget, self._show_real)
        ui = self.ui
        self.on_click(ui.generateButton, self._generate)
        self.on_click(ui.likeButton, self._more)
        self.on_click(ui.loadMadeUpButton, self._load)
        ui.generatorSelector.currentIndexChanged.connect(self._generator_chosen)
        ui.madeUpList.currentRowChanged.connect(lambda _row: panel.refresh())
        ui.realCheckBox.toggled.connect(lambda _checked: panel.refresh())

    def missing(self) -> str:
        if self._entries:
            return ""
        return _(
            "No model that generates images is installed. Such models are .safetensors files in "
            "{folder}."
        ).format(folder=user_folder())

    def update(self) -> None:
        super().update()
        ui, busy = self.ui, bool(self.tasks.title)
        ui.generateButton.enabled = not busy
        ui.madeUpFrame.visible = self._made is not None
        if self._made is None:
            return
        chosen = ui.madeUpList.currentRow >= 0
        ui.loadMadeUpButton.enabled = chosen
        ui.likeButton.enabled = chosen and not busy and "like" not in self._asked
        self._look_for_real(self._made)

    def scene_closes(self) -> None:
        self._timer.stop()
        self._forget_real()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer those of the models on this machine that make images."""
        found = usable(entries, "generator")
        if found != self._entries:  # or the user's choices would be gone with every look
            self._entries = found
            offer_models(self.ui.generatorSelector, found)

    # Making images

    def _generator_chosen(self, index: int) -> None:
        entry = self._entries[index] if 0 <= index < len(self._entries) else None
        offer_classes(self.ui.conditionSelector, self.ui.conditionLabel, entry)

    def _generate(self) -> None:
        ui = self.ui
        self._start(
            {
                "model": str(self._entries[ui.generatorSelector.currentIndex].path),
                "n": ui.countBox.value,
                "seed": ui.drawBox.value,
                "truncate": ui.varietySlider.value,
                "label": ui.conditionSelector.currentData,
            }
        )

    def _more(self) -> None:
        """Neighbours of the chosen image."""
        self._start({**self._asked, "like": self.ui.madeUpList.currentRow})

    def _start(self, asked: dict[str, Any]) -> None:
        if missing := missing_packages():
            self.panel.install(missing)
            return
        self.tasks.start(_("Making up images"), self._steps(asked))

    def _steps(self, asked: dict[str, Any]) -> Steps:
        with Exchange() as files:
            described = yield Ask("generate", {**asked, "folder": str(files.results)})
            made = read_made_up(files.results, described)
        self._made, self._asked = made, asked
        self.ui.drawBox.value = asked["seed"] + 1  # the next press gives other images
        self.ui.madeUpLabel.text = _words(described)
        _fill(self.ui.madeUpList, made.slices, made.window)
        self.panel.tell(_("Done. These images are of no patient."))

    def _load(self) -> None:
        assert self._made is not None  # noqa: S101 - or the button would not be seen
        number = self.ui.madeUpList.currentRow
        volume, _segmentation = add_made_up(slicer.mrmlScene, self._made, number)
        loaded = _("In the scene as '{name}', apart from the patient: see the module Data.")
        self.panel.tell(loaded.format(name=volume.GetName()))

    # Real slices beside them

    def _look_for_real(self, made: MadeUp) -> None:
        """Cut the patient's slices anew, soon, if the patient or the images are others."""
        ui, crop = self.ui, self.panel.crop
        wanted = ui.realCheckBox.checked
        if not wanted or crop.crop is None:
            self._forget_real()
            show_text(ui.realHint, crop.missing() if wanted else "")
            return
        if self._real_of[0] is not crop.crop or self._real_of[1] is not made:
            self._real_of = (crop.crop, made)
            self._timer.start()

    def _show_real(self) -> None:
        state, made = self.state, self._real_of[1]
        if made is None:
            return
        try:
            ct = ct_of_volume(state.ct)
            mask = mask_on_ct(state.segmentation, state.segment, state.ct, ct)
            pixels, pixel_mm = made.described["pixels"], made.described["spacing_mm"]
            real = axial_slices(
                ct,
                mask,
                context="tumour" if pixels * pixel_mm < _CHEST_MM else "slice",
                pixels=pixels,
                pixel_mm=pixel_mm,
            )
        except Exception as error:
            self.ui.realList.clear()
            show_text(self.ui.realHint, told(error))
            return
        shown = min(len(real.hu), _MOST_REAL)
        chosen = [number * len(real.hu) // shown for number in range(shown)]
        _fill(self.ui.realList, [(real.hu[n], real.mask[n]) for n in chosen], made.window)
        show_text(self.ui.realHint, _("Real slices of this patient, in the same window and scale:"))
        self.ui.realList.visible = True

    def _forget_real(self) -> None:
        self._real_of = (None, None)
        self.ui.realList.visible = False


def usable(entries: Sequence[Entry], kind: str) -> list[Entry]:
    """Those models of a kind that can be chosen."""
    return [
        entry
        for entry in entries
        if entry.card is not None and entry.card.kind == kind and not entry.shadowed
    ]


def offer_models(selector: Any, entries: Sequence[Entry]) -> None:
    """Let a combo box offer models, by their titles."""
    selector.clear()
    for entry in entries:
        assert entry.card is not None  # noqa: S101 - or it would not be usable
        selector.addItem(entry.card.title)


def offer_classes(selector: Any, label: Any, entry: Entry | None) -> None:
    """Let a combo box offer the classes that a model knows; where there are none, it goes."""
    card = None if entry is None else entry.card
    selector.clear()
    selector.addItem(_("any"), None)
    for one in () if card is None else card.classes:
        selector.addItem(one.name, one.code)
    selector.visible = label.visible = selector.count > 1


def _words(described: Mapping[str, Any]) -> str:
    """What stands above the images."""
    model, drawn = described["model"], described["drawn"]
    of = _("{title}, draw {seed}").format(title=model["title"], seed=drawn["seed"])
    if drawn["like"] is not None:
        of += _(", neighbours of image {number}").format(number=drawn["like"])
    return "\n".join(filter(None, (described["notice"], model["notice"], f"{of}:")))


def _fill(
    widget: Any, slices: Iterable[tuple[np.ndarray, np.ndarray]], window: tuple[float, float]
) -> None:
    """Show slices, HU and mask, numbered; the masks are outlined."""
    low, high = window
    widget.clear()
    for number, (hu, mask) in enumerate(slices):
        picture, icon = pixmap(tile(hu, mask, low=low, high=high)), qt.QIcon()
        for mode in (qt.QIcon.Normal, qt.QIcon.Selected):  # or Qt would colour what is chosen
            icon.addPixmap(picture, mode)
        widget.addItem(qt.QListWidgetItem(icon, str(number)))
