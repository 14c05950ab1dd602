"""Outlines from clicks: the first click, further ones that add or exclude, and undo."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol, TypeAlias

from slicer.i18n import tr as _

from ...imaging.geometry import Point
from ...imaging.masks import Mask
from ...models.catalogue import Entry
from ...pipeline.propose import REGION_GROWING, SEGMENTER
from .context import Context
from .installation import missing_packages
from .model_choice import choose_last_used, keep_last_used, offer_models, usable_models
from .section import Section
from .tasks import Steps, WorkerCall
from .views import PointPicker

Click: TypeAlias = tuple[Point, bool]  # LPS mm; whether it lies in the tumour


class Proposals(Protocol):
    """Shows proposed outlines."""

    def mask_from_worker(
        self, verb: str, fields: dict[str, Any]
    ) -> Generator[float | WorkerCall, Any, tuple[Mask, dict[str, Any]]]:
        """Return a mask on the CT's grid that the worker makes, and the worker's result."""

    def add_proposal(self, mask: Mask, text: str) -> Any:
        """Show an outline in place of the last; return its segment."""

    def proposal(self) -> Any:
        """Return the segment of the outline that is shown; None where there is none."""

    def discard(self) -> None:
        """Remove the proposed outline."""


class Clicks(Section):
    """Segments from clicks; the section of the tumour shows the outline."""

    def __init__(self, context: Context, proposals: Proposals) -> None:
        super().__init__(context)
        self._proposals = proposals
        self._picker = PointPicker(context.widget, self._clicked_at, self._picker_ended)
        self._pressed: Any = self.ui.segmentButton  # the button that the picker was started with
        self._segmenters: list[Entry] = []
        self._clicks: list[Click] = []  # of the proposal, or of the request that is running
        self._proposed: tuple[list[Click], Any, Any] = ([], None, None)  # clicks, CT, segment
        ui = self.ui
        for button in self._click_buttons:
            self._connect(button)
        self.on_click(ui.undoButton, self._undo)
        ui.segmenterSelector.currentIndexChanged.connect(lambda _index: context.refresh())

    def _connect(self, button: Any) -> None:
        self.on_click(button, lambda: self._click_pressed(button))

    def scene_closes(self) -> None:
        self._picker.stop()
        self._clicks, self._proposed = [], ([], None, None)

    def stop(self) -> None:
        """Wait for no click any more."""
        self._picker.stop()

    @property
    def _click_buttons(self) -> tuple[Any, Any, Any]:
        ui = self.ui
        return ui.segmentButton, ui.includeButton, ui.excludeButton

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Offer the segmenters of cubes among the models on this machine, and region growing."""
        segmenters = [
            entry
            for entry in usable_models(entries, "segmenter")
            if entry.card is not None and entry.card.network.arguments["dimensions"] == 3
        ]
        segmenters.sort(key=lambda entry: entry.name != SEGMENTER)
        if segmenters == self._segmenters:
            return  # or each look would undo the user's choice
        self._segmenters = segmenters
        selector = self.ui.segmenterSelector
        offer_models(selector, segmenters)
        selector.addItem(_("Region growing"), REGION_GROWING)
        default = segmenters and segmenters[0].name == SEGMENTER and not missing_packages("torch")
        selector.currentIndex = 0 if default else len(segmenters)
        choose_last_used(selector)
        self.ui.segmenterFrame.visible = bool(segmenters)

    def network(self) -> Entry | None:
        """Return the chosen network, the first where region growing is chosen; None without any."""
        return self._segmenter() or next(iter(self._segmenters), None)

    def _segmenter(self) -> Entry | None:
        """Return the chosen network; None for region growing."""
        index = self.ui.segmenterSelector.currentIndex
        return self._segmenters[index] if 0 <= index < len(self._segmenters) else None

    def update(self) -> None:
        """Show which clicks are possible."""
        ui, busy = self.ui, bool(self.tasks.title) and self.tasks.title != _segmenting()
        _proposed_clicks, ct, segment = self._proposed
        known = bool(self._clicks) and ct is self.state.ct and segment is self._proposals.proposal()
        ui.segmentButton.enabled = not busy
        ui.undoButton.enabled = known and not busy
        for button in (ui.includeButton, ui.excludeButton):
            button.enabled = known and not busy and self._segmenter() is not None
        for button in self._click_buttons:
            button.checked = self._picker.active and button is self._pressed

    def _click_pressed(self, button: Any) -> None:
        if not button.checked:
            self._picker.stop()
            return
        if self._segmenter() is not None and not self.context.can_run_networks():
            return
        self._picker.start(self.state.ct.GetScene())
        self._pressed, button.checked = button, True
        if button is self.ui.excludeButton:
            self.context.report(_("Click on what the outline must leave out."))
        else:
            self.context.report(_("Click on the tumour in a slice view."))

    def _picker_ended(self) -> None:
        for button in self._click_buttons:
            button.checked = False

    def _clicked_at(self, point: Point) -> None:
        earlier = [] if self._pressed is self.ui.segmentButton else self._clicks
        self._propose([*earlier, (point, self._pressed is not self.ui.excludeButton)])

    def segment_at(self, point: Point) -> None:
        """Propose an outline of the tumour at a point, as from a first click."""
        self._propose([(point, True)])

    def _undo(self) -> None:
        self._picker.stop()
        if self._clicks[1:]:
            self._propose(self._clicks[:-1])
        else:
            self.tasks.cancel()
            self._proposals.discard()

    def _propose(self, clicks: list[Click]) -> None:
        """Segment with these clicks; a request for others that is still running is cancelled."""
        ct = self.state.ct
        if ct is None:
            return
        if self.tasks.title == _segmenting():
            self.tasks.cancel()
        self._clicks = clicks
        keep_last_used(self.ui.segmenterSelector)
        self.tasks.start(_segmenting(), self._segment(clicks), nodes=[ct])

    def _segment(self, clicks: list[Click]) -> Steps:
        segmenter = self._segmenter()
        fields: dict[str, Any] = {
            "inside": [list(point) for point, inside in clicks if inside],
            "model": REGION_GROWING if segmenter is None else str(segmenter.path),
        }
        if outside := [list(point) for point, inside in clicks if not inside]:
            fields["outside"] = outside
        try:
            mask, result = yield from self._proposals.mask_from_worker("segment", fields)
        except Exception:
            self._clicks = self._proposed[0]
            raise
        text = _("Proposed outline: {ml:.2f} mL, by {source} ({clicks}).").format(
            ml=result["volume_ml"],
            source=result["source"],
            clicks=_("1 click") if len(clicks) == 1 else _("{n} clicks").format(n=len(clicks)),
        )
        text = " ".join([text, *(flag["sentence"] for flag in result["flags"])])
        self._proposed = (clicks, self.state.ct, self._proposals.add_proposal(mask, text))


def _segmenting() -> str:
    return str(_("Segmenting the tumour"))
