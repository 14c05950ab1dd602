"""Section 3: the radiomic features of the tumour as a table, which a worker computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ...files import write_csv
from ...imaging.files.transfer import write_mask
from ..segments import mask_on_ct
from ..temporary_files import CaseFiles, CtFileCache
from ..tumour import CaseKey, Tumour
from ..volumes import ct_of_volume
from .context import Context
from .inputs import CropSource
from .section import Section
from .tasks import Steps, WorkerCall, check_in_scene

COLUMNS = (
    "feature",
    *("label", "value", "unit", "code", "icc", "volume_correlation", "robust"),
)
_FIRST_OF_COHORT = 4  # of the columns that are displayed
_WIDEST = 200  # pixels of the first column, whose texts are also tool tips


class RadiomicsSection(Section):
    """Shows features as long as CT and outline are those that they were computed from."""

    def __init__(self, context: Context, *, ct_files: CtFileCache, crop: CropSource) -> None:
        super().__init__(context)
        self._ct_files, self._crop = ct_files, crop
        self._tumour: Tumour | None = None
        self._robustness: Path | None = None  # table of a cohort
        self.rows: list[dict[str, Any]] = []
        self.ui.radiomicsTable.setColumnCount(len(_titles()))
        self.ui.radiomicsTable.setHorizontalHeaderLabels(_titles())
        for button, action in (
            (self.ui.radiomicsButton, self._start),
            (self.ui.robustnessButton, self._choose_robustness),
            (self.ui.copyRadiomicsButton, self._copy),
            (self.ui.saveRadiomicsButton, self._save),
        ):
            self.on_click(button, action)

    def update(self) -> None:
        super().update()
        ui, key, idle = self.ui, self._crop.key, not self.tasks.title
        ui.radiomicsButton.enabled = ui.robustnessButton.enabled = idle and key is not None
        current = (
            self._tumour is not None
            and self._tumour.key is not None
            and key is not None
            and self._tumour.is_segment(self.state.segmentation, self.state.segment)
            and self._tumour.key.matches(key.of_outline)
        )
        ui.radiomicsTable.visible = ui.radiomicsLabel.visible = current
        ui.copyRadiomicsButton.visible = ui.saveRadiomicsButton.visible = current

    def scene_closes(self) -> None:
        self._tumour, self.rows = None, []
        self.ui.radiomicsTable.setRowCount(0)

    def _choose_robustness(self) -> None:
        kinds = _("Table (*.csv)")
        title = _("Robustness, as `lungsquad radiomics --robustness` writes it")
        if name := qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds):
            self._robustness = Path(name)
            self._start()

    def _start(self) -> None:
        state = self.state
        nodes = [state.ct, state.segmentation]
        self.tasks.start(_("Computing the features"), self._steps(), nodes=nodes)

    def _steps(self) -> Steps:
        volume, segmentation = self.state.ct, self.state.segmentation
        robustness, self._robustness = self._robustness, None  # kept only if it can be read
        ct = ct_of_volume(volume)
        mask = mask_on_ct(segmentation, self.state.segment, volume, ct)
        tumour = Tumour(segmentation, self.state.segment, CaseKey.of(ct, mask))
        path = yield from self._ct_files.file(volume, share=0.5)
        with CaseFiles() as files:
            write_mask(mask, files.mask)
            request = {"ct": str(path), "mask": str(files.mask)}
            if robustness is not None:
                request["robustness"] = str(robustness)
            result = yield WorkerCall("radiomics", request, 0.5, 1.0)
        check_in_scene(volume, segmentation)
        self._tumour, self._robustness, self.rows = tumour, robustness, result
        self._show()
        self.context.report(_("{n} features.").format(n=len(self.rows)))

    def _show(self) -> None:
        table = self.ui.radiomicsTable
        table.setRowCount(len(self.rows))
        for row, feature in enumerate(self.rows):
            for column, text in enumerate(_cells(feature)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        table.setColumnWidth(0, min(table.columnWidth(0), _WIDEST))
        known = any("icc" in row for row in self.rows)
        for column in range(_FIRST_OF_COHORT, table.columnCount):
            (table.showColumn if known else table.hideColumn)(column)

    def _copy(self) -> None:
        lines = [_titles(), *map(_cells, self.rows)]
        text = "\n".join("\t".join(line) for line in lines)
        qt.QApplication.clipboard().setText(text)
        self.context.report(_("The features are in the clipboard, for a spreadsheet."))

    def _save(self) -> None:
        if path := self.file_to_save(_("Radiomic features"), _("Table (*.csv)"), ".csv"):
            write_csv(path, COLUMNS, self.rows)
            self.context.report(_("Saved as '{path}'.").format(path=path))


def _titles() -> list[str]:
    return [
        _("Feature"),
        _("Value"),
        _("Unit"),
        _("IBSI"),
        _("ICC"),
        _("Volume correlation"),
    ]


def _cells(feature: dict[str, Any]) -> list[str]:
    value, icc = feature["value"], feature.get("icc")
    correlation = feature.get("volume_correlation")
    text = "" if icc is None else f"{icc:.2f}"
    if icc is not None and not feature["robust"]:
        text = _("{icc} (below 0.75)").format(icc=text)
    return [
        feature["label"],
        _("not defined") if value is None else f"{value:.5g}",
        feature["unit"],
        feature["code"],
        text,
        "" if correlation is None else f"{correlation:.2f}",
    ]
