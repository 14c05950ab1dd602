"""Scenes that close, change and come from anywhere: the panel goes on, and leaves nothing."""

from __future__ import annotations

import json
import re
import sys

import pytest

from ..mrml.nodes import read_scene
from .conftest import at_rest, file_names, put_away

# The message at the end when this happens during a prediction.
INTERRUPTIONS = {
    "close": "The scene was closed, so this was stopped: Predicting.",
    "ct": "'CT' was removed, so this was stopped: Predicting.",
    "segmentation": "'Outlines' was removed, so this was stopped: Predicting.",
}


@pytest.fixture
def predicted(panel, models, drawn, wait_until):
    """The panel with a result."""
    import LungSquadLib.mrml as lsm
    from LungSquadLib.mrml.console import predict_in_process

    panel.context.state.model = "one"
    lsm.predict(
        *drawn,
        model=models / "one.safetensors",
        show=True,
        device="cpu",
        predictor=predict_in_process,
    )
    panel.refresh()
    wait_until(lambda: panel.ui.resultFrame.visible and at_rest(panel))
    return panel


def another_case(scene, panel, wait_until):
    """A new CT with its tumour, chosen in the panel."""
    import LungSquadLib.mrml as lsm

    from ..samples import ball_images

    ct, mask = ball_images(radius=6.0)
    volume = lsm.add_volume(scene, ct, name="Second CT")
    segmentation = lsm.add_segmentation(scene, volume, name="Second")
    segment = lsm.add_segment(segmentation, mask)
    panel.ui.ctSelector.setCurrentNode(volume)
    panel.tumour.choose(segmentation, segment)
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))
    return volume


@pytest.mark.parametrize("how", INTERRUPTIONS)
def test_an_interruption_is_reported_and_leaves_nothing(
    how, panel, working, wait_until, scene, drawn, temporary
):
    working("heedful")
    panel.ui.predictButton.click()
    wait_until(lambda: panel.ui.statusLabel.text == "at it")
    if how == "close":
        scene.Clear(0)
    else:
        scene.RemoveNode(drawn[0] if how == "ct" else drawn[1])
    wait_until(lambda: at_rest(panel) and not panel.worker._cancelled)
    assert panel.ui.statusLabel.text == INTERRUPTIONS[how]
    assert file_names(temporary) == ["ct.mha"]
    for kind in ("vtkMRMLTableNode", "vtkMRMLTextNode"):
        assert scene.GetNumberOfNodesByClass(kind) == 0
    another_case(scene, panel, wait_until)
    panel.ui.predictButton.click()
    wait_until(lambda: panel.ui.statusLabel.text == "at it")


@pytest.mark.slow
def test_harmless_changes_do_not_disturb_a_prediction(panel, wait_until, scene, drawn, temporary):
    panel.context.state.model = "one"
    panel.refresh()
    wait_until(lambda: panel.ui.modelSelector.currentData == "one")
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.fraction >= 0.1)
    volume, segmentation, segment = drawn
    volume.SetName("Other")
    segmentation.SetName("Others")
    segmentation.GetSegmentation().RemoveSegment(segment)
    wait_until(lambda: at_rest(panel), 60)
    assert (
        panel.ui.statusLabel.text
        == "Prediction finished. Read the warnings before the probabilities."
    )
    assert [stored.described["model"]["name"] for stored in panel.result.stored] == ["one"]
    assert len(file_names(temporary)) > 3  # for the report
    scene.Clear(0)
    assert file_names(temporary) == ["ct.mha"]


def test_several_scenes_one_after_the_other(panel, wait_until, scene, drawn):
    for _ in range(3):
        another_case(scene, panel, wait_until)
        assert panel.ui.predictionFrame.enabled
        scene.Clear(0)
        wait_until(lambda: at_rest(panel))
        state = panel.context.state
        assert (state.ct, state.segmentation, state.crop_box, state.size_measurement) == (None,) * 4
        assert (state.segment, panel.crop.crop) == ("", None)
        assert panel.ui.cropHint.text == "Choose or load a CT first."
        assert not scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode")


def test_the_status_line_follows_the_scene(panel, wait_until, scene, tmp_path):
    from LungSquadLib.mrml.scene import write_scene

    panel.context.report("The outline is accepted. Next: the prediction.")
    write_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(0)
    wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text == "The scene was closed. Load a CT."
    read_scene(scene, tmp_path / "scene.mrb", tmp_path / "read")
    wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text == "The scene is loaded."


