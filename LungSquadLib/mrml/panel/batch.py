"""Section 7: all patients of a manifest or a folder, resumable, with a page of results."""

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
_MOST_LEFT_OUT = 3


class BatchSection(Section):
    """Runs the models that are chosen above on every case of a manifest, or of a folder."""

    def __init__(self, context: Context, *, models: ModelChoice) -> None:
        super().__init__(context)
        self._models = models
        self._manifest: Path | None = None  # or a folder of patients
        self._folder: Path | None = None
        self._cases = 0
        self._left_out: dict[str, str] = {}  # why, by the names of folders of patients
        self._started = 0.0  # when the batch that is running began; 0 while none is
        self._kept = 0  # cases that were finished then
        ui = self.ui
        self.on_click(ui.manifestButton, self._choose_manifest)
        self.on_click(ui.patientsButton, self._choose_patients)
        self.on_click(ui.batchFolderButton, self._choose_folder)
        self.on_click(ui.batchButton, self._start)
        self.on_click(ui.batchResultsButton, self._open_results)

    def update(self) -> None:
        super().update()
        ui, idle = self.ui, not self.tasks.title
        for button in (ui.manifestButton, ui.patientsButton, ui.batchFolderButton):
            button.enabled = idle
        ui.batchButton.enabled = idle and self._manifest is not None and self._folder is not None
        ui.batchResultsButton.enabled = self._folder is not None and self._index().is_file()
        ui.batchLabel.text = self._plan() if idle or not self._started else self._remaining()

    def _choose_manifest(self) -> None:
        kinds = _("Tables (*.csv);;All files (*)")
        title = _("Manifest: a table with the columns ct and mask")
        if path := qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds):
            self._plan_for(Path(path), len(read_manifest(path)), {})

    def _choose_patients(self) -> None:
        title = _("Folder of patients: a folder each, with CT and outline")
        if folder := qt.QFileDialog.getExistingDirectory(self.context.widget, title):
            self.tasks.start(_("Looking at the patients"), self._look(Path(folder).absolute()))

    def _look(self, patients: Path) -> Steps:
        plan = yield WorkerCall("plan", {"manifest": str(patients)})
        self._plan_for(patients, plan["cases"], plan["left_out"])
        self.context.report(_("The patients are listed. Check the plan before you start."))

    def _plan_for(self, manifest: Path, cases: int, left_out: dict[str, str]) -> None:
        self._manifest, self._cases, self._left_out = manifest.absolute(), cases, left_out
        self.context.refresh()

    def _choose_folder(self) -> None:
        title = _("Folder for the results; that of an earlier run is continued")
        if folder := qt.QFileDialog.getExistingDirectory(self.context.widget, title):
            self._folder = Path(folder).absolute()
            self.context.refresh()

    def _start(self) -> None:
        if self.context.can_run_networks():
            self.tasks.start(_("Predicting for all patients"), self._steps())

    def _steps(self) -> Steps:
        request = {
            "manifest": str(self._manifest),
            "models": [str(path) for path in self._models.chosen_paths()],
            "folder": str(self._folder),
            "device": self.state.device,
        }
        setting = self._setting()
        self._started, self._kept = time.monotonic(), self._finished()
        try:
            summary = Summary(**(yield WorkerCall("batch", request)))
            if summary.done:
                pace = (time.monotonic() - self._started) / (summary.done + summary.failed)
                qt.QSettings().setValue(setting, pace)
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

    def _finished(self) -> int:
        """Return how many cases of the folder of results are finished."""
        return 0 if self._folder is None else len([*self._folder.glob("cases/*/prediction.json")])

    def _plan(self) -> str:
        if self._manifest is None:
            choose = _("Choose a manifest, a CSV table with a row for each tumour, or a folder.")
            return str(choose)
        lines = [_("{name}: {n} cases.").format(name=self._manifest.name, n=self._cases)]
        if self._folder is None:
            lines[0] += _(" Choose a folder for the results.")
        else:
            lines[0] += _(" {n} finished before are kept.").format(n=self._finished())
            lines.append(self._duration(max(self._cases - self._finished(), 0)))
        left_out = _("Left out: '{name}'. {reason}")
        reasons = list(self._left_out.items())
        lines += [left_out.format(name=name, reason=why) for name, why in reasons[:_MOST_LEFT_OUT]]
        if more := len(reasons[_MOST_LEFT_OUT:]):
            lines.append(_("{n} more folders are left out.").format(n=more))
        return "\n".join(lines)

    def _setting(self) -> str:
        """Return the name of the setting with the seconds a case of the chosen models."""
        names = "+".join(path.stem for path in self._models.chosen_paths())
        return f"LungSquad/SecondsPerCase/{self.state.device}/{names}"

    def _duration(self, cases: int) -> str:
        """Return how long cases take, at the pace of the last run on this machine."""
        pace = float(qt.QSettings().value(self._setting()) or 0)
        if not pace:
            return str(_("The first cases will show how long it takes."))
        text = _(
            "About {minutes:.0f} min for {n} cases, at {pace:.1f} s each as in the last run of "
            "these models on this machine."
        )
        return str(text.format(minutes=cases * pace / 60, n=cases, pace=pace))

    def _remaining(self) -> str:
        """Return how long the rest takes, at the pace until now."""
        fraction, seconds = self.tasks.fraction, time.monotonic() - self._started
        begun = self._kept / self._cases
        if not begun < fraction:
            return str(_("{n} cases.").format(n=self._cases))
        minutes = seconds * (1 - fraction) / (fraction - begun) / 60
        text = _("{n} cases. About {minutes:.0f} more minutes at the pace until now.")
        return str(text.format(n=self._cases, minutes=minutes))
