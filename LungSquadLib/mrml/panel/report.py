"""Section 6: what leaves Slicer: report, table, scene, DICOM."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ...files import unused_name, write_csv
from ...report.tables import COLUMNS, prediction_row
from ..scene import SUFFIX, write_scene
from ..volumes import dicom_source
from .prediction import result_files
from .section import Section
from .tasks import Ask, Steps

if TYPE_CHECKING:
    from .panel import Panel


class ReportSection(Section):
    """Shows and writes results."""

    name = "report"

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        for button, action in (
            (self.ui.openReportButton, self._open),
            (self.ui.saveReportButton, self._save_files),
            (self.ui.saveTableButton, self._save_table),
            (self.ui.saveSceneButton, self._save_scene),
            (self.ui.dicomButton, self._add_dicom),
        ):
            self.on_click(button, action)

    def missing(self) -> str:
        if not self.panel.prediction.stored:
            return _("Predict first: then there is something to report.")
        return ""

    def update(self) -> None:
        super().update()
        busy = bool(self.tasks.title)
        for button in (self.ui.openReportButton, self.ui.saveReportButton, self.ui.dicomButton):
            button.enabled = not busy

    def _open(self) -> None:
        report = result_files(self.panel.prediction, self.state.ct).results / "report.html"
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report))):
            raise InputError(_("No web browser could be opened: save the results instead."))

    def _save_files(self) -> None:
        files = result_files(self.panel.prediction, self.state.ct)
        folder = qt.QFileDialog.getExistingDirectory(
            self.panel.widget, _("Where to put the folder with the results")
        )
        if folder:
            target = unused_name(Path(folder) / "LungSquad results")
            shutil.copytree(files.results, target)
            self.panel.tell(_("Saved in '{folder}'.").format(folder=target))

    def _save_table(self) -> None:
        if path := self._file_to_save(_("Table of the results"), _("Table (*.csv)"), ".csv"):
            rows = [prediction_row(one.described) for one in self.panel.prediction.stored]
            write_csv(path, COLUMNS, rows)
            self.panel.tell(_("Saved as '{path}'.").format(path=path))

    def _save_scene(self) -> None:
        if path := self._file_to_save(_("Scene"), _("Slicer scene (*.mrb)"), SUFFIX):
            with self.panel.wait_cursor():  # Slicer's own writing cannot be cut into steps
                write_scene(slicer.mrmlScene, path)
            self.panel.tell(_("Saved as '{path}'.").format(path=path))

    def _file_to_save(self, title: str, kinds: str, suffix: str) -> Path | None:
        name = qt.QFileDialog.getSaveFileName(self.panel.widget, title, "", kinds)
        if not name:
            return None
        return Path(name if name.lower().endswith(suffix) else name + suffix)

    def _add_dicom(self) -> None:
        volume = self.state.ct
        result_files(self.panel.prediction, volume)
        self.tasks.start(_("Writing SEG and SR"), self._export(), nodes=[volume])

    def _export(self) -> Steps:
        from DICOMLib import DICOMUtils

        volume = self.state.ct
        source = dicom_source(volume)
        if source is None:
            raise InputError(
                _("This CT was not loaded from DICOM, so SEG and SR have nothing to belong to.")
            )
        folder, series = source
        files = result_files(self.panel.prediction, volume)
        out = files.results.parent / "dicom"
        ct = yield from self.panel.copies.of(volume, share=0.2)
        asked = {
            "results": str(files.results),
            "ct": str(ct),
            "mask": str(files.mask),
            "source": str(folder),
            "series": series,
            "folder": str(out),
            "keep_identity": bool(self.ui.identityCheckBox.checked),
        }
        yield Ask("dicom", asked, 0.2, 0.9)
        if not DICOMUtils.importDicom(str(out), copyFiles=True):
            raise InputError(_("Slicer's DICOM database took no SEG and SR: see its error log."))
        self.panel.tell(_("SEG and SR are in Slicer's DICOM database."))
