"""Section 2: all segments of the segmentation as a table, with what was measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

from ...imaging.crop import crop
from ...imaging.flags import Flag
from ...imaging.stage import SizeStage, size_stage
from ...report.tables import prediction_row
from ...statistics.text import format_percent
from ..descriptions import StoredDescriptions
from ..results import StoredPrediction
from ..segments import mask_on_ct, segment_ids
from ..tumour import CaseKey, Tumour
from ..volumes import ct_of_volume, voxels_and_grid
from .context import Context
from .events import single_shot
from .inputs import DescriptionSource, EditCounter, OutlineReceiver, PredictionSource
from .section import Section, flags_text
from .tasks import message_of

_DELAY_MS = 300  # after the last change: a stroke of the brush must not wait for ten segments
_LARGEST_ML = 1500.0  # of a tumour; a lung has more, and takes long to measure
_SUSPICION = 5  # the column, which is shown where a model rates it
MEASURED = (
    "tumour",
    "volume_ml",
    "axial_diameter_mm",
    "largest_diameter_mm",
    "t_stage",
    "suspicion",
    "out_of_date",
)


@dataclass(frozen=True)
class Measurement:
    """One segment's size and flags, or why it cannot be measured."""

    key: CaseKey | None = None
    volume_ml: float = 0.0
    size: SizeStage | None = None
    flags: tuple[Flag, ...] = ()
    problem: str = ""