def test_the_results_of_a_deleted_ct_go_with_it(predicted, wait_until, scene, drawn):
    from LungSquadLib.mrml.results import is_result

    def results() -> list[str]:
        nodes = map(scene.GetNthNode, range(scene.GetNumberOfNodes()))
        return [node.GetName() for node in nodes if is_result(node)]

    other = another_case(scene, predicted, wait_until)
    assert len(results()) == 4  # table, saliency, record, box
    scene.RemoveNode(other)
    wait_until(lambda: at_rest(predicted))
    assert len(results()) == 4
    scene.RemoveNode(drawn[0])
    wait_until(lambda: at_rest(predicted))
    assert results() == []


def test_a_saved_scene_is_restored(predicted, wait_until, scene, drawn, tmp_path):
    from LungSquadLib.mrml.scene import write_scene

    panel, segment = predicted, drawn[2]
    panel.context.state.centre = "8.000 53.000 148.000"
    panel.context.state.show_size_measurement = False
    wait_until(lambda: at_rest(panel))
    answer, centre = (
        panel.ui.predictedClassLabel.text,
        panel.context.state.crop_box.GetCenterWorld(),
    )
    write_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(0)
    wait_until(lambda: at_rest(panel))
    assert not panel.ui.resultFrame.visible
    read_scene(scene, tmp_path / "scene.mrb", tmp_path / "read")
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))
    state = panel.context.state
    assert (state.ct.GetName(), state.segmentation.GetName()) == ("CT", "Outlines")
    assert (state.segment, state.model, state.show_size_measurement) == (segment, "one", False)
    assert (panel.ui.ctSelector.currentNode(), panel.ui.predictedClassLabel.text) == (
        state.ct,
        answer,
    )
    assert state.crop_box.GetCenterWorld() == pytest.approx(centre)
    assert not state.size_measurement.GetDisplayNode().GetVisibility()
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode") == 1
    panel.ui.openReportButton.click()
    wait_until(lambda: at_rest(panel))
    assert "the scene was saved without" in panel.ui.statusLabel.text


def spoiled(text: str) -> dict[str, str]:
    """Records that are none, or say what hurts."""

    def changed(**changes) -> str:
        return json.dumps({**json.loads(text), **changes})

    interval = json.loads(text)["interval"]
    return {
        "no JSON": "{",
        "a list": "[1]",
        "half": json.dumps({"model": {"name": "x"}}),
        "no question": changed(question=None, classes=[]),
        "no title": changed(model={"name": "one"}),
        "texts for numbers": changed(interval={**interval, "low": "<b>"}),
        "huge": changed(interval={**interval, "low": 10**400}),
        "infinite": re.sub('"low": [^,]+', '"low": 1e999', text),
        "flags": changed(flags=[{"code": "x"}]),
        "severity": changed(flags=[{"code": "x", "severity": "huge", "sentence": "y"}]),
        "classes": changed(classes=[{"code": 1}]),
    }


def test_hostile_records_do_no_harm(predicted, wait_until, scene, caplog):
    from LungSquadLib.mrml.hierarchy import results_of

    panel = predicted
    volume = panel.context.state.ct
    (record,) = (node for node in results_of(volume) if node.IsA("vtkMRMLTextNode"))
    good = record.GetText()
    for name, text in spoiled(good).items():
        assert text != good
        record.SetText(text)
        panel.refresh()
        wait_until(lambda: at_rest(panel))
        assert (name, panel.result.stored, caplog.text) == (name, [], "")
        assert not panel.ui.resultFrame.visible
        assert not panel.ui.reportFrame.enabled
    record.SetText(good)
    panel.refresh()
    wait_until(lambda: at_rest(panel))
    assert panel.ui.resultFrame.visible


def test_texts_are_never_taken_for_markup(panel):
    import qt

    labels = [
        label for label in panel.widget.findChildren(qt.QLabel) if label.name.endswith("Label")
    ]
    labels += [panel.ui.cropFlags, panel.ui.resultFlags, panel.ui.modelDescription]
    written = {label.name for label in labels if not label.text or label.name == "statusLabel"}
    assert {"statusLabel", "predictedClassLabel", "uncertaintyLabel", "resultFlags"} <= written
    shown = [label for label in labels if label.name in written]
    rich = [label.name for label in shown if label.textFormat != qt.Qt.PlainText]
    assert rich == []


