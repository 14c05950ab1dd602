"""Section 4: image models, and their predictions for the chosen tumour or for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...errors import CancelledError, WorkerError
from ...imaging.files.transfer import write_mask
from ...imaging.geometry import Point
from ...models.catalogue import DESCRIBES, OF_IMAGES, Entry
from ...report.read_back import each_prediction, read_descriptions
from ...report.render import read_result
from ..descriptions import show_descriptions
from ..results import remove_prediction, show_prediction
from ..segments import mask_on_ct, segment_ids
from ..temporary_files import CaseFiles, CtFileCache
from ..tumour import CaseKey, Tumour
from ..volumes import ct_of_volume
from .context import Context
from .inputs import CropSource, ProfileSource
from .model_choice import keep_last_used, last_used, offer_models, usable_models
from .prediction_files import CaseRun, PredictionFiles
from .preliminary import PreliminaryPredictions
from .section import Section, show_text
from .state import ALL_MODELS, crop_centre
from .tasks import Steps, WorkerCall, check_in_scene, message_of


@dataclass(frozen=True)
class _Case:
    """A tumour to predict for, and its share of the progress bar."""

    segmentation: Any
    segment: str
    centre: Point | None
    start: float = 0.0
    end: float = 1.0

    def at(self, fraction: float) -> float:
        """Return the progress of all work when a fraction of this case is done."""
        return self.start + (self.end - self.start) * fraction


class PredictionSection(Section):
    """Runs image models on tumours; `ResultSection` shows their predictions.

    Those that describe a nodule run as well; `DescriptionSection` shows what they give.

    Attributes:
        files: what the predictions wrote.
    """

    name = "prediction"

    def __init__(
        self,
        context: Context,
        *,
        ct_files: CtFileCache,
        crop: CropSource,
        profile: ProfileSource,
        preliminary: PreliminaryPredictions,
        predicted: Callable[[], None],
    ) -> None:
        """Create the section.

        Args:
            context: the panel's services.
            ct_files: writes the CT for the worker.
            crop: the crop of the chosen tumour.
            profile: the patient's expression profile.
            preliminary: takes the first results.
            predicted: called when the scene has new predictions.
        """
        super().__init__(context)
        self._ct_files, self._crop, self._profile = ct_files, crop, profile
        self._preliminary, self._predicted = preliminary, predicted
        self.files = PredictionFiles()
        self._entries: list[Entry] = []
        self._updating = False
        self.on_click(self.ui.predictButton, self._predict_chosen)
        self.on_click(self.ui.predictAllButton, self._predict_all)
        self.ui.modelSelector.currentIndexChanged.connect(self._model_chosen)

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
        ui, running = self.ui, bool(self.tasks.title)
        ui.predictButton.text = _("Cancel") if running else _("Predict")
        segmentation = self.state.segmentation
        ui.predictAllButton.visible = (
            segmentation is not None and len(segment_ids(segmentation)) > 1
        )
        ui.predictAllButton.enabled = not running
        ui.modelSelector.enabled = ui.deviceSelector.enabled = not running
        self._updating = True
        model = self.state.model or last_used(ui.modelSelector) or ALL_MODELS
        index = ui.modelSelector.findData(model)
        ui.modelSelector.currentIndex = max(index, 0)
        self._updating = False
        chosen = self._chosen()
        ui.modelSummary.text = "\n".join(map(_question, chosen))
        show_text(ui.modelDescription, _model_text(chosen))
        ui.aboutModelSection.visible = bool(chosen)

    def scene_closes(self) -> None:
        self.files.close()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer the image models among the models on this machine."""
        self._entries = usable_models(entries, *OF_IMAGES, *DESCRIBES)
        self._updating = True
        selector = self.ui.modelSelector
        offer_models(selector, self._entries)
        if len(self._entries) > 1:
            selector.insertItem(0, _("All models"), ALL_MODELS)
        self._updating = False

    # Predicting

    def _chosen(self) -> list[Entry]:
        name = self.ui.modelSelector.currentData
        return [entry for entry in self._entries if name in (ALL_MODELS, entry.name)]

    def chosen_paths(self) -> list[Path]:
        """Return the files of the chosen models."""
        return [entry.path for entry in self._chosen()]

    def _model_chosen(self, _index: int) -> None:
        if not self._updating and self.context.has_state:
            self.state.model = self.ui.modelSelector.currentData or ""

    def _predict_chosen(self) -> None:
        state = self.state
        if self.tasks.title:
            self.tasks.cancel()
        elif self.context.can_run_networks():
            case = _Case(state.segmentation, state.segment, crop_centre(state))
            self._start(self._predict(case, self._chosen()))

    def _predict_all(self) -> None:
        if self.context.can_run_networks():
            self._start(self._predict_each(segment_ids(self.state.segmentation)))

    def _start(self, steps: Steps) -> None:
        keep_last_used(self.ui.modelSelector)
        nodes = [self.state.ct, self.state.segmentation]
        self.tasks.start(_("Predicting"), steps, nodes=nodes)

    def _predict_each(self, segments: Sequence[str]) -> Steps:
        """Predict for all segments of a segmentation; one that fails does not stop the others."""
        state, entries = self.state, self._chosen()
        segmentation, chosen, centre = state.segmentation, state.segment, crop_centre(state)
        problems = []
        for number, segment in enumerate(segments):
            start, end = number / len(segments), (number + 1) / len(segments)
            moved = centre if segment == chosen else None
            try:
                case = _Case(segmentation, segment, moved, start, end)
                yield from self._predict(case, entries)
            except Exception as error:
                check_in_scene(state.ct, segmentation)
                if isinstance(error, (CancelledError, WorkerError)):
                    raise
                problems.append(f"'{Tumour(segmentation, segment).name}': {message_of(error)}")
        done = _("{n} of {all} tumours are predicted. Read the warnings before the probabilities.")
        finished = done.format(n=len(segments) - len(problems), all=len(segments))
        self.context.report(" ".join([finished, *problems]))

    def _predict(self, case: _Case, entries: Sequence[Entry]) -> Steps:
        volume = self.state.ct
        ct = ct_of_volume(volume)
        mask = mask_on_ct(case.segmentation, case.segment, volume, ct)
        key = CaseKey.of(ct, mask, case.centre)
        tumour = Tumour(case.segmentation, case.segment, key)
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
                "preliminary": str(files.preliminary),
                "device": self.state.device,
                **({} if case.centre is None else {"centre_lps": list(case.centre)}),
                **({} if profile is None else {"profile": str(profile)}),
            }
            with self._preliminary.received(volume, tumour) as receive:
                yield WorkerCall("predict", request, case.at(0.1), case.at(0.95), receive)
                check_in_scene(volume, case.segmentation)
                descriptions = read_descriptions(files.results, ct, mask, describing)
                if descriptions:
                    of_outline = replace(tumour, key=key.of_outline)
                    show_descriptions(descriptions, volume, tumour=of_outline)
                for prediction in each_prediction(files.results, ct, mask, models):
                    yield case.at(0.96)
                    check_in_scene(volume, case.segmentation)
                    remove_prediction(volume, prediction.model.card.name, tumour)
                    show_prediction(prediction, volume, tumour=tumour, with_box=False)
                    yield case.at(0.98)
                    check_in_scene(volume, case.segmentation)
            if profile is not None:
                self._profile.show_predictions(read_result(files.results), profile, volume)
        except BaseException:  # also when it is cancelled or the panel is closed
            files.close()
            raise
        self.files.add(CaseRun(volume, tumour, files))
        self._predicted()
        self.context.report(_("Prediction finished. Read the warnings before the probabilities."))


def _paths(entries: Sequence[Entry], kinds: Sequence[str]) -> list[Path]:
    """Return the files of the models of some kinds."""
    return [entry.path for entry in entries if entry.card is not None and entry.card.kind in kinds]


def _question(entry: Entry) -> str:
    """Return one line about a model."""
    card = entry.card
    return "" if card is None else f"{card.title}: {card.question}"


def _model_text(entries: Sequence[Entry]) -> str:
    """Describe models; a line that several have in common appears once."""
    lines = []
    for card in (entry.card for entry in entries if entry.card is not None):
        lines += [
            _("{title}: trained on {data}. Licence: {licence}.").format(
                title=card.title,
                data=card.training.data.rstrip("."),
                licence=card.licence.rstrip("."),
            ),
            card.notice or "",
        ]
    return "\n".join(line for line in dict.fromkeys(lines) if line)
