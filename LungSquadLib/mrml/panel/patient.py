"""Section 1: the CT, from a DICOM folder, a file, or a computer-made sample patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ..results import is_result
from ..sample_patient import load_sample_patient
from ..temporary_files import CaseFiles
from .context import Context
from .dicom_database import import_series, open_database
from .inputs import OutlineReceiver
from .section import Section
from .tasks import Steps, WorkerCall
from .views import show_ct


class PatientSection(Section):
    """Chooses or loads a CT; outlines that come with it go to the tumour's section."""

    def __init__(self, context: Context, *, tumour: OutlineReceiver) -> None:
        super().__init__(context)
        self._tumour = tumour
        self._folder = ""
        self._outlines: list[dict[str, Any]] = []  # beside the CT in the folder
        self.on_click(self.ui.loadDicomButton, self._choose_folder)
        self.on_click(self.ui.loadSeriesButton, self._load_chosen_series)
        self.on_click(self.ui.sampleButton, self._make_sample)

    def update(self) -> None:
        super().update()
        if self.state.ct is not None and is_result(self.state.ct):
            self.state.ct = None  # where a CT is deleted, the selector takes the next volume
        for button in (self.ui.loadDicomButton, self.ui.sampleButton, self.ui.loadSeriesButton):
            button.enabled = not self.tasks.title

    def open_folder(self, folder: str) -> None:
        """Load the CT of a DICOM folder; where there are several, let the user choose."""
        self.ui.seriesFrame.visible = False
        self.tasks.start(_("Reading the folder"), self._open_folder(folder))

    def open_volume(self, path: str) -> None:
        """Load a CT from a volume file, as Slicer does."""
        try:
            volume = slicer.util.loadVolume(path)
        except RuntimeError as error:
            sentence = _("Slicer cannot read '{path}' as a volume.")
            raise InputError(sentence.format(path=path)) from error
        self._use(volume)

    def _choose_folder(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            self.context.widget, _("Folder with a patient's DICOM files")
        )
        if folder:
            self.open_folder(folder)

    def _open_folder(self, folder: str) -> Steps:
        content = yield WorkerCall("inspect", {"path": str(Path(folder).resolve())})
        every = content.get("series", ())
        series = [each for each in every if "size" in each]
        if not series:
            problems = [each["problem"] for each in every if "problem" in each]
            reason = problems[0] if problems else _("It holds other files, but no CT series.")
            sentence = _("'{folder}' holds no CT that can be used. {reason}")
            raise InputError(sentence.format(folder=folder, reason=reason))
        self._folder, self._outlines = folder, _outlines(content)
        if len(series) == 1:
            yield from self._load_series(series[0]["uid"])
            return
        self.ui.seriesSelector.clear()
        for each in sorted(series, key=lambda each: -each["size"][2]):
            self.ui.seriesSelector.addItem(_series_text(each), each["uid"])
        self.ui.seriesFrame.visible = True
        self.context.report(_("The folder holds several CT series. Choose one and load it."))

    def _load_chosen_series(self) -> None:
        steps = self._load_series(self.ui.seriesSelector.currentData)
        self.tasks.start(_("Loading the series"), steps)

    def _load_series(self, uid: str) -> Steps:
        """Import and load a series as Slicer does, which cannot be cut into steps."""
        yield 0.5
        created = open_database()
        volume = import_series(self._folder, uid)
        self.ui.seriesFrame.visible = False
        self._use(volume)
        if self._outlines:
            self._tumour.offer(self._outlines)
            self.context.report(
                _("The CT is loaded. The folder also holds outlines: import the tumour's.")
            )
        if created:
            self.context.report(f"{self.context.status} {created}")

    def _use(self, volume: Any) -> None:
        state = self.state
        state.segmentation, state.segment, state.centre = None, "", ""
        state.ct = volume
        show_ct(volume)
        self.context.report(_("The CT is loaded. Next: outline the tumour."))

    def _make_sample(self) -> None:
        self.tasks.start(_("Creating the sample patient"), self._sample())

    def _sample(self) -> Steps:
        scene = slicer.mrmlScene
        with CaseFiles() as files:
            made = yield WorkerCall("sample", {"folder": str(files.results)})
            loading = load_sample_patient(scene, made["ct"], made["mask"])
            volume, segmentation, segment = yield from loading
        self._use(volume)
        self._tumour.choose(segmentation, segment)
        self.context.report(_("The computer-made sample patient is loaded, with its tumour."))


def _outlines(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the outlines in a folder, with the fields of the worker's "mask"."""
    outlines = [
        outline
        for series in content["series"]
        for outline in [*series.get("rois", ()), *series.get("segments", ())]
        if outline.get("voxels")
    ]
    return [
        {
            "mask": str(Path(outline["path"]).resolve()),
            "roi": str(outline["number"]),
            "name": outline["name"],
            "volume_ml": outline["volume_ml"],
        }
        for outline in outlines
    ]


def _series_text(series: dict[str, Any]) -> str:
    slices, thickness = series["size"][2], series["spacing_mm"][2]
    name = series["description"] or _("no description")
    return _("{name} ({slices} slices, {thickness:.3g} mm apart)").format(
        name=name, slices=slices, thickness=thickness
    )
