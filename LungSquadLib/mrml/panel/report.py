"""Section 6: report, table, scene and DICOM files of the predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ...files import unused_name, write_csv
from ...report.tables import COLUMNS, prediction_row
from ..scene import SUFFIX, write_scene
from ..temporary_files import CtFileCache
from ..volumes import dicom_source
from .context import Context, wait_cursor
from .inputs import DescriptionSource, PredictionSource
from .section import Section
from .tasks import Steps, WorkerCall


class ReportSection(Section):
    """Shows and writes results."""

    name = "report"

    def __init__(
        self,
        context: Context,
        *,
        ct_files: CtFileCache,
        predictions: PredictionSource,
        descriptions: DescriptionSource,
    ) -> None:
        super().__init__(context)
        self._ct_files, self._predictions = ct_files, predictions
        self._descriptions = descriptions
        for button, action in (
            (self.ui.openReportButton, self._open),
            (self.ui.saveReportButton, self._save_files),
            (self.ui.saveTableButton, self._save_table),
            (self.ui.saveSceneButton, self._save_scene),
            (self.ui.dicomButton, self._add_dicom),
        ):
            self.on_click(button, action)

    def missing(self) -> str:
        if not (self._predictions.stored or self._descriptions.stored):
            return _("Run a prediction first.")
        return ""

    def update(self) -> None:
        super().update()
        busy = bool(self.tasks.title)
        for button in (self.ui.openReportButton, self.ui.saveReportButton, self.ui.dicomButton):
            button.enabled = not busy
        self.ui.saveTableButton.enabled = bool(self._predictions.stored)

    def _open(self) -> None:
        report = self._predictions.files_for(self.state.ct).results / "report.html"
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report))):
            raise InputError(_("No web browser could be opened. Save the results instead."))

    def _save_files(self) -> None:
        files = self._predictions.files_for(self.state.ct)
        folder = qt.QFileDialog.getExistingDirectory(
            self.context.widget, _("Where to put the folder with the results")
        )
        if folder:
            target = unused_name(Path(folder) / "LungSquad results")
            shutil.copytree(files.results, target)
            self.context.report(_("Saved in '{folder}'.").format(folder=target))

    def _save_table(self) -> None:
        if path := self._file_to_save(_("Table of the results"), _("Table (*.csv)"), ".csv"):
            rows = [prediction_row(stored.described) for stored in self._predictions.stored]
            write_csv(path, COLUMNS, rows)
            self.context.report(_("Saved as '{path}'.").format(path=path))

    def _save_scene(self) -> None:
        if path := self._file_to_save(_("Scene"), _("Slicer scene (*.mrb)"), SUFFIX):
            with wait_cursor():  # Slicer's own writing cannot be cut into steps
                write_scene(slicer.mrmlScene, path)
            self.context.report(_("Saved as '{path}'.").format(path=path))

    def _file_to_save(self, title: str, kinds: str, suffix: str) -> Path | None:
        name = qt.QFileDialog.getSaveFileName(self.context.widget, title, "", kinds)
        if not name:
            return None
        return Path(name if name.lower().endswith(suffix) else name + suffix)

    def _add_dicom(self) -> None:
        volume = self.state.ct
        self._predictions.files_for(volume)
        self.tasks.start(_("Writing DICOM SEG and SR"), self._export(), nodes=[volume])

    def _export(self) -> Steps:
        from DICOMLib import DICOMUtils

        volume = self.state.ct
        source = dicom_source(volume)
        if source is None:
            raise InputError(
                _(
                    "SEG and SR refer to a DICOM series, and this CT was not loaded from DICOM. "
                    "Load the CT from its DICOM folder."
                )
            )
        folder, series = source
        files = self._predictions.files_for(volume)
        out = files.results.parent / "dicom"
        ct_file = yield from self._ct_files.file(volume, share=0.2)
        request = {
            "results": str(files.results),
            "ct": str(ct_file),
            "mask": str(files.mask),
            "source": str(folder),
            "series": series,
            "folder": str(out),
            "keep_identity": bool(self.ui.identityCheckBox.checked),
        }
        yield WorkerCall("dicom", request, 0.2, 0.9)
        if not DICOMUtils.importDicom(str(out), copyFiles=True):
            raise InputError(_("Slicer's DICOM database took no SEG and SR. See its error log."))
        self.context.report(_("SEG and SR are in Slicer's DICOM database."))
