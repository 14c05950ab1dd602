"""Section 4, below the button: the predictions for the chosen tumour, and how certain they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from ...imaging.flags import Flag
from ...statistics.text import format_number, format_percent
from ..results import SALIENCY_THRESHOLD, StoredPrediction, stored_predictions
from .context import Context
from .drawing import probability_picture, saliency_bar, show_picture
from .inputs import CropSource
from .preliminary import PreliminaryPredictions
from .section import Section, flags_text, show_text, show_whether_current
from .views import show_overlay


class ResultSection(Section):
    """Shows a prediction that the scene holds, with its saliency over the CT.

    The preliminary results of a prediction that is running are shown in its place.

    Attributes:
        all_stored: the predictions that the scene holds for all tumours of the CT.
        stored: those for the chosen tumour.
    """

    def __init__(
        self, context: Context, *, crop: CropSource, preliminary: PreliminaryPredictions
    ) -> None:
        super().__init__(context)
        self._crop, self._preliminary = crop, preliminary
        self.all_stored: list[StoredPrediction] = []
        self.stored: list[StoredPrediction] = []
        self._overlay: tuple[Any, float] | None = None
        self._complete: dict[int, Mapping[str, Any]] = {}  # records that were checked, by their id
        self._updating = False
        show_picture(self.ui.saliencyBar, saliency_bar(SALIENCY_THRESHOLD))
        self.ui.resultSelector.currentIndexChanged.connect(self._result_chosen)

    def update(self) -> None:
        super().update()
        volume, chosen = self.state.ct, (self.state.segmentation, self.state.segment)
        stored = [] if volume is None else stored_predictions(volume)
        self.all_stored = [each for each in stored if self._is_known_complete(each.described)]
        self.stored = [
            each
            for each in self.all_stored
            if each.tumour is None or each.tumour.is_segment(*chosen)
        ]
        displayed = self._preliminary.of(volume, *chosen) or self.stored
        self._update_selector([_title(each) for each in displayed])
        self._show(displayed[self.ui.resultSelector.currentIndex] if displayed else None)

    def _is_known_complete(self, described: Mapping[str, Any]) -> bool:
        if self._complete.get(id(described)) is not described:
            if not _is_complete(described):
                return False
            self._complete[id(described)] = described
        return True

    def scene_closes(self) -> None:
        self.all_stored, self.stored, self._overlay = [], [], None
        self._complete.clear()
        self.ui.resultTable.setMRMLTableNode(None)

    def show_saliency_next(self) -> None:
        """Show the saliency over the CT at the next update: it is new."""
        self._overlay = None

    def _update_selector(self, titles: list[str]) -> None:
        selector = self.ui.resultSelector
        self._updating = True
        if titles != [selector.itemText(number) for number in range(selector.count)]:
            chosen = selector.currentText
            selector.clear()
            for title in titles:
                selector.addItem(title)
            selector.currentIndex = titles.index(chosen) if chosen in titles else 0
        self._updating = False
        self.ui.resultFrame.visible = bool(titles)

    def _result_chosen(self, _index: int) -> None:
        if not self._updating and self.context.has_state:
            self.context.refresh()

    def _show(self, chosen: StoredPrediction | None) -> None:
        table = self.ui.resultTable
        if table.mrmlTableNode() is not (None if chosen is None else chosen.table):
            table.setMRMLTableNode(None if chosen is None else chosen.table)
            table.resizeRowsToContents()
        if chosen is not None:
            self._show_result(chosen)
        self._show_saliency(None if chosen is None else chosen.saliency)

    def _show_result(self, chosen: StoredPrediction) -> None:
        ui, described = self.ui, chosen.described
        preliminary = chosen.table is None
        follow = _("Preliminary: the interval, the robustness and the report follow.")
        show_text(ui.preliminaryLabel, follow if preliminary else "")
        ui.tableSection.visible = not preliminary
        show_whether_current(ui.outdatedLabel, chosen.tumour, self._crop.key)
        ui.predictedClassLabel.text = _class_text(described)
        show_picture(ui.probabilityPicture, probability_picture(described))
        ui.uncertaintyLabel.text = " ".join(
            [_probability_text(described)] if preliminary else _uncertainty_texts(described)
        )
        flags = flags_text([Flag.of(flag) for flag in described["flags"]])
        show_text(ui.resultFlags, "\n".join(filter(None, (described["notice"], flags))))

    def _show_saliency(self, saliency: Any) -> None:
        """Show a saliency over the CT; the views are touched only when something changed."""
        opacity = self.state.saliency_opacity
        overlay = None if saliency is None else (saliency, opacity)
        if overlay != self._overlay:
            self._overlay = overlay
            show_overlay(saliency if opacity > 0 else None, opacity)


def _is_complete(described: Mapping[str, Any]) -> bool:
    """Return whether a record, which may come from anywhere, has all that the panel shows of it."""
    try:
        str(described["model"]["title"])
        _class_text(described)
        _uncertainty_texts(described)
        probability_picture(described)
        flags_text([Flag.of(flag) for flag in described["flags"]])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False
    return True


def _title(stored: StoredPrediction) -> str:
    return str(stored.described["model"]["title"])


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


def _probability_text(described: Mapping[str, Any]) -> str:
    names = {label["code"]: label["name"] for label in described["classes"]}
    positive = described["positive_class"]
    return str(_("Probability of {name}: {value} (bar).")).format(
        name=names[positive], value=format_number(described["probabilities"][positive], 2)
    )


def _uncertainty_texts(described: Mapping[str, Any]) -> list[str]:
    baseline = described["volume_only_baseline"]
    sentences = [
        _probability_text(described),
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
    return sentences
