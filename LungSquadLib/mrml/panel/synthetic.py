"""Section 5: synthetic images of tumours, and real slices of the patient to compare them with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from ...imaging.crop import Crop
from ...imaging.pictures import tile
from ...imaging.slices import axial_slices
from ...models.catalogue import Entry, user_folder
from ..segments import mask_on_ct
from ..synthetic import SyntheticImages, add_synthetic_image, read_synthetic_images
from ..temporary_files import CaseFiles
from ..volumes import ct_of_volume
from .context import Context
from .drawing import pixmap
from .events import single_shot
from .inputs import CropSource
from .model_choice import keep_last_used, offer_classes, offer_models, usable_models
from .section import Section, show_text
from .tasks import Steps, WorkerCall, message_of

_MOST_REAL = 16
_CHEST_MM = 200.0  # images of this width and more show a whole slice, not only a tumour


class SyntheticSection(Section):
    """Generates images, shows them, and adds the chosen one to the scene."""

    name = "synthetic"

    def __init__(self, context: Context, *, crop: CropSource) -> None:
        super().__init__(context)
        self._crop = crop
        self._entries: list[Entry] = []
        self._images: SyntheticImages | None = None
        self._request: dict[str, Any] = {}  # that the images are the result of
        # The crop and the images that the real slices belong to.
        self._real_of: tuple[Crop | None, SyntheticImages | None] = (None, None)
        self._timer = single_shot(context.widget, self._show_real)
        ui = self.ui
        self.on_click(ui.generateButton, self._generate)
        self.on_click(ui.similarButton, self._generate_similar)
        self.on_click(ui.loadImageButton, self._load)
        ui.generatorSelector.currentIndexChanged.connect(self._generator_chosen)
        ui.imageList.currentRowChanged.connect(lambda _row: context.refresh())
        ui.realCheckBox.toggled.connect(lambda _checked: context.refresh())

    def missing(self) -> str:
        if self._entries:
            return ""
        return _(
            "No model that generates images is installed. Put such a model (a .safetensors file) "
            "into {folder}."
        ).format(folder=user_folder())

    def update(self) -> None:
        super().update()
        ui, busy = self.ui, bool(self.tasks.title)
        ui.generateButton.enabled = not busy
        ui.imageFrame.visible = self._images is not None
        if self._images is None:
            return
        chosen = ui.imageList.currentRow >= 0
        ui.loadImageButton.enabled = chosen
        ui.similarButton.enabled = chosen and not busy and "like" not in self._request
        self._update_real(self._images)

    def scene_closes(self) -> None:
        self._timer.stop()
        self._hide_real()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer the generators among the models on this machine."""
        generators = usable_models(entries, "generator")
        if generators != self._entries:  # or each look would undo the user's choices
            self._entries = generators
            offer_models(self.ui.generatorSelector, generators)

    # Generating

    def _generator_chosen(self, index: int) -> None:
        entry = self._entries[index] if 0 <= index < len(self._entries) else None
        offer_classes(self.ui.conditionSelector, self.ui.conditionLabel, entry)

    def _generate(self) -> None:
        ui = self.ui
        self._start(
            {
                "model": str(self._entries[ui.generatorSelector.currentIndex].path),
                "n": ui.countBox.value,
                "seed": ui.seedBox.value,
                "truncation": ui.truncationSlider.value,
                "label": ui.conditionSelector.currentData,
            }
        )

    def _generate_similar(self) -> None:
        self._start({**self._request, "like": self.ui.imageList.currentRow})

    def _start(self, request: dict[str, Any]) -> None:
        if self.context.can_run_networks():
            keep_last_used(self.ui.generatorSelector)
            self.tasks.start(_("Generating images"), self._steps(request))

    def _steps(self, request: dict[str, Any]) -> Steps:
        with CaseFiles() as files:
            described = yield WorkerCall("generate", {**request, "folder": str(files.results)})
            images = read_synthetic_images(files.results, described)
        self._images, self._request = images, request
        self.ui.seedBox.value = request["seed"] + 1  # the next press gives other images
        self.ui.imageLabel.text = _images_text(described)
        _fill(self.ui.imageList, images.slices, images.window)
        self.context.report(_("The images are generated. They are synthetic and show no patient."))

    def _load(self) -> None:
        assert self._images is not None  # noqa: S101 - or the button would be hidden
        number = self.ui.imageList.currentRow
        volume, _segmentation = add_synthetic_image(slicer.mrmlScene, self._images, number)
        loaded = _("Added to the scene as '{name}', outside the patient: see the module Data.")
        self.context.report(loaded.format(name=volume.GetName()))

    # Real slices

    def _update_real(self, images: SyntheticImages) -> None:
        """Cut the patient's slices again, soon, if the crop or the images have changed."""
        ui, crop = self.ui, self._crop.crop
        wanted = ui.realCheckBox.checked
        if not wanted or crop is None:
            self._hide_real()
            show_text(ui.realHint, self._crop.missing() if wanted else "")
            return
        if self._real_of[0] is not crop or self._real_of[1] is not images:
            self._real_of = (crop, images)
            self._timer.start()

    def _show_real(self) -> None:
        state, images = self.state, self._real_of[1]
        if images is None:
            return
        try:
            ct = ct_of_volume(state.ct)
            mask = mask_on_ct(state.segmentation, state.segment, state.ct, ct)
            pixels, pixel_mm = images.described["pixels"], images.described["spacing_mm"]
            real = axial_slices(
                ct,
                mask,
                context="tumour" if pixels * pixel_mm < _CHEST_MM else "slice",
                pixels=pixels,
                pixel_mm=pixel_mm,
            )
        except Exception as error:
            self.ui.realList.clear()
            show_text(self.ui.realHint, message_of(error))
            return
        count = min(len(real.hu), _MOST_REAL)
        chosen = [number * len(real.hu) // count for number in range(count)]
        _fill(self.ui.realList, [(real.hu[n], real.mask[n]) for n in chosen], images.window)
        show_text(self.ui.realHint, _("Real slices of this patient, in the same window and scale:"))
        self.ui.realList.visible = True

    def _hide_real(self) -> None:
        self._real_of = (None, None)
        self.ui.realList.visible = False


def _images_text(described: Mapping[str, Any]) -> str:
    """Return the notices and the origin of generated images."""
    model, parameters = described["model"], described["parameters"]
    origin = _("{title}, seed {seed}").format(title=model["title"], seed=parameters["seed"])
    if parameters["like"] is not None:
        origin += _(", similar to image {number}").format(number=parameters["like"])
    return "\n".join(filter(None, (described["notice"], model["notice"], f"{origin}:")))


def _fill(
    widget: Any, slices: Iterable[tuple[np.ndarray, np.ndarray]], window: tuple[float, float]
) -> None:
    """Show slices, HU and mask, numbered; the masks are outlined."""
    low, high = window
    widget.clear()
    for number, (hu, mask) in enumerate(slices):
        drawn, icon = tile(hu, mask, low=low, high=high), qt.QIcon()
        picture = pixmap(drawn, widget.devicePixelRatioF())
        for mode in (qt.QIcon.Normal, qt.QIcon.Selected):  # or Qt would colour what is chosen
            icon.addPixmap(picture, mode)
        widget.addItem(qt.QListWidgetItem(icon, str(number)))
