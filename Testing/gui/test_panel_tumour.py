"""The tumour's outline and its crop: clicked, imported, drawn, moved."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from ..mrml.nodes import segment_ids
from ..samples import ball_images
from .conftest import at_rest

MIDDLE = (-30.5 + 38.0, 12.25 + 40.0, 100.0 + 50.0)  # of the ball, LPS mm


@pytest.fixture
def panel(panel, working):
    """The panel with a worker that needs no torch."""
    working(None)
    return panel


@pytest.fixture
def settled(panel, wait_until):
    """Wait until all work is done, and return the message."""

    def wait() -> str:
        wait_until(lambda: at_rest(panel) and not panel.tasks.title, 20)
        return panel.ui.statusLabel.text

    return wait


def click(panel, scene, button, point_lps) -> None:
    """Press a button that waits for a click, and click in a view, as Slicer's markups do it."""
    button.click()
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    node = scene.GetNodeByID(
        scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetActivePlaceNodeID()
    )
    node.AddControlPointWorld(-point_lps[0], -point_lps[1], point_lps[2])
    assert scene.IsNodePresent(node)  # Slicer has not done with it yet
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def fiducials(scene) -> int:
    return scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode")


@pytest.fixture
def proposed(panel, scene, drawn, settled):
    """The panel with a proposed outline beside the segment that there was."""
    click(panel, scene, panel.ui.segmentButton, MIDDLE)
    assert settled() == "Check the proposed outline: accept, refine or discard it."
    return panel


def test_a_point_gives_an_outline_that_can_be_accepted(proposed, scene, drawn, settled):
    panel, segmentation, state = proposed, drawn[1], proposed.context.state
    assert fiducials(scene) == 0
    assert not panel.ui.segmentButton.checked
    assert panel.ui.proposalFrame.visible
    assert panel.ui.proposalLabel.text.startswith("Proposed outline: ")
    assert panel.crop.crop.mask_volume_ml == pytest.approx(3.05, rel=0.2)  # of the ball
    ids = segment_ids(segmentation)
    assert state.segment == ids[-1] != drawn[2]
    panel.ui.acceptButton.click()
    settled()
    segment = segmentation.GetSegmentation().GetSegment(ids[-1])
    assert (segment.GetName(), segment_ids(segmentation)) == ("tumour 2", ids)
    assert not panel.ui.proposalFrame.visible


def test_refining_opens_the_editor_on_the_proposed_segment(proposed, settled):
    proposed.ui.refineButton.click()
    settled()
    editor, state = proposed.ui.segmentEditor, proposed.context.state
    assert not proposed.ui.editorSection.collapsed
    assert not proposed.ui.proposalFrame.visible
    assert editor.segmentationNode() is state.segmentation
    assert editor.sourceVolumeNode() is state.ct
    assert (editor.currentSegmentID(), editor._effect) == (state.segment, "Paint")


def test_discarding_removes_only_the_proposal(proposed, drawn, settled):
    proposed.ui.discardButton.click()
    settled()
    assert segment_ids(drawn[1]) == [drawn[2]]
    assert (proposed.context.state.segment, proposed.ui.proposalFrame.visible) == (
        drawn[2],
        False,
    )


def test_another_segmentation_is_not_taken_for_the_proposal(proposed, scene, drawn, settled):
    """Slicer's segment IDs are of their segmentation: the same ID may stand for another segment."""
    import LungSquadLib.mrml as lsm

    other = lsm.add_segmentation(scene, drawn[0], name="Other")
    for _ in range(2):
        lsm.add_segment(other, ball_images(radius=5.0)[1])
    segment_id = segment_ids(drawn[1])[-1]
    inside = other.GetSegmentation()
    segment = inside.GetSegment(segment_ids(other)[-1])
    inside.RemoveSegment(segment_ids(other)[-1])
    inside.AddSegment(segment, segment_id)
    proposed.tumour.choose(other, segment_id)
    settled()
    assert not proposed.ui.proposalFrame.visible
    proposed.tumour.choose(drawn[1], segment_id)
    settled()
    assert proposed.ui.proposalFrame.visible


def test_a_new_click_takes_the_place_of_the_last(proposed, scene, drawn, settled):
    before = segment_ids(drawn[1])
    click(proposed, scene, proposed.ui.segmentButton, MIDDLE)
    settled()
    assert len(segment_ids(drawn[1])) == len(before)