NONSENSE = {
    "centre": "here and there",
    "saliency_opacity": "<b>",
    "device": "toaster",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_state_of_nonsense_is_begun_anew(name, panel, wait_until, scene):
    node = panel.context.state.parameterNode
    scene.InvokeEvent(scene.StartImportEvent)
    node.SetParameter("show_crop_box", "False")
    node.SetParameter(name, NONSENSE[name])
    scene.InvokeEvent(scene.EndImportEvent)
    wait_until(lambda: at_rest(panel))
    state = panel.context.state
    assert (state.centre, state.saliency_opacity, state.device) == ("", 0.4, "auto")
    assert state.show_crop_box
    assert state.ct is not None
    assert "fault" not in panel.ui.statusLabel.text


def test_a_missing_segment_is_reported(panel, wait_until):
    panel.context.state.segment = "gone"
    wait_until(lambda: at_rest(panel) and panel.crop.crop is None)
    assert "has no segment with the ID 'gone'" in panel.ui.cropHint.text
    assert not panel.ui.predictionFrame.enabled


def test_a_model_that_is_not_there_is_not_chosen(panel, wait_until):
    panel.context.state.model = "gone"
    wait_until(lambda: at_rest(panel))
    assert panel.ui.modelSelector.currentText == "All models"


def test_a_centre_far_away_is_a_sentence_and_not_a_fault(panel, wait_until):
    for centre in ("1e300 0 0", "nan nan nan", "inf 0 0"):
        panel.context.state.centre = centre
        wait_until(lambda: at_rest(panel))
        assert panel.crop.crop is None, centre
        assert panel.ui.cropHint.text
        assert "fault" not in panel.ui.cropHint.text


# The module's life


def observers(*subjects) -> int:
    """How many observers VTK's objects have."""
    return sum(str(subject).count("vtkObserver") for subject in subjects)


def test_entering_leaving_and_editing_grows_nothing(
    panel, module, wait_until, scene, drawn, monkeypatch
):
    from LungSquadLib.mrml.hierarchy import nodes_of

    calls, refresh = [], panel.refresh
    monkeypatch.setattr(panel.context, "refresh", lambda: (calls.append(1), refresh()))
    segment = drawn[1].GetSegmentation().GetSegment(drawn[2])
    counts = []
    for _ in range(20):
        module.exit()
        module.enter()
        module.enter()
        calls.clear()
        segment.Modified()
        edits = len(calls)  # a segmentation does not print its observers
        wait_until(lambda: at_rest(panel))
        counts.append((scene.GetNumberOfNodes(), observers(scene, *nodes_of(scene)), edits))
    assert min(counts[0]) > 0
    assert len(set(counts[1:])) == 1


def test_after_closing_nothing_is_observed(panel, scene, drawn, wait_until, application):
    calls = []
    panel.close()
    panel.context.refresh = lambda: calls.append("refresh")
    drawn[1].GetSegmentation().GetSegment(drawn[2]).Modified()
    scene.RemoveNode(drawn[0])
    scene.Clear(0)
    assert calls == []
    assert not panel._timer.isActive()
    assert not panel.crop._timer.isActive()


def test_reloading_makes_the_panel_anew_in_the_same_state(
    panel, module, drawn, scene, wait_until, monkeypatch
):
    import slicer

    for name in [name for name in sys.modules if name.split(".")[0] == "LungSquadLib"]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    nodes = scene.GetNumberOfNodes()
    module.onReload()
    new = slicer.modules.LungSquadWidget
    try:
        assert module.panel is None
        assert type(new.panel) is not type(panel)
        assert new.panel.context.state.segment == drawn[2]
        wait_until(lambda: new.panel.crop.crop is not None and at_rest(new.panel))
        assert scene.GetNumberOfNodes() == nodes
        scene.Clear(0)
        wait_until(lambda: at_rest(new.panel))
        assert new.panel.ui.cropHint.text == "Choose or load a CT first."
    finally:
        put_away(new)
        del slicer.modules.LungSquadWidget
