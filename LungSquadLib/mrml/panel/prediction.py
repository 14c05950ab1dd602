"""Section 4: image models, their predictions, and how certain these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...errors import InputError
from ...imaging.crop import Crop
from ...imaging.files.transfer import write_mask
from ...imaging.flags import Flag
from ...models.catalogue import DESCRIBES, OF_IMAGES, Entry
from ...report.read_back import read_descriptions, read_predictions
from ...report.render import read_result
from ...statistics.text import format_number, format_percent
from ..descriptions import show_descriptions
from ..results import StoredPrediction, remove_prediction, show_prediction, stored_predictions
from ..segments import mask_on_ct
from ..temporary_files import CaseFiles, CtFileCache
from ..volumes import ct_of_volume
from .context import Context
from .drawing import pixmap, probability_picture
from .inputs import CropSource, ProfileSource
from .model_choice import offer_models, usable_models
from .section import Section, flags_text, is_of_tumour, show_text, show_whether_current
from .state import ALL_MODELS, crop_centre
from .tasks import Steps, WorkerCall, check_in_scene
from .views import show_overlay


class PredictionSection(Section):
    """Runs image models on the tumour and shows their predictions.

    Those that describe a nodule run as well; `DescriptionSection` shows what they give.

    Attributes:
        files: what the last prediction wrote, or None; `files_of`: the CT that it was made for.
    """

    name = "prediction"

    def __init__(
        self, context: Context, *, ct_files: CtFileCache, crop: CropSource, profile: ProfileSource
    ) -> None:
        super().__init__(context)
        self._ct_files, self._crop, self._profile = ct_files, crop, profile
        self.files: CaseFiles | None = None
        self.files_of: Any = None
        self._entries: list[Entry] = []
        self._stored: list[StoredPrediction] = []
        self._overlay: tuple[Any, float] | None = None
        self._updating = False
        self.on_click(self.ui.predictButton, self._pressed)
        self.ui.modelSelector.currentIndexChanged.connect(self._model_chosen)
        self.ui.resultSelector.currentIndexChanged.connect(self._result_chosen)

    def missing(self) -> str:
        if self.tasks.title:
            return ""  # the button is Cancel now and must be enabled
        if not self._entries:
            return _("No model for predictions is installed.")
        if message := self._crop.missing():
            return message
        return "" if self._crop.crop is not None else _("The crop is being computed.")

    def update(self) -> None:
        super().update()
        running = bool(self.tasks.title)
        self.ui.predictButton.text = _("Cancel") if running else _("Predict")
        self.ui.modelSelector.enabled = self.ui.deviceSelector.enabled = not running
        self._updating = True
        self.ui.modelSelector.currentIndex = max(
            self.ui.modelSelector.findData(self.state.model or ALL_MODELS), 0
        )
        self._updating = False
        self.ui.modelDescription.text = _model_text(self._chosen())
        self._update_results()

    def scene_closes(self) -> None:
        self._stored, self._overlay = [], None
        self.ui.resultTable.setMRMLTableNode(None)
        self._remove_files()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer the image models among the models on this machine."""
        self._entries = usable_models(entries, *OF_IMAGES, *DESCRIBES)
        self._updating = True
        selector = self.ui.modelSelector
        offer_models(selector, self._entries)
        if len(self._entries) > 1:
            selector.insertItem(0, _("All models"), ALL_MODELS)
        self._updating = False

    @property
    def stored(self) -> list[StoredPrediction]:
        """The predictions that the scene holds for the CT."""
        return self._stored

    def files_for(self, volume: Any) -> CaseFiles:
        """Return what the last prediction for a CT wrote.

        Raises:
            InputError: there was none since Slicer started, or it was for another CT.
        """
        if self.files is None or self.files_of is not volume:
            raise InputError(
                _("The files of these results are gone: a scene does not keep them. Predict again.")
            )
        return self.files

    # Predicting

    def _chosen(self) -> list[Entry]:
        name = self.ui.modelSelector.currentData
        return [entry for entry in self._entries if name in (ALL_MODELS, entry.name)]

    def _model_chosen(self, _index: int) -> None:
        if not self._updating and self.context.has_state:
            self.state.model = self.ui.modelSelector.currentData or ""

    def _pressed(self) -> None:
        if self.tasks.title:
            self.tasks.cancel()
        elif self.context.can_run_networks():
            nodes = [self.state.ct, self.state.segmentation]
            self.tasks.start(_("Predicting"), self._predict(), nodes=nodes)

    def _predict(self) -> Steps:
        state, entries = self.state, self._chosen()
        volume, segmentation = state.ct, state.segmentation
        ct = ct_of_volume(volume)
        mask = mask_on_ct(segmentation, state.segment, volume, ct)
        centre = crop_centre(state)
        ct_file = yield from self._ct_files.file(volume, share=0.1)
        models, describing = _paths(entries, OF_IMAGES), _paths(entries, DESCRIBES)
        profile, every = self._profile.file, len(entries) == len(self._entries)
        profile_models = self._profile.models_for(entries, every=every)
        files = CaseFiles()
        try:
            write_mask(mask, files.mask)
            request = {
                "ct": str(ct_file),
                "mask": str(files.mask),
                "models": [str(path) for path in (*models, *describing, *profile_models)],
                "folder": str(files.results),
                "device": state.device,
                **({} if centre is None else {"centre_lps": list(centre)}),
                **({} if profile is None else {"profile": str(profile)}),
            }
            yield WorkerCall("predict", request, 0.1, 0.95)
            check_in_scene(volume, segmentation)
            predictions = read_predictions(files.results, ct, mask, models)
            descriptions = read_descriptions(files.results, ct, mask, describing)
            yield 0.97
            check_in_scene(volume, segmentation)
            if descriptions:
                show_descriptions(descriptions, volume)
            for prediction in predictions:
                remove_prediction(volume, prediction.model.card.name)
                show_prediction(prediction, volume, with_box=False)
                yield 0.98
                check_in_scene(volume)
            if profile is not None:
                self._profile.show_predictions(read_result(files.results), profile, volume)
        except BaseException:  # also when it is cancelled or the panel is closed
            files.close()
            raise
        self._remove_files()
        self.files, self.files_of = files, volume
        self._overlay = None  # show the new saliency over the CT
        self.context.report(_("Prediction finished. Read the warnings before the probabilities."))

    def _remove_files(self) -> None:
        if self.files is not None:
            self.files.close()
        self.files = self.files_of = None

    # Results

    def _update_results(self) -> None:
        volume = self.state.ct
        stored = [] if volume is None else stored_predictions(volume)
        self._stored = [each for each in stored if _is_complete(each.described)]
        selector, titles = self.ui.resultSelector, [_title(each) for each in self._stored]
        self._updating = True
        if titles != [selector.itemText(number) for number in range(selector.count)]:
            selector.clear()
            for title in titles:
                selector.addItem(title)
        self._updating = False
        self.ui.resultFrame.visible = bool(titles)
        chosen = self._stored[selector.currentIndex] if titles else None
        self.ui.resultTable.setMRMLTableNode(None if chosen is None else chosen.table)
        if chosen is not None:
            self._show_result(chosen.described)
        self._show_saliency(None if chosen is None else chosen.saliency)

    def _result_chosen(self, _index: int) -> None:
        if not self._updating and self.context.has_state:
            self.context.refresh()

    def _show_result(self, described: Mapping[str, Any]) -> None:
        ui, crop = self.ui, self._crop.crop
        current = crop is not None and is_prediction_of(described, crop)
        show_whether_current(ui.outdatedLabel, current)
        ui.predictedClassLabel.text = _class_text(described)
        ui.probabilityPicture.setPixmap(pixmap(probability_picture(described)))
        ui.uncertaintyLabel.text = _uncertainty_text(described)
        flags = flags_text([Flag.of(flag) for flag in described["flags"]])
        show_text(ui.resultFlags, "\n".join(filter(None, (described["notice"], flags))))

    def _show_saliency(self, saliency: Any) -> None:
        """Show a saliency over the CT; the views are touched only when something changed."""
        opacity = self.state.saliency_opacity
        overlay = None if saliency is None else (saliency, opacity)
        if overlay != self._overlay:
            self._overlay = overlay
            show_overlay(saliency if opacity > 0 else None, opacity)


