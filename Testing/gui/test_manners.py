"""What Slicer asks of those who use it, where nothing but a crash or a leak would tell."""

from __future__ import annotations

import sys
from subprocess import CalledProcessError
from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture
def panel(module, scene, application):
    """The panel with a CT."""
    import SimpleITK as sitk

    from LungSquadLib.mrml import add_volume

    ct = sitk.GetImageFromArray(np.full((40, 40, 40), -800, np.int16))
    module.panel.context.state.ct = add_volume(scene, ct, name="CT")
    module.enter()
    application.processEvents()
    return module.panel


def test_what_qt_keeps_goes_with_the_widget(panel, module, application):
    from PySide6.QtCore import QEvent
    from shiboken6 import isValid

    timers = [panel._timer, panel.tasks._timer, panel.crop._timer, panel.worker._cancel_timer]
    timers += [panel.synthetic._timer]
    timers += [section._picker._timer for section in (panel.crop, panel.tumour.clicks)]
    module.cleanup()
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not any(map(isValid, (panel.widget, *timers)))


def test_a_clicked_node_stays_while_slicer_works_with_it(panel, scene, application):
    panel.ui.segmentButton.click()
    node = scene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    clicked = []
    panel.tumour.clicks._picker._picked = clicked.append
    node.AddControlPointWorld(1.0, 2.0, 3.0)
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    assert scene.IsNodePresent(node)
    assert not clicked
    application.processEvents()
    assert not scene.IsNodePresent(node)
    assert clicked == [(-1.0, -2.0, 3.0)]
    assert not panel.ui.segmentButton.checked


def test_back_to_the_arrow_ends_the_wait_for_a_click(panel, scene, application):
    panel.ui.segmentButton.click()
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    assert panel.tumour.clicks._picker.active
    application.processEvents()
    assert not panel.tumour.clicks._picker.active
    assert not panel.ui.segmentButton.checked


def test_no_effect_stays_at_work_when_the_scene_closes(panel, scene):
    panel.ui.drawButton.click()
    editor = panel.ui.segmentEditor
    assert editor._effect == "Paint"
    scene.Clear(0)
    assert editor._effect == ""
    assert editor.mrmlSegmentEditorNode() is None


def test_a_worker_that_fails_within_its_start_is_reported(application, gui, monkeypatch):
    from LungSquadLib.mrml.panel.worker_process import Callbacks, WorkerProcess, qt

    class Refused(qt.QProcess):
        """As on Windows, where a missing program is reported within `start`."""

        def start(self, _program, _arguments):
            self.errorOccurred.emit(qt.QProcess.FailedToStart)

        def error(self):
            return qt.QProcess.FailedToStart

    monkeypatch.setattr(qt, "QProcess", Refused)
    owner, errors = qt.QWidget(), []
    callbacks = Callbacks(lambda *_: None, errors.append, errors.append)
    WorkerProcess(owner).request("ping", {}, callbacks)
    assert "could not be started" in str(errors[0])


def test_cancel_within_a_step_does_not_disturb_it(panel, wait_until):
    done = []

    def steps():
        yield 0.5
        panel.tasks.cancel()  # pressed while Slicer turns the event loop within a step
        done.append("step")

    panel.tasks.start("Testing", steps())
    wait_until(lambda: not panel.tasks.title)
    wait_until(lambda: not panel._timer.isActive())
    assert done == ["step"]
    assert "Testing" not in panel.ui.statusLabel.text
    assert "generator" not in panel.ui.statusLabel.text


def test_a_file_that_is_no_volume_is_reported(panel, scene, tmp_path):
    scene.Clear(0)
    file = tmp_path / "ct.nrrd"
    file.write_text("NRRD0004\nnot a volume")
    panel.open_path(str(file))
    assert "Slicer cannot read" in panel.context.status


def test_an_installation_that_fails_is_reported(gui, monkeypatch):
    from LungSquadLib.mrml.panel.installation import install

    def fail(**_requirement):
        raise CalledProcessError(1, "pip")

    extension = SimpleNamespace(PyTorchUtilsLogic=lambda: SimpleNamespace(installTorch=fail))
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    assert "could not be installed" in install(["torch"])
