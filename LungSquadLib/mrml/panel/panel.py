"""The panel: its sections in the order of the work, on one state that the scene keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from vtkmodules.vtkCommonCore import vtkCommand

from ...imaging.files.volumes import is_volume_file
from ...models.catalogue import available
from ..hierarchy import nodes_of, remove, results_without_volume
from ..results import is_result
from ..temporary_files import CtFileCache
from .batch import BatchSection
from .candidates import Candidates
from .context import Context
from .crop import CropSection
from .description import DescriptionSection
from .events import Observers, single_shot
from .inpainting import InpaintingSection
from .models import ModelsSection
from .patient import PatientSection
from .prediction import PredictionSection
from .prediction_result import ResultSection
from .preliminary import PreliminaryPredictions
from .profile import ProfileSection
from .radiomics import RadiomicsSection
from .report import ReportSection
from .section import Section
from .state import state_of
from .synthetic import SyntheticSection
from .tasks import message_of
from .tumour import TumourSection
from .tumour_table import TumourTable
from .worker_process import WorkerProcess


class Panel:
    """Wires the sections; `LungSquad.py` calls it when the module is entered, left and closed."""

    def __init__(self, widget: Any) -> None:
        """Build the panel.

        Args:
            widget: what `slicer.util.loadUI` made of LungSquad.ui, with its scene set.
        """
        self.widget = widget
        self._node_was_removed = False
        self._gui_connection: Any = None  # of the state to the widgets
        self._state_observers, self._scene_observers = Observers(), Observers()
        self._timer = single_shot(widget, self._update)
        self.worker = WorkerProcess(widget)
        self.context = context = Context(widget, self.worker, self.refresh)
        self.ui, self.tasks = context.ui, context.tasks
        self._ct_files = ct_files = CtFileCache()
        self.crop = CropSection(context)
        self.tumour = TumourSection(
            context, ct_files=ct_files, tumour_chosen=self.crop.show_tumour_next
        )
        self.candidates = Candidates(context, ct_files=ct_files, clicks=self.tumour.clicks)
        self.patient = PatientSection(context, tumour=self.tumour)
        self.profile = ProfileSection(context)
        preliminary = PreliminaryPredictions(self.refresh)
        self.result = ResultSection(context, crop=self.crop, preliminary=preliminary)
        self.prediction = PredictionSection(
            context,
            ct_files=ct_files,
            crop=self.crop,
            profile=self.profile,
            preliminary=preliminary,
            predicted=self.result.show_saliency_next,
        )
        self.description = DescriptionSection(context, crop=self.crop)
        self.table = TumourTable(
            context,
            tumour=self.tumour,
            crop=self.crop,
            predictions=self.result,
            descriptions=self.description,
        )
        self.radiomics = RadiomicsSection(context, ct_files=ct_files, crop=self.crop)
        self.synthetic = SyntheticSection(context, crop=self.crop)
        self.inpainting = InpaintingSection(context, ct_files=ct_files, crop=self.crop)
        self.report = ReportSection(
            context,
            ct_files=ct_files,
            files=self.prediction.files,
            predictions=self.result,
            descriptions=self.description,
            measurements=self.table,
            crop=self.crop,
        )
        self.batch = BatchSection(context, models=self.prediction)
        self.models = ModelsSection(context, changed=self._list_models)
        self._sections: tuple[Section, ...] = (
            self.patient,
            self.tumour,
            self.candidates,
            self.crop,
            self.prediction,
            self.result,
            self.description,
            self.table,
            self.radiomics,
            self.profile,
            self.synthetic,
            self.inpainting,
            self.report,
            self.batch,
            self.models,
        )
        self._list_models()
        self.ui.cancelButton.clicked.connect(lambda _checked=False: self.tasks.cancel())
        scene = slicer.mrmlScene
        for event, call in (
            (scene.StartCloseEvent, self._scene_closes),
            (scene.EndCloseEvent, self._attach),
            (scene.StartImportEvent, self._detach),  # what is read is checked before it is shown
            (scene.EndImportEvent, self._imported),
            (scene.NodeRemovedEvent, self._node_removed),
        ):
            self._scene_observers.add(scene, event, call)
        self._attach()

    # Slicer's life cycle

    def enter(self) -> None:
        """Prepare the panel: the user opens the module."""
        self._list_models()
        if self.context.has_state and self.context.state.ct is None:
            self.context.state.ct = _first_ct(slicer.mrmlScene)
        self.tumour.enter()
        self.refresh()

    def leave(self) -> None:
        """End what waits for the user: another module is opened; running work continues."""
        if self.context.has_state:
            self.tumour.leave()
            self.crop.leave()

    def close(self) -> None:
        """Remove everything of the panel: its widget is deleted, or loaded anew."""
        self.leave()
        self.tasks.cancel()
        self._timer.stop()
        self._scene_observers.clear()
        self._detach()
        for section in self._sections:
            section.close()
        self.worker.close()
        self._ct_files.close()
        self.widget.deleteLater()  # a reload would only hide it, still active

    def open_path(self, path: str) -> None:
        """Load what was dropped on Slicer: a folder of DICOM, a CT, or a mask of the CT."""
        with self.context.errors_reported():
            if Path(path).is_dir():
                self.patient.open_folder(path)
            elif self.context.state.ct is None and is_volume_file(Path(path)):
                self.patient.open_volume(path)
            else:
                self.tumour.open_mask(path)

    def _list_models(self) -> None:
        """List the models on this machine; headers are read, weights are not."""
        entries = available()
        for section in (
            self.tumour.clicks,
            self.prediction,
            self.profile,
            self.synthetic,
            self.inpainting,
            self.models,
        ):
            section.list_models(entries)

    # State

    def _attach(self) -> None:
        """Use the scene's state: its own, or one that was just loaded."""
        self._detach()
        state: Any = state_of(slicer.mrmlScene)
        self.context.set_state(state)
        if state.ct is None:
            state.ct = _first_ct(slicer.mrmlScene)
        self._gui_connection = state.connectGui(self.ui)
        self._state_observers.add(state, vtkCommand.ModifiedEvent, self.refresh)
        self.refresh()

    def _detach(self) -> None:
        if self.context.has_state:
            state: Any = self.context.state  # with the methods that Slicer adds
            self._state_observers.clear()
            state.disconnectGui(self._gui_connection)
            self.context.set_state(None)

    def _scene_closes(self) -> None:
        if self.tasks.title:
            stopped = _("The scene was closed, so this was stopped: {title}.")
            self.tasks.cancel(stopped.format(title=self.tasks.title))
        else:
            self.context.report(_("The scene was closed. Load a CT."))
        for section in self._sections:
            section.scene_closes()
        self._detach()

    def _imported(self) -> None:
        self._attach()
        if not self.tasks.title:
            self.context.report(_("The scene is loaded."))

    def _node_removed(self) -> None:
        self.tasks.check_nodes()
        self._node_was_removed = True
        self.refresh()

    def _remove_orphans(self) -> None:
        """Remove the results of a CT that the user removed."""
        if self._node_was_removed:
            self._node_was_removed = False
            remove(results_without_volume(slicer.mrmlScene))

    # Display

    def refresh(self) -> None:
        """Show what has changed, when the event loop turns; many calls are one."""
        self._timer.start()

    def _update(self) -> None:
        ui, running = self.ui, bool(self.tasks.title)
        ui.statusLabel.text = self.tasks.message if running else self.context.status
        ui.progressBar.textVisible = running
        ui.progressBar.value = round(100 * self.tasks.fraction)
        ui.cancelButton.enabled = running
        if self.context.has_state:
            self._remove_orphans()
            for section in self._sections:
                try:
                    section.update()
                except Exception as error:
                    # Not `report`: that would update all sections again, and fail again.
                    self.context.status = ui.statusLabel.text = message_of(error)


def _first_ct(scene: Any) -> Any:
    """Return the first volume that is not a result of a model, or None."""
    for node in nodes_of(scene):
        if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not is_result(node):
            return node
    return None