def is_prediction_of(described: Mapping[str, Any], crop: Crop) -> bool:
    """Return whether a prediction was made on a crop's tumour, where the crop is now."""
    centre = None if crop.chosen_centre_lps is None else list(crop.chosen_centre_lps)
    return is_of_tumour(described, crop) and described["crop"].get("chosen_centre_lps") == centre


def _paths(entries: Sequence[Entry], kinds: Sequence[str]) -> list[Path]:
    """Return the files of the models of some kinds."""
    return [entry.path for entry in entries if entry.card is not None and entry.card.kind in kinds]


def _is_complete(described: Mapping[str, Any]) -> bool:
    """Return whether a record, which may come from anywhere, has all that the panel shows of it."""
    try:
        str(described["model"]["title"])
        _class_text(described)
        _uncertainty_text(described)
        probability_picture(described)
        flags_text([Flag.of(flag) for flag in described["flags"]])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False
    return True


def _title(stored: StoredPrediction) -> str:
    return str(stored.described["model"]["title"])


def _model_text(entries: Sequence[Entry]) -> str:
    """Describe models; a line that several have in common appears once."""
    lines = []
    for card in (entry.card for entry in entries if entry.card is not None):
        lines += [
            f"{card.title}. {card.question}",
            _("Trained on {data}. Licence: {licence}.").format(
                data=card.training.data.rstrip("."), licence=card.licence.rstrip(".")
            ),
            card.notice or "",
        ]
    return "\n".join(line for line in dict.fromkeys(lines) if line)


def _class_text(described: Mapping[str, Any]) -> str:
    names = {label["code"]: label["name"] for label in described["classes"]}
    listed = ", ".join(
        f"{names[code]} {format_percent(value)}"
        for code, value in described["probabilities"].items()
    )
    predicted = names[described["predicted_class"]]
    return f"{described['question']}\n{predicted[:1].upper()}{predicted[1:]} ({listed})."


def _limits(interval: Mapping[str, Any]) -> dict[str, str]:
    return {end: format_number(interval[end], 2) for end in ("low", "high")}


def _uncertainty_text(described: Mapping[str, Any]) -> str:
    names = {label["code"]: label["name"] for label in described["classes"]}
    positive, baseline = described["positive_class"], described["volume_only_baseline"]
    sentences = [
        _("Probability of {name}: {value} (bar).").format(
            name=names[positive], value=format_number(described["probabilities"][positive], 2)
        ),
        _("{level:.0%} interval: {low} to {high} (line).").format(
            level=described["interval"]["level"], **_limits(described["interval"])
        ),
        _("Range over {positions} positions of the crop: {low} to {high}.").format(
            positions=described["robustness"]["positions"], **_limits(described["robustness"])
        ),
    ]
    if baseline is not None:
        sentences.append(
            _("Volume-only baseline: {value} (tick).").format(value=format_number(baseline, 2))
        )
    return " ".join(sentences)
