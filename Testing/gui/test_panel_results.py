"""What the panel shows of predictions, and which section is open to whom."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from .conftest import MODULE, at_rest


@pytest.fixture
def seen(panel, models, scene, drawn, wait_until):
    """The panel with the results of both models."""
    import LungSquadLib.mrml as lsm
    from LungSquadLib.mrml.console import predict_in_process

    for name in ("one", "two"):
        file = models / f"{name}.safetensors"
        lsm.predict(*drawn, model=file, show=True, device="cpu", predictor=predict_in_process)
    panel.refresh()
    wait_until(lambda: panel.ui.resultFrame.visible and at_rest(panel))
    return panel


def layers(scene) -> set[tuple]:
    """What lies over the CT in the slice views, and how much of it is seen."""
    kind = "vtkMRMLSliceCompositeNode"
    nodes = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
    assert nodes
    over = [scene.GetNodeByID(node.GetForegroundVolumeID() or "") for node in nodes]
    return {
        (None if volume is None else volume.GetName(), round(node.GetForegroundOpacity(), 3))
        for volume, node in zip(over, nodes, strict=True)
    }


def test_the_saliency_of_the_chosen_result_is_laid_over(seen, scene, wait_until):
    ui = seen.ui
    assert [ui.resultSelector.itemText(number) for number in (0, 1)] == ["Model one", "Model two"]
    for number, name in ((1, "two"), (0, "one")):
        ui.resultSelector.currentIndex = number
        wait_until(lambda: at_rest(seen))
        assert layers(scene) == {(f"Saliency Model {name}", 0.4)}
        assert ui.resultTable.mrmlTableNode().GetName() == f"Prediction Model {name}"
        described = seen.result.stored[number].described
        value = described["probabilities"][described["predicted_class"]]
        assert f"{value:.0%}" in ui.predictedClassLabel.text
        notice, *flags = ui.resultFlags.text.split("\n")
        assert notice == described["notice"]
        assert len(flags) == len(described["flags"])


def test_the_slider_says_how_much_saliency_is_seen(seen, scene, wait_until):
    for value, layer in ((0.75, ("Saliency Model one", 0.75)), (0.0, (None, 0.0))):
        seen.ui.saliencySlider.value = value
        wait_until(lambda: at_rest(seen))
        assert layers(scene) == {layer}
    seen.ui.saliencySlider.value = 0.2
    wait_until(lambda: at_rest(seen))
    assert layers(scene) == {("Saliency Model one", 0.2)}


@pytest.mark.slow
def test_a_result_of_another_outline_or_crop_is_called_out_of_date(
    seen, models, drawn, scene, wait_until
):
    """Nobody may read the number of an outline that is no longer there."""
    import slicer

    from LungSquadLib.mrml.segments import LABEL_MAP
    from LungSquadLib.mrml.volumes import voxel_array

    volume, segmentation, segment = drawn
    state, label = seen.context.state, seen.ui.outdatedLabel
    state.ct, state.segmentation, state.segment = volume, segmentation, segment

    def outdated():
        wait_until(lambda: at_rest(seen))
        return label.visible

    assert not outdated()
    seen.ui.predictButton.click()  # by the worker, on the mask's file
    wait_until(lambda: seen.tasks.title)
    wait_until(lambda: not seen.tasks.title, 60)
    assert not outdated()
    x, y, z = seen.crop.crop.mask_centre_of_mass_lps
    state.centre = f"{x + 3} {y} {z}"
    assert outdated()
    assert "Predict again" in label.text
    state.centre = ""
    assert not outdated()
    image = segmentation.GetSegmentation().GetSegment(segment).GetRepresentation(LABEL_MAP)
    array = voxel_array(image, "tumour")
    array[tuple(np.argwhere(array)[0])] = 0  # one voxel
    segmentation.GetSegmentation().InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
    assert outdated()


def test_a_result_whose_ct_is_not_chosen_is_not_shown(seen, scene, wait_until):
    seen.ui.ctSelector.setCurrentNode(None)
    wait_until(lambda: at_rest(seen))
    assert not seen.ui.resultFrame.visible
    assert seen.ui.resultTable.mrmlTableNode() is None
    assert {volume for volume, _ in layers(scene)} == {None}


def test_a_deleted_ct_is_not_replaced_by_its_saliency(seen, scene, drawn, wait_until):
    scene.RemoveNode(drawn[0])
    wait_until(lambda: at_rest(seen))
    assert seen.context.state.ct is None
    assert seen.ui.ctSelector.currentNode() is None
    assert not seen.ui.resultFrame.visible


def test_sections_open_one_after_the_other_and_say_what_is_missing(panel, wait_until, scene):
    import LungSquadLib.mrml as lsm

    from ..samples import ball_images

    ui = panel.ui
    hints = (ui.tumourHint, ui.cropHint, ui.predictionHint, ui.reportHint)
    frames = (ui.tumourFrame, ui.cropFrame, ui.predictionFrame, ui.reportFrame)

    def shown() -> list[str]:
        wait_until(lambda: at_rest(panel))
        for hint, frame in zip(hints, frames, strict=True):
            assert frame.enabled == (not hint.text)
            assert hint.isHidden() == (not hint.text)
        return [hint.text for hint in hints]

    load, outline = "Choose or load a CT first.", "Outline the tumour first."
    predict = "Run a prediction first."
    scene.Clear(0)
    assert shown() == [load, load, load, predict]
    ct, mask = ball_images()
    volume = lsm.add_volume(scene, ct, name="CT")
    ui.ctSelector.setCurrentNode(volume)
    assert shown() == ["", outline, outline, predict]
    segmentation = lsm.add_segmentation(scene, volume, name="Outlines")
    ui.segmentSelector.setCurrentNode(segmentation)
    assert shown() == ["", outline, outline, predict]
    segment = lsm.add_segment(segmentation, mask)
    ui.segmentSelector.setCurrentSegmentID(segment)
    wait_until(lambda: panel.crop.crop is not None)
    assert shown() == ["", "", "", predict]
    panel.prediction._entries = []
    panel.refresh()
    assert shown() == ["", "", "No model for predictions is installed.", predict]


def test_with_a_result_there_is_something_to_report(seen, wait_until):
    assert seen.ui.reportFrame.enabled
    assert seen.ui.reportHint.text == ""


def test_the_methods_text_names_every_model_once(seen, wait_until):
    import qt

    from LungSquadLib import __version__

    seen.ui.copyMethodsButton.click()
    text = qt.QApplication.clipboard().text()
    for stored in seen.result.stored:
        model = stored.described["model"]
        assert text.count(model["sha256"]) == 1
        assert model["training_data"].rstrip(".") in text
    assert "crops of 50 x 50 x 50 voxels of 1 mm" in text
    assert f"LungSquad {__version__}" in text
    assert "predicted with 2 models" in text


def test_a_section_needs_only_what_it_is_handed(gui, scene, drawn, tmp_path):
    """Without the panel: the widgets, stand-ins for the other sections, and no worker."""
    import slicer

    from LungSquadLib.mrml.panel.context import Context
    from LungSquadLib.mrml.panel.prediction_files import CaseRun, PredictionFiles
    from LungSquadLib.mrml.panel.report import ReportSection
    from LungSquadLib.mrml.panel.state import state_of
    from LungSquadLib.mrml.temporary_files import CaseFiles, CtFileCache
    from LungSquadLib.mrml.tumour import Tumour

    widget = slicer.util.loadUI(str(MODULE.parent / "Resources/UI/LungSquad.ui"))
    widget.setMRMLScene(scene)
    context = Context(widget, worker=None, refresh=lambda: None)
    state = state_of(scene)
    state.ct, state.segmentation, state.segment = drawn
    context.set_state(state)
    with CaseFiles() as case_files:
        case_files.results.mkdir()
        (case_files.results / "report.html").write_text("the report")
        files = PredictionFiles()
        files.add(CaseRun(drawn[0], Tumour(*drawn[1:]), case_files))
        predictions = SimpleNamespace(all_stored=[])
        section = ReportSection(
            context,
            ct_files=CtFileCache(),
            files=files,
            predictions=predictions,
            descriptions=SimpleNamespace(all_stored=[]),
            measurements=SimpleNamespace(rows=lambda: [{"tumour": "left"}]),
            crop=SimpleNamespace(key=None),
        )
        section.update()
        assert context.ui.reportHint.text == "Run a prediction first."
        assert not context.ui.reportFrame.enabled
        predictions.all_stored = [object()]
        section.update()
        assert context.ui.reportFrame.enabled
        gui.file_answers.append(str(tmp_path))
        context.ui.saveReportButton.click()
    saved = tmp_path / "LungSquad results"
    assert (saved / "report.html").read_text() == "the report"
    assert "left" in (saved / "tumours.csv").read_text()
    assert context.status == f"Saved in '{saved}'."