def test_a_click_in_air_is_a_sentence(panel, scene, drawn, settled):
    click(panel, scene, panel.ui.segmentButton, (-28.0, 14.0, 110.0))
    sentence = settled()
    assert sentence.endswith(".")
    assert "fault" not in sentence
    assert "Look at" not in sentence
    assert segment_ids(drawn[1]) == [drawn[2]]
    assert fiducials(scene) == 0
    assert panel.context.state.segment == drawn[2]


@pytest.mark.parametrize("name", ["segmentButton", "moveCropButton"])
def test_leaving_place_mode_without_a_click_ends_the_waiting(name, panel, scene, settled):
    button = getattr(panel.ui, name)
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    for end in (
        lambda: interaction.SetCurrentInteractionMode(interaction.ViewTransform),
        button.click,
        panel.leave,
    ):
        button.click()
        assert button.checked
        assert fiducials(scene) == 1
        end()
        settled()
        assert not button.checked
        assert fiducials(scene) == 0
        assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


# Importing


def choose(panel, gui, path) -> None:
    gui.file_answers.append(str(path))
    panel.ui.importMaskButton.click()


def mask_file(path, *, labels=1, moved=(0.0, 0.0, 0.0), radius=6.0):
    mask = ball_images(radius=radius)[1]
    voxels = sitk.GetArrayFromImage(mask)
    if labels == 2:
        voxels[: len(voxels) // 2] *= 2
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(mask)
    image.SetOrigin(np.add(image.GetOrigin(), moved).tolist())
    sitk.WriteImage(image, str(path))
    return path


def test_a_file_with_one_outline_is_imported(panel, gui, drawn, settled, tmp_path):
    choose(panel, gui, mask_file(tmp_path / "mask.nrrd"))
    assert settled().startswith("The outline is imported.")
    assert len(segment_ids(drawn[1])) == 2
    assert not panel.ui.roiFrame.visible
    assert panel.crop.crop.mask_volume_ml == pytest.approx(0.9, rel=0.1)


def test_of_a_file_with_several_outlines_one_is_chosen(panel, gui, drawn, settled, tmp_path):
    choose(panel, gui, mask_file(tmp_path / "mask.nrrd", labels=2))
    assert settled().startswith("The file holds several outlines")
    assert panel.ui.roiFrame.visible
    assert panel.ui.roiSelector.count == 2
    assert segment_ids(drawn[1]) == [drawn[2]]
    panel.ui.roiSelector.currentIndex = 1
    panel.ui.importRoiButton.click()
    assert settled().startswith("The outline is imported.")
    assert not panel.ui.roiFrame.visible
    assert panel.crop.crop.mask_volume_ml == pytest.approx(0.32, rel=0.1)  # the lower part


def test_a_broken_file_and_another_patients_mask_are_sentences(
    panel, gui, drawn, settled, tmp_path
):
    broken, far = tmp_path / "broken.nrrd", tmp_path / "far.nrrd"
    broken.write_bytes(b"NRRD0004\nnonsense")
    mask_file(far, moved=(900.0, 0.0, 0.0))
    messages = []
    for path in (broken, far):
        choose(panel, gui, path)
        messages.append(settled())
        assert "fault" not in messages[-1]
        assert messages[-1].endswith(".")
        assert segment_ids(drawn[1]) == [drawn[2]]
        assert panel.context.state.segment == drawn[2]
    assert "broken.nrrd" in messages[0]
    assert messages[0] != messages[1]


def second_ct(scene):
    import LungSquadLib.mrml as lsm

    return lsm.add_volume(scene, ball_images()[0], name="Second CT")


def test_an_outline_goes_into_a_segmentation_of_its_own_ct(
    panel, gui, scene, drawn, settled, tmp_path
):
    second = second_ct(scene)
    panel.ui.ctSelector.setCurrentNode(second)
    settled()
    choose(panel, gui, mask_file(tmp_path / "mask.nrrd"))
    assert settled().startswith("The outline is imported.")
    state = panel.context.state
    assert state.segmentation is not drawn[1]
    assert segment_ids(drawn[1]) == [drawn[2]]
    role = state.segmentation.GetReferenceImageGeometryReferenceRole()
    assert state.segmentation.GetNodeReference(role) is second


def test_an_outline_of_a_ct_that_is_not_chosen_any_more_is_not_imported(
    panel, gui, scene, drawn, wait_until, settled, tmp_path
):
    second = second_ct(scene)
    choose(panel, gui, mask_file(tmp_path / "mask.nrrd"))
    wait_until(lambda: panel.tasks.fraction >= 0.5)
    panel.ui.ctSelector.setCurrentNode(second)
    assert settled().startswith("Another CT was chosen meanwhile")
    assert segment_ids(drawn[1]) == [drawn[2]]


# Drawing


def test_a_drawn_segment_is_coded_and_its_crop_appears_with_its_voxels(
    panel, scene, drawn, settled, wait_until
):
    import slicer
    from vtkmodules.vtkCommonCore import reference

    from LungSquadLib.mrml.segments import NEOPLASM_OF_LUNG

    panel.ui.drawButton.click()
    settled()
    state = panel.context.state
    inside = state.segmentation.GetSegmentation()
    segment = inside.GetSegment(state.segment)
    assert segment.HasTag(segment.GetTerminologyEntryTagName())
    tag = reference("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    assert str(tag) == NEOPLASM_OF_LUNG
    role = state.segmentation.GetReferenceImageGeometryReferenceRole()
    assert state.segmentation.GetNodeReference(role) is drawn[0]
    assert panel.crop.crop is None
    assert "is empty. Draw the tumour" in panel.ui.cropHint.text
    assert panel.ui.segmentEditor.currentSegmentID() == state.segment
    volume = drawn[0]
    voxels = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    voxels[18:22, 50:60, 40:50] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        voxels, state.segmentation, state.segment, volume
    )
    wait_until(lambda: panel.crop.crop is not None)
    assert panel.crop.crop.mask_volume_ml == pytest.approx(400 * 0.8 * 0.7 * 2.5 / 1000)
    settled()
    assert panel.ui.predictionFrame.enabled


# The crop


def test_crop_box_and_size_measurement_lie_on_the_tumour(panel, settled):
    state = panel.context.state
    x, y, z = panel.crop.crop.mask_centre_of_mass_lps
    assert state.crop_box.GetCenterWorld() == pytest.approx((-x, -y, z), abs=0.51)
    assert state.crop_box.GetSize() == pytest.approx((64.0, 64.0, 64.0))
    assert state.size_measurement.GetNumberOfControlPoints() == 2
    ends = [
        np.array(state.size_measurement.GetNthControlPointPositionWorld(number))
        for number in (0, 1)
    ]
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(18.0, abs=1.0)
    assert np.mean(ends, axis=0) == pytest.approx((-x, -y, z), abs=3.0)


def test_the_t_stage_follows_the_tumour_and_the_edition(panel, scene, drawn, settled):
    import LungSquadLib.mrml as lsm

    ui = panel.ui
    assert "T1b by size (8th edition" in ui.stageLabel.text or "T1b, on" in ui.stageLabel.text
    assert "invasion" in ui.stageLabel.text
    ui.editionSelector.setCurrentText("7")
    settled()
    assert (panel.context.state.edition, "7th edition" in ui.stageLabel.text) == ("7", True)
    assert "T1a" in ui.stageLabel.text
    segment = lsm.add_segment(drawn[1], ball_images(radius=17.0)[1])
    panel.tumour.choose(drawn[1], segment)
    settled()
    assert "T2a" in ui.stageLabel.text
    panel.context.state.segment = ""
    settled()
    assert not ui.stageLabel.visible


def test_the_crop_is_moved_and_centred_again(panel, scene, settled):
    state = panel.context.state
    before = state.crop_box.GetCenterWorld()
    assert not panel.ui.centreCropButton.enabled
    point = (MIDDLE[0] + 12.0, MIDDLE[1] - 7.0, MIDDLE[2] + 5.0)
    click(panel, scene, panel.ui.moveCropButton, point)
    settled()
    assert state.crop_box.GetCenterWorld() == pytest.approx(
        (-point[0], -point[1], point[2]), abs=0.51
    )
    assert panel.crop.crop.flags
    assert "centre" in panel.ui.cropFlags.text
    panel.ui.centreCropButton.click()
    settled()
    assert state.crop_box.GetCenterWorld() == pytest.approx(before)
    assert not panel.ui.centreCropButton.enabled


def test_crop_box_and_size_measurement_are_shown_and_hidden(panel, settled):
    state, ui = panel.context.state, panel.ui
    for box in (ui.showCropBoxCheckBox, ui.showSizeMeasurementCheckBox):
        node = state.crop_box if box is ui.showCropBoxCheckBox else state.size_measurement
        for shown in (False, True):
            box.click()
            settled()
            assert bool(node.GetDisplayNode().GetVisibility()) == shown
    state.segment = ""
    settled()
    assert not state.crop_box.GetDisplayNode().GetVisibility()  # without a tumour there is nothing
