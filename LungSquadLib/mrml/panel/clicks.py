"""Outlines from a click or a box, further clicks that add or exclude, and undo."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

import numpy as np
from slicer.i18n import tr as _

from ...imaging.geometry import Grid, Point
from ...imaging.masks import Mask
from ...models.catalogue import Entry
from ...pipeline.propose import REGION_GROWING, SEGMENTER
from ..volumes import grid_of_volume
from .context import Context
from .installation import missing_packages
from .model_choice import choose_last_used, keep_last_used, offer_models, usable_models
from .section import Section
from .tasks import Steps, WorkerCall
from .views import BoxPicker, Corners, MovableBox, PointPicker


@dataclass(frozen=True)
class Click:
    """A point, LPS mm, and whether it lies in the tumour."""

    point: Point
    inside: bool = True


Mark: TypeAlias = Click | Corners


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
    """Segments from clicks and a box; the section of the tumour shows the outline."""

    def __init__(self, context: Context, proposals: Proposals) -> None:
        super().__init__(context)
        self._proposals = proposals
        self._picker = PointPicker(context.widget, self._clicked_at, self._picker_ended)
        self._box_picker = BoxPicker(context.widget, self._boxed, self._picker_ended)
        self._box = MovableBox(context.widget, self._box_moved)
        self._pressed: Any = self.ui.segmentButton  # the button that the picker was started with
        self._segmenters: list[Entry] = []
        self._marks: list[Mark] = []  # of the proposal, or of the request that is running
        self._proposed: tuple[list[Mark], Any, Any] = ([], None, None)  # marks, CT, segment
        ui = self.ui
        for button in self._click_buttons:
            self._connect(button)
        self.on_click(ui.boxButton, self._box_pressed)
        self.on_click(ui.undoButton, self._undo)
        ui.segmenterSelector.currentIndexChanged.connect(lambda _index: context.refresh())

    def _connect(self, button: Any) -> None:
        self.on_click(button, lambda: self._click_pressed(button))

    def scene_closes(self) -> None:
        self.stop()
        self._box.forget()
        self._marks, self._proposed = [], ([], None, None)

    def stop(self) -> None:
        """Wait for no click any more."""
        self._picker.stop()
        self._box_picker.stop()

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
        ui, segmenting = self.ui, self.tasks.title == _segmenting()
        busy = bool(self.tasks.title) and not segmenting
        _proposed_marks, ct, segment = self._proposed
        known = bool(self._marks) and ct is self.state.ct and segment is self._proposals.proposal()
        if not (known or segmenting):
            self._box.remove()  # its outline was accepted or discarded, or is of another CT
        ui.segmentButton.enabled = not busy
        ui.boxButton.enabled = self._segmenter() is not None and not busy
        ui.boxButton.checked = self._box_picker.active
        ui.undoButton.enabled = known and not busy
        for button in (ui.includeButton, ui.excludeButton):
            button.enabled = known and not busy and self._segmenter() is not None
        for button in self._click_buttons:
            button.checked = self._picker.active and button is self._pressed

    def _click_pressed(self, button: Any) -> None:
        started = button.checked
        self.stop()
        if not started or (self._segmenter() is not None and not self.context.can_run_networks()):
            return
        self._picker.start(self.state.ct.GetScene())
        self._pressed, button.checked = button, True
        if button is self.ui.excludeButton:
            self.context.report(_("Click on what the outline must leave out."))
        else:
            self.context.report(_("Click on the tumour in a slice view."))

    def _box_pressed(self) -> None:
        started = self.ui.boxButton.checked
        self.stop()
        if started and self.context.can_run_networks():
            self._box_picker.start(self.state.ct.GetScene())
            self.ui.boxButton.checked = True
            self.context.report(
                _("Click on two opposite corners of a box round the tumour in a slice view.")
            )

    def _picker_ended(self) -> None:
        for button in (*self._click_buttons, self.ui.boxButton):
            button.checked = False

    def _clicked_at(self, point: Point) -> None:
        earlier = [] if self._pressed is self.ui.segmentButton else self._marks
        self._propose([*earlier, Click(point, self._pressed is not self.ui.excludeButton)])

    def segment_at(self, point: Point) -> None:
        """Propose an outline of the tumour at a point, as from a first click."""
        self._propose([Click(point)])

    def _boxed(self, corners: Corners) -> None:
        self._propose([corners])

    def _box_moved(self, corners: Corners) -> None:
        if self.tasks.title and self.tasks.title != _segmenting():
            self._mark(self._marks)  # back
            self.context.report(_("Other work is running: move the box when it is finished."))
        else:
            self._propose([*self._marks, corners])

    def _undo(self) -> None:
        self.stop()
        if self._marks[1:]:
            self._propose(self._marks[:-1])
        else:
            self.tasks.cancel()
            self._proposals.discard()

    def _propose(self, marks: list[Mark]) -> None:
        """Segment with these marks; a request for others that is still running is cancelled."""
        ct = self.state.ct
        if ct is None:
            return
        if self.tasks.title == _segmenting():
            self.tasks.cancel()
        self._mark(marks)
        keep_last_used(self.ui.segmenterSelector)
        self.tasks.start(_segmenting(), self._segment(marks), nodes=[ct])

    def _mark(self, marks: list[Mark]) -> None:
        """Note the marks, and show the last box among them."""
        self._marks, box = marks, _box(marks)
        if box is None:
            self._box.remove()
        else:
            self._box.show(self.state.ct.GetScene(), box)

    def _segment(self, marks: list[Mark]) -> Steps:
        segmenter = self._segmenter()
        model = REGION_GROWING if segmenter is None else str(segmenter.path)
        fields = {"model": model, **_fields(marks, grid_of_volume(self.state.ct))}
        try:
            mask, result = yield from self._proposals.mask_from_worker("segment", fields)
        except Exception:
            if self.context.has_state and self.state.ct is not None:
                self._mark(self._proposed[0])
            raise
        text = _("Proposed outline: {ml:.2f} mL, by {source} ({marks}).").format(
            ml=result["volume_ml"], source=result["source"], marks=_count_text(marks)
        )
        text = " ".join([text, *(flag["sentence"] for flag in result["flags"])])
        self._proposed = (marks, self.state.ct, self._proposals.add_proposal(mask, text))


def _box(marks: Sequence[Mark]) -> Corners | None:
    """Return the box where it was moved last."""
    return next((mark for mark in reversed(marks) if not isinstance(mark, Click)), None)


def _fields(marks: Sequence[Mark], grid: Grid) -> dict[str, Any]:
    """Return the fields of a request: points, and the corners of a box along the CT's axes."""
    clicks, box = [mark for mark in marks if isinstance(mark, Click)], _box(marks)
    fields: dict[str, Any] = {
        "inside": [list(click.point) for click in clicks if click.inside],
        "outside": [list(click.point) for click in clicks if not click.inside],
    }
    if box is not None:
        corners = grid.to_index(np.array([*product(*zip(*box, strict=True))]))
        fields["box"] = grid.to_lps(np.array([corners.min(axis=0), corners.max(axis=0)])).tolist()
    return {name: points for name, points in fields.items() if points}


def _count_text(marks: Sequence[Mark]) -> str:
    n = sum(isinstance(mark, Click) for mark in marks)
    clicks = _("1 click") if n == 1 else _("{n} clicks").format(n=n)
    boxes = [] if _box(marks) is None else [_("a box")]
    return ", ".join([*boxes, *([clicks] if n else [])])


def _segmenting() -> str:
    return str(_("Segmenting the tumour"))
