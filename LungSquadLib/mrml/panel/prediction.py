"""Section 4: models, the prediction, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ...errors import InputError
from ...imaging.crop import Crop
from ...imaging.flags import Flag
from ...models.catalogue import Entry
from ...report.render import read_result
from ...statistics.text import decimal, percent
from ..results import Stored, remove_prediction, show_prediction, stored_predictions
from ..segments import mask_on_ct
from ..temporary_files import Exchange, read_predictions, write_mask
from ..volumes import ct_of_volume
from .crop import flags_text
from .drawing import pixmap, probability_picture
from .installation import missing_packages
from .section import Section, show_text
from .state import ALL_MODELS, centre_of
from .tasks import Ask, Steps, still_there
from .views import show_over

if TYPE_CHECKING:
    from .panel import Panel


class PredictionSection(Section):
    """Asks models about the tumour.

    Attributes:
        files: what the last prediction wrote, and `of`, the CT that it is about; else None.
    """

    name = "prediction"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.files: Exchange | None = None
        self.of: Any = None
        self._entries: list[Entry] = []
        self._stored: list[Stored] = []
        self._seen: tuple[Any, float] | None = None
        self._updating = False
        self.on_click(self.ui.predictButton, self._pressed)
        self.ui.modelSelector.currentIndexChanged.connect(self._model_chosen)
        self.ui.resultSelector.currentIndexChanged.connect(self._result_chosen)

    def missing(self) -> str:
        crop = self.panel.crop
        if self.tasks.title:
            return ""  # Cancel must be there
        if not self._entries:
            return _("No model is installed that can predict.")
        return crop.missing() or ("" if crop.crop is not None else _("The crop is being made."))

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
        self.ui.modelAbout.text = _about(self._chosen())
        self._update_results()

    def scene_closes(self) -> None:
        self._stored, self._seen = [], None
        self.ui.resultTable.setMRMLTableNode(None)
        self._forget_files()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer those of the models on this machine that predict."""
        self._entries = [
            entry
            for entry in entries
            if entry.card is not None and entry.card.kind == "classifier" and not entry.shadowed
        ]
        self._updating = True
        selector = self.ui.modelSelector
        selector.clear()
        if len(self._entries) > 1:
            selector.addItem(_("All models"), ALL_MODELS)
        for entry in self._entries:
            assert entry.card is not None  # noqa: S101 - or it would not be here
            selector.addItem(entry.card.title, entry.name)
        self._updating = False

    @property
    def stored(self) -> list[Stored]:
        """The results that the scene holds for the CT."""
        return self._stored

    # Predicting

    def _chosen(self) -> list[Entry]:
        name = self.ui.modelSelector.currentData
        return [entry for entry in self._entries if name in (ALL_MODELS, entry.name)]

    def _model_chosen(self, _index: int) -> None:
        if not self._updating and self.panel.has_state:
            self.state.model = self.ui.modelSelector.currentData or ""

    def _pressed(self) -> None:
        if self.tasks.title:
            self.tasks.cancel()
            return
        if missing := missing_packages():
            self.panel.install(missing)
            return
        state = self.state
        nodes = [state.ct, state.segmentation]
        self.tasks.start(_("Predicting"), self._predict(), nodes=nodes)

    def _predict(self) -> Steps:
        state, entries = self.state, self._chosen()
        volume, segmentation = state.ct, state.segmentation
        ct = ct_of_volume(volume)
        mask = mask_on_ct(segmentation, state.segment, volume, ct)
        centre = centre_of(state)
        file = yield from self.panel.copies.of(volume, share=0.1)
        models = [entry.path for entry in entries]
        profile, every = self.panel.profile.file, len(entries) == len(self._entries)
        molecular = self.panel.profile.models_for(entries, every=every)
        files = Exchange()
        try:
            write_mask(mask, files.mask)
            asked = {
                "ct": str(file),
                "mask": str(files.mask),
                "models": [str(path) for path in (*models, *molecular)],
                "folder": str(files.results),
                "device": state.device,
                **({} if centre is None else {"centre": list(centre)}),
                **({} if profile is None else {"profile": str(profile)}),
            }
            yield Ask("predict", asked, 0.1, 0.95)
            still_there(volume, segmentation)
            predictions = read_predictions(files.results, ct, mask, models)
            yield 0.97
            still_there(volume, segmentation)
            for prediction in predictions:
                remove_prediction(volume, prediction.model.card.name)
                show_prediction(prediction, volume, with_box=False)
                yield 0.98
                still_there(volume)
            if profile is not None:
                self.panel.profile.answered(read_result(files.results), profile, volume)
        except BaseException:  # also when it is cancelled or the panel goes
            files.close()
            raise
        self._forget_files()
        self.files, self.of = files, volume
        self._seen = None  # lay the new saliency over the CT
        self.panel.tell(_("Done. Read the flags before the number."))

    def _forget_files(self) -> None:
        if self.files is not None:
            self.files.close()
        self.files = self.of = None

    # Results

    def _update_results(self) -> None:
        volume = self.state.ct
        stored = [] if volume is None else stored_predictions(volume)
        self._stored = [one for one in stored if _can_be_told(one.described)]
        selector, names = self.ui.resultSelector, [_title(one) for one in self._stored]
        self._updating = True
        if names != [selector.itemText(number) for number in range(selector.count)]:
            selector.clear()
            for name in names:
                selector.addItem(name)
        self._updating = False
        self.ui.resultFrame.visible = bool(names)
        shown = self._stored[selector.currentIndex] if names else None
        self.ui.resultTable.setMRMLTableNode(None if shown is None else shown.table)
        if shown is not None:
            self._tell_result(shown.described)
        self._lay_over(None if shown is None else shown.saliency)

    def _result_chosen(self, _index: int) -> None:
        if not self._updating and self.panel.has_state:
            self.panel.refresh()

    def _tell_result(self, described: Mapping[str, Any]) -> None:
        ui = self.ui
        crop = self.panel.crop.crop
        outdated = _("Out of date: the outline or the crop was another then. Predict again.")
        of_now = crop is not None and is_about(described, crop)
        show_text(ui.outdatedLabel, "" if of_now else outdated)
        ui.answerLabel.text = _answer(described)
        ui.barPicture.setPixmap(pixmap(probability_picture(described)))
        ui.certaintyLabel.text = _certainty(described)
        flags = flags_text([Flag.of(flag) for flag in described["flags"]])
        show_text(ui.resultFlags, "\n".join(filter(None, (described["notice"], flags))))

    def _lay_over(self, saliency: Any) -> None:
        """Show a saliency over the CT; the views are touched only when something changed."""
        opacity = self.state.saliency_opacity
        wanted = None if saliency is None else (saliency, opacity)
        if wanted != self._seen:
            self._seen = wanted
            show_over(saliency if opacity > 0 else None, opacity)