class TumourTable(Section):
    """Lists the segments where there are several; the chosen row is the tumour of the panel."""

    def __init__(
        self,
        context: Context,
        *,
        tumour: OutlineReceiver,
        crop: EditCounter,
        predictions: PredictionSource,
        descriptions: DescriptionSource,
    ) -> None:
        super().__init__(context)
        self._tumour, self._crop = tumour, crop
        self._predictions, self._descriptions = predictions, descriptions
        self._inputs: Any = None  # of the measurements
        self._measured: dict[str, Measurement] = {}
        self._due: list[str] = []  # segments to measure
        self._displayed: list[list[tuple[str, str]]] = []
        self._updating = False
        self._timer = single_shot(context.widget, self._measure_next, ms=_DELAY_MS)
        table = self.ui.tumourTable
        titles = [
            _("Tumour"),
            _("mL"),
            _("Axial mm"),
            _("3D mm"),
            _("T stage"),
            _("Suspicion"),
            _("Predictions"),
            _("Flags"),
        ]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.connect("itemSelectionChanged()", self._row_chosen)

    def update(self) -> None:
        super().update()
        segments = self._segments()
        self.ui.tumourTable.visible = len(segments) > 1
        if len(segments) < 2:
            self._forget()
            return
        state = self.state
        inputs = (voxels_and_grid(state.ct), state.segmentation, self._crop.edits, state.edition)
        if inputs != self._inputs:
            self._inputs, self._due = inputs, segments
            self._timer.start(_DELAY_MS)
        self._show(segments)

    def scene_closes(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._timer.stop()
        self._inputs, self._measured, self._due, self._displayed = None, {}, [], []

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each tumour and prediction; a tumour without any has one row."""
        for segment in self._segments():
            if segment not in self._measured or segment in self._due:
                self._measured[segment] = self._measure(segment)
        self._due = []
        return [row for segment in self._segments() for row in self._rows(segment)]

    # Measuring

    def _segments(self) -> list[str]:
        state = self.state
        if state.ct is None or state.segmentation is None:
            return []
        return segment_ids(state.segmentation)

    def _measure_next(self) -> None:
        """Measure one more segment; the window responds between them."""
        if self._due:
            segment, *self._due = self._due
            self._measured[segment] = self._measure(segment)
            self._timer.start(0)
            self.context.refresh()

    def _measure(self, segment: str) -> Measurement:
        state = self.state
        try:
            ct = ct_of_volume(state.ct)
            mask = mask_on_ct(state.segmentation, segment, state.ct, ct)
            cut, key = crop(ct, mask), CaseKey.of(ct, mask)
            if cut.mask_volume_ml > _LARGEST_ML:
                return Measurement(key, problem=_("Too large for a tumour."))
            size = size_stage(mask.image, edition=state.edition)
            return Measurement(key, cut.mask_volume_ml, size, cut.flags)
        except Exception as error:
            return Measurement(problem=message_of(error))

    # Display

    def _show(self, segments: Sequence[str]) -> None:
        table, state = self.ui.tumourTable, self.state
        rows = [self._cells(segment) for segment in segments]
        self._updating = True
        if rows != self._displayed:
            self._displayed = rows
            table.setRowCount(len(rows))
            for row, cells in enumerate(rows):
                for column, (text, tooltip) in enumerate(cells):
                    item = qt.QTableWidgetItem(text)
                    item.setToolTip(tooltip)
                    table.setItem(row, column, item)
            table.resizeColumnsToContents()
            rated = any(cells[_SUSPICION][0] for cells in rows)
            (table.showColumn if rated else table.hideColumn)(_SUSPICION)
        if state.segment in segments and table.currentRow() != segments.index(state.segment):
            table.selectRow(segments.index(state.segment))
        self._updating = False

    def _row_chosen(self) -> None:
        if self._updating or not self.context.has_state:
            return
        segments, row = self._segments(), self.ui.tumourTable.currentRow()
        if 0 <= row < len(segments) and segments[row] != self.state.segment:
            self._tumour.choose(self.state.segmentation, segments[row])

    def _cells(self, segment: str) -> list[tuple[str, str]]:
        """Return text and tooltip of each cell of a row."""
        name, measured = self._name(segment), self._measured.get(segment)
        if measured is None or measured.size is None:
            problem = "..." if measured is None else measured.problem
            return [(text, text) for text in (name, "", "", "", "", "", "", problem)]
        descriptions, predictions = self._results(segment)
        size = measured.size
        texts = (
            name,
            f"{measured.volume_ml:.2f}",
            f"{size.axial.mm:.1f}",
            f"{size.largest.mm:.1f}",
            size.stage,
            _suspicion(descriptions),
            "; ".join(_prediction_text(each, current) for each, current in predictions),
        )
        warnings = [flag for flag in measured.flags if flag.severity != "info"]
        number = {0: _("none"), 1: _("1 warning")}.get(len(warnings))
        flags = number or _("{n} warnings").format(n=len(warnings))
        return [*((text, text) for text in texts), (flags, flags_text(warnings))]

    def _name(self, segment: str) -> str:
        return Tumour(self.state.segmentation, segment).name

    def _results(
        self, segment: str
    ) -> tuple[list[StoredDescriptions], list[tuple[StoredPrediction, bool]]]:
        """Return the descriptions of a segment, and its predictions, each with whether it holds."""
        of = (self.state.segmentation, segment)
        descriptions = [
            each
            for each in self._descriptions.all_stored
            if each.tumour is not None and each.tumour.is_segment(*of)
        ]
        measured = self._measured.get(segment)
        key = None if measured is None else measured.key
        predictions = [
            (each, each.tumour.key is not None and each.tumour.key.of_outline.matches(key))
            for each in self._predictions.all_stored
            if each.tumour is not None and each.tumour.is_segment(*of)
        ]
        return descriptions, predictions

    def _rows(self, segment: str) -> Iterator[dict[str, Any]]:
        measured = self._measured[segment]
        descriptions, predictions = self._results(segment)
        row: dict[str, Any] = {"tumour": self._name(segment)}
        if measured.size is not None:
            row |= {
                "volume_ml": round(measured.volume_ml, 3),
                "axial_diameter_mm": round(measured.size.axial.mm, 1),
                "largest_diameter_mm": round(measured.size.largest.mm, 1),
                "t_stage": measured.size.stage,
                "suspicion": _suspicion(descriptions),
            }
        for prediction, current in predictions:
            yield {**row, "out_of_date": not current, **prediction_row(prediction.described)}
        if not predictions:
            yield row


def _suspicion(descriptions: Sequence[StoredDescriptions]) -> str:
    """Return the readers' suspicion of malignancy, as models would rate it; empty without it."""
    ratings = [
        described["ratings"]["malignancy"]
        for stored in descriptions
        for described in stored.described
        if "malignancy" in described["ratings"]
    ]
    return "; ".join(
        _("not rated") if rating["abstains"] else f"{rating['rounded']}/{len(rating['scale'])}"
        for rating in ratings
    )


def _prediction_text(stored: StoredPrediction, current: bool) -> str:
    described = stored.described
    code = described["predicted_class"]
    names = {label["code"]: label["name"] for label in described["classes"]}
    text = f"{names[code]} {format_percent(described['probabilities'][code])}"
    return text if current else _("{prediction} (out of date)").format(prediction=text)
