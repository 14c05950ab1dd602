"""Section 1: the CT, out of a DICOM folder, a file, or a patient that is made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ..results import is_result
from ..sample_patient import load_sample_patient
from ..temporary_files import Exchange
from .section import Section
from .tasks import Ask, Steps
from .views import show_ct

if TYPE_CHECKING:
    from .panel import Panel


class PatientSection(Section):
    """Chooses or loads a CT."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._folder = ""
        self._masks: list[dict[str, Any]] = []  # beside the CT in the folder
        self.on_click(self.ui.loadDicomButton, self._choose_folder)
        self.on_click(self.ui.loadSeriesButton, self._load_chosen_series)
        self.on_click(self.ui.sampleButton, self._make_sample)

    def update(self) -> None:
        super().update()
        if self.state.ct is not None and is_result(self.state.ct):
            self.state.ct = None  # where a CT is deleted, the selector takes what stands beside it
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
            sentence = _("'{path}' is no volume that Slicer can read.")
            raise InputError(sentence.format(path=path)) from error
        self._loaded(volume)

    def _choose_folder(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            self.panel.widget, _("Folder with a patient's DICOM files")
        )
        if folder:
            self.open_folder(folder)

    def _open_folder(self, folder: str) -> Steps:
        found = yield Ask("inspect", {"path": str(Path(folder).resolve())})
        series = [one for one in found.get("series", ()) if "size" in one]
        if not series:
            problems = [one["problem"] for one in found.get("series", ()) if "problem" in one]
            why = problems[0] if problems else _("There are other series in it, but no CT.")
            sentence = _("'{folder}' holds no CT that can be used. {why}")
            raise InputError(sentence.format(folder=folder, why=why))
        self._folder, self._masks = folder, _masks(found)
        if len(series) == 1:
            yield from self._load_series(series[0]["uid"])
            return
        self.ui.seriesSelector.clear()
        for one in sorted(series, key=lambda one: -one["size"][2]):
            self.ui.seriesSelector.addItem(_series_text(one), one["uid"])
        self.ui.seriesFrame.visible = True
        self.panel.tell(_("The folder holds several CT series: choose one and load it."))

    def _load_chosen_series(self) -> None:
        steps = self._load_series(self.ui.seriesSelector.currentData)
        self.tasks.start(_("Loading the series"), steps)

    def _load_series(self, uid: str) -> Steps:
        """Slicer's own import and loading, which cannot be cut into steps."""
        yield 0.5
        from DICOMLib import DICOMUtils

        if not slicer.dicomDatabase or not slicer.dicomDatabase.isOpen:
            raise InputError(_("Slicer's DICOM database is not open: open the module DICOM once."))
        DICOMUtils.importDicom(self._folder)
        nodes = map(slicer.mrmlScene.GetNodeByID, DICOMUtils.loadSeriesByUID([uid]))
        volumes = [node for node in nodes if node and node.IsA("vtkMRMLScalarVolumeNode")]
        if not volumes:
            raise InputError(_("Slicer could not load this series: see its error log."))
        self.ui.seriesFrame.visible = False
        self._loaded(volumes[0])
        if self._masks:
            self.panel.tumour.offer(self._masks)
            self.panel.tell(_("The CT is loaded. Outlines lie beside it: import the tumour's."))

    def _loaded(self, volume: Any) -> None:
        state = self.state
        state.segmentation, state.segment, state.centre = None, "", ""
        state.ct = volume
        show_ct(volume)
        self.panel.tell(_("The CT is loaded. Next: the tumour."))

    def _make_sample(self) -> None:
        self.tasks.start(_("Making a patient"), self._sample())

    def _sample(self) -> Steps:
        scene = slicer.mrmlScene
        with Exchange() as exchange:
            made = yield Ask("sample", {"folder": str(exchange.results)})
            loading = load_sample_patient(scene, made["ct"], made["mask"])
            volume, segmentation, segment = yield from loading
        self._loaded(volume)
        self.panel.tumour.chosen(segmentation, segment)
        self.panel.tell(_("A computer-made patient is loaded, with the tumour outlined."))


def _masks(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The outlines in a folder, as the worker's "mask" takes them."""
    outlines = [
        one
        for series in found["series"]
        for one in [*series.get("rois", ()), *series.get("segments", ())]
        if one.get("voxels")
    ]
    return [
        {
            "mask": str(Path(one["path"]).resolve()),
            "roi": str(one["number"]),
            "name": one["name"],
            "volume_ml": one["volume_ml"],
        }
        for one in outlines
    ]


def _series_text(series: dict[str, Any]) -> str:
    slices, thickness = series["size"][2], series["spacing_mm"][2]
    name = series["description"] or _("no description")
    return f"{name} ({slices} x {thickness:.3g} mm)"