def is_about(described: Mapping[str, Any], crop: Crop) -> bool:
    """Whether a prediction was made on a crop's tumour, where the crop now is."""
    made, centre = described["crop"], crop.chosen_centre_lps
    return (
        made.get("mask_voxels") == crop.mask_voxels
        and made.get("mask_centre_of_mass_lps") == list(crop.mask_centre_of_mass_lps)
        and made.get("chosen_centre_lps") == (None if centre is None else list(centre))
    )


def _can_be_told(described: Mapping[str, Any]) -> bool:
    """A scene's file may come from anywhere: a record must have all that is shown of it."""
    try:
        str(described["model"]["title"])
        _answer(described)
        _certainty(described)
        probability_picture(described)
        flags_text([Flag.of(flag) for flag in described["flags"]])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False
    return True


def _title(stored: Stored) -> str:
    return str(stored.described["model"]["title"])


def _about(entries: Sequence[Entry]) -> str:
    """What the chosen models are; of several, what they have in common is said once."""
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


def _answer(described: Mapping[str, Any]) -> str:
    names = {one["code"]: one["name"] for one in described["classes"]}
    listed = ", ".join(
        f"{names[code]} {percent(value)}" for code, value in described["probabilities"].items()
    )
    answer = names[described["answer"]]
    return f"{described['question']}\n{answer[:1].upper()}{answer[1:]} ({listed})."


def _ends(interval: Mapping[str, Any]) -> dict[str, str]:
    return {end: decimal(interval[end], 2) for end in ("low", "high")}


def _certainty(described: Mapping[str, Any]) -> str:
    names = {one["code"]: one["name"] for one in described["classes"]}
    positive, baseline = described["positive_class"], described["baseline_volume_alone"]
    words = [
        _("Probability of {name}, from 0 to 1:").format(name=names[positive]),
        _("{value} (bar), {level:.0%} interval {low} to {high} (line),").format(
            value=decimal(described["probabilities"][positive], 2),
            level=described["interval"]["level"],
            **_ends(described["interval"]),
        ),
        _("in {positions} positions of the crop {low} to {high}").format(
            positions=described["robustness"]["positions"], **_ends(described["robustness"])
        )
        + ("." if baseline is None else ";"),
    ]
    if baseline is not None:
        words.append(
            _("tumour volume alone says {value} (tick).").format(value=decimal(baseline, 2))
        )
    return " ".join(words)


def result_files(section: PredictionSection, volume: Any) -> Exchange:
    """What the last prediction on a volume wrote.

    Raises:
        InputError: there was none since Slicer started, or it was about another CT.
    """
    if section.files is None or section.of is not volume:
        raise InputError(
            _("The files of these results are gone (they are not kept in a scene): predict again.")
        )
    return section.files
