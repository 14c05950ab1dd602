"""The first answer of a prediction: shown at once, marked, replaced, gone when the work ends."""

from __future__ import annotations

import os
import signal
import statistics
import time

import pytest

from .conftest import at_rest, file_names
from .figures import figure
from .test_panel_results import layers

MARK = "Preliminary: the interval, the robustness and the report follow."


def saliencies(scene) -> list[str]:
    """The names of the saliency volumes in the scene."""
    nodes = map(scene.GetNthNode, range(scene.GetNumberOfNodes()))
    return [
        node.GetName()
        for node in nodes
        if node.IsA("vtkMRMLVolumeNode") and node.GetName().startswith("Saliency")
    ]


def is_marked(panel) -> bool:
    """Whether an answer is shown, and as a preliminary one."""
    ui = panel.ui
    return not ui.resultFrame.isHidden() and ui.preliminaryLabel.text == MARK


@pytest.fixture
def first(panel, working, wait_until):
    """The panel with a first answer, of a worker that does not give the last one."""
    working("preliminary")
    panel.ui.predictButton.click()
    wait_until(lambda: is_marked(panel) and not panel._timer.isActive())
    return panel


def test_the_first_answer_is_marked_and_has_no_interval(first, scene):
    ui = first.ui
    assert not ui.preliminaryLabel.isHidden()
    assert ui.predictedClassLabel.text == "A or B?\nClass B (class A 30%, class B 70%)."
    assert ui.uncertaintyLabel.text == "Probability of class A: 0.30 (bar)."
    assert ui.tableSection.isHidden()
    assert layers(scene) == {("Saliency Model one (preliminary)", 0.4)}
    assert first.tasks.title == "Predicting"
    assert first.result.stored == []  # nothing to report, export or save
    assert not ui.reportFrame.enabled


def test_a_scene_is_saved_without_the_first_answer(first, scene, tmp_path, wait_until):
    from LungSquadLib.mrml.scene import write_scene

    from ..mrml.nodes import read_scene

    write_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(0)
    wait_until(lambda: at_rest(first))
    read_scene(scene, tmp_path / "scene.mrb", tmp_path / "read")
    wait_until(lambda: at_rest(first))
    assert saliencies(scene) == []
    assert first.ui.resultFrame.isHidden()


@pytest.mark.parametrize(
    "how", ["cancel", "close", "ct", pytest.param("kill", marks=pytest.mark.linux)]
)
def test_the_first_answer_ends_with_its_work(how, first, scene, drawn, wait_until, temporary):
    ui = first.ui
    if how == "cancel":
        ui.predictButton.click()
    elif how == "close":
        scene.Clear(0)
    elif how == "ct":
        scene.RemoveNode(drawn[0])
    else:
        os.kill(first.worker.pid, signal.SIGKILL)
    wait_until(lambda: at_rest(first) and not first.worker._cancelled)
    assert ui.resultFrame.isHidden()
    assert saliencies(scene) == []
    assert {name for name, _ in layers(scene)} == {None}
    assert file_names(temporary) == ["ct.mha"]
    late = {"type": "preliminary", "id": 1, "result": {}}  # sent before the worker knew
    first.worker._take_response(late)
    assert ui.resultFrame.isHidden()
    if how in ("cancel", "kill"):
        ui.predictButton.click()
        wait_until(lambda: is_marked(first))


def test_the_first_answer_belongs_to_its_inputs(first, scene, drawn, wait_until):
    """A moved crop makes it out of date; another outline, or another CT, is not its tumour."""
    import LungSquadLib.mrml as lsm

    ui, state = first.ui, first.context.state

    def settled():
        wait_until(lambda: not (first._timer.isActive() or first.crop._timer.isActive()))

    x, y, z = first.crop.crop.mask_centre_of_mass_lps
    assert ui.outdatedLabel.isHidden()
    state.centre = f"{x + 3} {y} {z}"
    settled()
    assert ui.outdatedLabel.text.startswith("Out of date")
    state.centre = ""
    settled()
    assert ui.outdatedLabel.isHidden()
    mask = lsm.mask_of_segment(*drawn[1:], drawn[0])
    first.tumour.choose(drawn[1], lsm.add_segment(drawn[1], mask, name="another"))
    settled()
    assert ui.resultFrame.isHidden()
    assert {name for name, _ in layers(scene)} == {None}
    first.tumour.choose(*drawn[1:])
    settled()
    assert not ui.resultFrame.isHidden()
    state.ct = lsm.add_volume(scene, lsm.image_of_volume(drawn[0]), name="Second CT")
    settled()
    assert ui.resultFrame.isHidden()
    assert first.tasks.title == "Predicting"


def test_a_first_answer_that_cannot_be_shown_does_not_stop_the_work(panel, wait_until):
    from LungSquadLib.mrml.panel.tasks import WorkerCall

    ended = []

    def steps():
        ended.append((yield WorkerCall("ping", {}, preliminary=lambda result: result["files"])))

    asked = []
    panel.worker.request = lambda _verb, _fields, callbacks: asked.append(callbacks) or 1
    panel.tasks.start("Testing", steps())
    wait_until(lambda: asked)
    asked[0].preliminary({})
    assert "KeyError" in panel.context.status
    asked[0].result("the last")
    assert ended == ["the last"]


@pytest.mark.slow
def test_the_first_answer_comes_within_a_second_and_is_replaced(panel, scene, wait_until):
    """By a worker, which is warm the second time."""
    ui = panel.ui
    panel.context.state.model = "one"
    wait_until(lambda: at_rest(panel) and ui.modelSelector.currentData == "one")
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        ui.predictButton.click()
        wait_until(lambda: is_marked(panel), 60)
        seconds.append(time.perf_counter() - start)
        early = ui.predictedClassLabel.text
        assert "interval:" not in ui.uncertaintyLabel.text
        wait_until(lambda: at_rest(panel), 60)
        assert ui.statusLabel.text.startswith("Prediction finished.")
        assert ui.preliminaryLabel.isHidden()
        assert ui.predictedClassLabel.text == early
        assert "95% interval:" in ui.uncertaintyLabel.text
        assert not ui.tableSection.isHidden()
        assert saliencies(scene) == ["Saliency Model one"]
        assert layers(scene) == {("Saliency Model one", 0.4)}
    figure("from Predict to the first answer, worker warm", statistics.median(seconds[1:]), "s")
