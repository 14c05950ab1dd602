"""The panel: six sections in the order of the work, on one state that the scene keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from vtkmodules.vtkCommonCore import vtkCommand

from ...errors import LungSquadError
from ...imaging.files.volumes import is_volume_file
from ...models.catalogue import available
from ..hierarchy import nodes_of
from ..results import is_result
from ..temporary_files import CtCopies
from .crop import CropSection
from .events import Observers, single_shot
from .inpainting import PaintingSection
from .installation import install
from .patient import PatientSection
from .prediction import PredictionSection
from .profile import ProfileSection
from .report import ReportSection
from .section import Section
from .state import State, state_of
from .synthetic import GeneratedSection
from .tasks import Tasks, told
from .tumour import TumourSection
from .worker_process import WorkerProcess


class Panel:
    """What the module's widget holds; `LungSquad.py` tells it when it is entered and left."""

    def __init__(self, widget: Any) -> None:
        """Args:
        widget: what `slicer.util.loadUI` made of LungSquad.ui, with its scene set.
        """
        self.widget = widget
        self.ui: Any = slicer.util.childWidgetVariables(widget)
        self._sentence = self.ui.statusLabel.text
        self._state: Any = None  # a State, with the methods that Slicer adds
        self._bound: Any = None  # the state's connection to the widgets
        self._state_observers, self._scene_observers = Observers(), Observers()
        self._timer = single_shot(widget, self._update)
        self.worker = WorkerProcess(widget)
        self.tasks = Tasks(widget, self.worker, self.refresh, self.tell)
        self.copies = CtCopies()
        self.patient, self.tumour = PatientSection(self), TumourSection(self)
        self.crop, self.prediction = CropSection(self), PredictionSection(self)
        self.profile = ProfileSection(self)
        self.generated, self.painting = GeneratedSection(self), PaintingSection(self)
        self.report = ReportSection(self)
        self._list_models()
        self.ui.cancelButton.clicked.connect(lambda _checked=False: self.tasks.cancel())
        scene = slicer.mrmlScene
        for event, call in (
            (scene.StartCloseEvent, self._scene_closes),
            (scene.EndCloseEvent, self._attach),
            (scene.StartImportEvent, self._detach),  # what is read is looked at before it is shown
            (scene.EndImportEvent, self._attach),
            (scene.NodeRemovedEvent, self._node_removed),
        ):
            self._scene_observers.add(scene, event, call)
        self._attach()

    @property
    def _sections(self) -> tuple[Section, ...]:
        return (
            self.patient,
            self.tumour,
            self.crop,
            self.prediction,
            self.profile,
            self.generated,
            self.painting,
            self.report,
        )

    # Slicer's life cycle

    def enter(self) -> None:
        """The user opens the module."""
        self._list_models()
        if self.has_state and self._state.ct is None:
            self._state.ct = _first_ct(slicer.mrmlScene)
        self.tumour.entered(True)
        self.refresh()

    def _list_models(self) -> None:
        """Look which models there are; headers are read, weights are not."""
        entries = available()
        self.prediction.list_models(entries)
        self.profile.list_models(entries)
        self.generated.list_models(entries)
        self.painting.list_models(entries)

    def leave(self) -> None:
        """The user opens another module; work that is under way goes on."""
        if self.has_state:
            self.tumour.entered(False)
            self.crop.entered(False)

    def close(self) -> None:
        """The module's widget goes, or is loaded anew: nothing of the panel stays."""
        self.leave()
        self.tasks.cancel()
        self._timer.stop()
        self._scene_observers.clear()
        self._detach()
        for section in self._sections:
            section.close()
        self.worker.close()
        self.copies.close()
        self.widget.deleteLater()  # a reload would only hide it, at work

    def open_path(self, path: str) -> None:
        """Take what was dropped on Slicer: a folder of DICOM, a CT, or a mask of the CT."""
        with self.errors_told():
            if Path(path).is_dir():
                self.patient.open_folder(path)
            elif self.current_state().ct is None and is_volume_file(Path(path)):
                self.patient.open_volume(path)
            else:
                self.tumour.open_mask(path)

    # State

    @property
    def has_state(self) -> bool:
        """Whether there is a scene that keeps the user's choices."""
        return self._state is not None

    def current_state(self) -> State:
        """The user's choices."""
        if self._state is None:
            raise LungSquadError(_("The scene is being closed or loaded."))
        return self._state

    def _attach(self) -> None:
        """Take up the scene's state: its own, or one that was just loaded."""
        self._detach()
        state: Any = state_of(slicer.mrmlScene)
        self._state = state
        if state.ct is None:
            state.ct = _first_ct(slicer.mrmlScene)
        self._bound = state.connectGui(self.ui)
        self._state_observers.add(state, vtkCommand.ModifiedEvent, self.refresh)
        self.refresh()

    def _detach(self) -> None:
        if self._state is not None:
            self._state_observers.clear()
            self._state.disconnectGui(self._bound)
            self._state = None

    def _scene_closes(self) -> None:
        if self.tasks.title:
            stopped = _("The scene was closed, so this was stopped: {title}.")
            self.tasks.cancel(stopped.format(title=self.tasks.title))
        for section in self._sections:
            section.scene_closes()
        self._detach()

    def _node_removed(self) -> None:
        self.tasks.check_nodes()
        self.refresh()

    # What is seen

    def refresh(self) -> None:
        """Show what has changed, when the event loop turns; many calls are one."""
        self._timer.start()

    def tell(self, sentence: str) -> None:
        """Say something to the user, where it stays until the next."""
        self._sentence = sentence
        self.refresh()

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """Say what goes wrong, instead of raising it."""
        try:
            yield
        except Exception as error:
            self.tell(told(error))

    @contextmanager
    def wait_cursor(self) -> Iterator[None]:
        """For the few things of Slicer's own that nobody can cut into steps."""
        qt.QApplication.setOverrideCursor(qt.Qt.WaitCursor)
        try:
            yield
        finally:
            qt.QApplication.restoreOverrideCursor()

    def install(self, packages: list[str]) -> None:
        """Ask whether to install what is missing, and do it."""
        self.tell(install(packages))

    def _update(self) -> None:
        running = self.tasks.title
        self.ui.statusLabel.text = self.tasks.message if running else self._sentence
        self.ui.progressBar.textVisible = bool(running)
        self.ui.progressBar.value = round(100 * self.tasks.fraction)
        self.ui.cancelButton.enabled = bool(running)
        if self.has_state:
            for section in self._sections:
                try:
                    section.update()
                except Exception as error:
                    # Not `tell`: that would show all of it again, and fail again.
                    self._sentence = self.ui.statusLabel.text = told(error)


def _first_ct(scene: Any) -> Any:
    """The first volume that is not a result of ours."""
    for node in nodes_of(scene):
        if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not is_result(node):
            return node
    return None
