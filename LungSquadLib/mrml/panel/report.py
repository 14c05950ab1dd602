"""Section 6: report, table, scene and DICOM files of the predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ...files import unused_name, write_csv
from ...imaging.files.transfer import write_mask
from ...models.catalogue import available
from ...report.methods import methods_text
from ...report.tables import COLUMNS
from ...report.tumours import write_tumours
from ..scene import SUFFIX, write_scene
from ..segments import mask_on_ct
from ..temporary_files import CaseFiles, CtFileCache
from ..tumour import CaseKey
from ..volumes import ct_of_volume, dicom_source
from .context import Context, wait_cursor
from .dicom_database import add_to_database, open_database
from .inputs import CropSource, DescriptionSource, MeasurementSource, PredictionSource
from .prediction_files import CaseRun, PredictionFiles
from .section import Section
from .tasks import Steps, WorkerCall
from .tumour_table import MEASURED


class ReportSection(Section):
    """Shows and writes results."""

    name = "report"

    def __init__(
        self,
        context: Context,
        *,
        ct_files: CtFileCache,
        files: PredictionFiles,
        predictions: PredictionSource,
        descriptions: DescriptionSource,
        measurements: MeasurementSource,
        crop: CropSource,
    ) -> None:
        super().__init__(context)
        self._ct_files, self._files, self._predictions = ct_files, files, predictions
        self._descriptions, self._measurements, self._crop = descriptions, measurements, crop
        self._tumours: CaseFiles | None = None  # the report of several tumours
        for button, action in (
            (self.ui.openReportButton, self._open),
            (self.ui.saveReportButton, self._save_files),
            (self.ui.saveTableButton, self._save_table),
            (self.ui.saveSceneButton, self._save_scene),
            (self.ui.copyMethodsButton, self._copy_methods),
            (self.ui.dicomButton, self._add_dicom),
            (self.ui.saveDicomButton, self._save_dicom),
        ):
            self.on_click(button, action)

    def missing(self) -> str:
        if not (self._predictions.all_stored or self._descriptions.all_stored):
            return _("Run a prediction first.")
        return ""

    def update(self) -> None:
        super().update()
        ui, idle = self.ui, not self.tasks.title
        for button in (
            ui.openReportButton,
            ui.saveReportButton,
            ui.dicomButton,
            ui.saveDicomButton,
        ):
            button.enabled = idle
        self._keep_files()
        predicted = bool(self._predictions.all_stored)
        ui.saveTableButton.enabled = ui.copyMethodsButton.enabled = predicted

    def _keep_files(self) -> None:
        """Put files of reports into the scene, one run each time, or take them out."""
        ct = self.state.ct
        if ct is None or self.tasks.title:
            return
        if not self.state.keep_files:
            self._files.keep_none(ct)
        elif self._files.keep_next(ct):
            self.context.refresh()

    def scene_closes(self) -> None:
        self._remove_tumours()

    def _remove_tumours(self) -> None:
        if self._tumours is not None:
            self._tumours.close()
        self._tumours = None

    def _run(self) -> CaseRun:
        """Return the files of the last prediction for the chosen tumour."""
        state = self.state
        return self._files.run(state.ct, state.segmentation, state.segment)

    def _results(self) -> Path:
        """Return the folder of results: of the tumour, or of all where several have results."""
        runs = self._files.runs(self.state.ct)
        if len(runs) < 2:
            return (runs[0] if runs else self._run()).files.results
        self._remove_tumours()
        self._tumours = files = CaseFiles()
        cases = [(run.tumour.name, run.files.results) for run in runs]
        return write_tumours(cases, files.results)

    def _open(self) -> None:
        report = self._results() / "report.html"
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report))):
            raise InputError(_("No web browser could be opened. Save the results instead."))
        self.context.report(_("The report is open in the web browser."))

    def _save_files(self) -> None:
        results = self._results()
        if folder := self._folder(_("Where to put the folder with the results")):
            target = unused_name(folder / "LungSquad results")
            shutil.copytree(results, target)
            self._write_table(target / "tumours.csv")
            self.context.report(_("Saved in '{folder}'.").format(folder=target))

    def _save_table(self) -> None:
        if path := self.file_to_save(_("Table of the results"), _("Table (*.csv)"), ".csv"):
            self._write_table(path)
            self.context.report(_("Saved as '{path}'.").format(path=path))

    def _write_table(self, path: Path) -> None:
        write_csv(path, (*MEASURED, *COLUMNS), self._measurements.rows())

    def _copy_methods(self) -> None:
        dois = {entry.name: entry.card.doi for entry in available() if entry.card is not None}
        described = [stored.described for stored in self._predictions.all_stored]
        qt.QApplication.clipboard().setText(methods_text(described, dois))
        self.context.report(_("The methods text is in the clipboard. Paste it into your paper."))

    def _save_scene(self) -> None:
        if path := self.file_to_save(_("Scene"), _("Slicer scene (*.mrb)"), SUFFIX):
            with wait_cursor():  # Slicer's own writing cannot be cut into steps
                write_scene(slicer.mrmlScene, path)
            self.context.report(_("Saved as '{path}'.").format(path=path))

    def _folder(self, title: str) -> Path | None:
        folder = qt.QFileDialog.getExistingDirectory(self.context.widget, title)
        return Path(folder) if folder else None

    def _add_dicom(self) -> None:
        """Add SEG and SR to the patient's study; without identity they would move that study."""
        self._export(_("Writing DICOM SEG and SR"), self._add_to_study())

    def _save_dicom(self) -> None:
        """Save SEG and SR with a pseudonym in a folder, which no database may take."""
        if folder := self._folder(_("Where to put the folder with SEG and SR")):
            self._export(_("Writing DICOM SEG and SR"), self._save_without_identity(folder))

    def _export(self, title: str, steps: Steps) -> None:
        if not _is_current(self._run(), self._crop.key):
            steps.close()
            raise InputError(
                _(
                    "The CT, the outline or the crop has changed since the prediction. Predict "
                    "again before SEG and SR are written."
                )
            )
        self.tasks.start(title, steps, nodes=[self.state.ct])

    def _add_to_study(self) -> Steps:
        open_database()
        with CaseFiles() as files:
            yield from self._write_dicom(files.results, keep_identity=True)
            add_to_database(files.results)
        self.context.report(_("SEG and SR are in the patient's study in Slicer's DICOM database."))

    def _save_without_identity(self, folder: Path) -> Steps:
        target = unused_name(folder / "LungSquad DICOM")
        yield from self._write_dicom(target, keep_identity=False)
        saved = _("Saved in '{folder}', with a pseudonym for the patient.")
        self.context.report(saved.format(folder=target))

    def _write_dicom(self, folder: Path, *, keep_identity: bool) -> Steps:
        volume = self.state.ct
        source = dicom_source(volume)
        if source is None:
            raise InputError(
                _(
                    "SEG and SR refer to a DICOM series, and this CT was not loaded from DICOM. "
                    "Load the CT from its DICOM folder."
                )
            )
        series_folder, series = source
        files, state = self._run().files, self.state
        if not files.mask.exists():  # the run is of a scene that was loaded, and is current
            ct = ct_of_volume(volume)
            write_mask(mask_on_ct(state.segmentation, state.segment, volume, ct), files.mask)
        ct_file = yield from self._ct_files.file(volume, share=0.2)
        request = {
            "results": str(files.results),
            "ct": str(ct_file),
            "mask": str(files.mask),
            "source": str(series_folder),
            "series": series,
            "folder": str(folder),
            "keep_identity": keep_identity,
        }
        yield WorkerCall("dicom", request, 0.2, 0.9)


def _is_current(run: CaseRun, key: CaseKey | None) -> bool:
    return run.tumour.key is not None and run.tumour.key.matches(key)
