"""Section 7: all patients of a manifest, resumable, with a page of results."""

from __future__ import annotations

import time
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ...data.case_loop import Summary
from ...data.manifest import read_manifest
from ...errors import InputError
from .context import Context
from .inputs import ModelChoice
from .section import Section
from .tasks import Steps, WorkerCall

_INDEX = "index.html"


class BatchSection(Section):
    """Runs the models that are chosen above on every case of a manifest."""

    def __init__(self, context: Context, *, models: ModelChoice) -> None:
        super().__init__(context)
        self._models = models
        self._manifest: Path | None = None
        self._folder: Path | None = None
        self._cases = 0
        self._started = 0.0  # when the batch that is running began; 0 while none is
        ui = self.ui
        self.on_click(ui.manifestButton, self._choose_manifest)
        self.on_click(ui.batchFolderButton, self._choose_folder)
        self.on_click(ui.batchButton, self._start)
        self.on_click(ui.batchResultsButton, self._open_results)

    def update(self) -> None:
        super().update()
        ui, idle = self.ui, not self.tasks.title
        ui.manifestButton.enabled = ui.batchFolderButton.enabled = idle
        ui.batchButton.enabled = idle and self._manifest is not None and self._folder is not None
        ui.batchResultsButton.enabled = self._folder is not None and self._index().is_file()
        ui.batchLabel.text = self._plan() if idle or not self._started else self._remaining()

    def _choose_manifest(self) -> None:
        kinds = _("Tables (*.csv);;All files (*)")
        title = _("Manifest: a table with the columns ct and mask")
        if path := qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds):
            self._cases = len(read_manifest(path))
            self._manifest = Path(path).absolute()
            self.context.refresh()

    def _choose_folder(self) -> None:
        title = _("Folder for the results; that of an earlier run is continued")
        if folder := qt.QFileDialog.getExistingDirectory(self.context.widget, title):
            self._folder = Path(folder).absolute()
            self.context.refresh()

    def _start(self) -> None:
        if self.context.can_run_networks():
            self.tasks.start(_("Predicting for the manifest"), self._steps())

    def _steps(self) -> Steps:
        request = {
            "manifest": str(self._manifest),
            "models": [str(path) for path in self._models.chosen_paths()],
            "folder": str(self._folder),
            "device": self.state.device,
        }
        self._started = time.monotonic()
        try:
            summary = Summary(**(yield WorkerCall("batch", request)))
        finally:
            self._started = 0.0
        text = _("{summary}. Open the page of results.").format(summary=summary)
        if summary.failed:
            text += _(" See errors.csv for what failed.")
        self.context.report(text)

    def _open_results(self) -> None:
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._index()))):
            raise InputError(_("No web browser could be opened. Open the file index.html."))
        self.context.report(_("The page of results is open in the web browser."))

    def _index(self) -> Path:
        assert self._folder is not None  # noqa: S101 - or the button would be disabled
        return self._folder / _INDEX

    def _plan(self) -> str:
        if self._manifest is None:
            return str(_("Choose a manifest: a CSV table with a row for each tumour."))
        text = _("{name}: {n} cases.").format(name=self._manifest.name, n=self._cases)
        if self._folder is None:
            return str(text + _(" Choose a folder for the results."))
        finished = len(list(self._folder.glob("cases/*/prediction.json")))
        return str(text + _(" {n} finished before are kept.").format(n=finished))

    def _remaining(self) -> str:
        """Return how long the rest takes, at the pace until now."""
        fraction, seconds = self.tasks.fraction, time.monotonic() - self._started
        if fraction <= 0:
            return str(_("{n} cases.").format(n=self._cases))
        minutes = seconds * (1 - fraction) / fraction / 60
        text = _("{n} cases. About {minutes:.0f} more minutes at the pace until now.")
        return str(text.format(n=self._cases, minutes=minutes))
