"""Inpainting in the panel: the synthetic tumour is in a new volume, the CT stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from .conftest import at_rest, file_names


@pytest.fixture(scope="session")
def inpainters(tmp_path_factory):
    """A folder with a model that paints, which knows classes."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..inpainters import write_inpainter

    folder = tmp_path_factory.mktemp("inpainters")
    write_inpainter(folder / "painter.safetensors", classes=("LUAD", "LUSC"))
    return folder


@pytest.fixture
def panel(panel, inpainters, working_here, monkeypatch, wait_until):
    """The panel on the ball's CT, with a model that paints."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(inpainters))
    panel.enter()
    wait_until(lambda: at_rest(panel))
    return panel


@pytest.fixture
def inpaint(panel, wait_until):
    """Press the button and wait for the message at the end."""

    def press() -> str:
        assert panel.ui.inpaintButton.enabled
        panel.ui.inpaintButton.click()
        wait_until(lambda: at_rest(panel), 60)
        return panel.ui.statusLabel.text

    return press


def test_the_synthetic_tumour_is_in_a_new_volume(panel, inpaint, drawn, scene, temporary):
    import slicer

    from LungSquadLib.mrml.results import is_result
    from LungSquadLib.mrml.volumes import ct_of_volume, voxel_array

    ui, volume = panel.ui, drawn[0]
    before = voxel_array(volume.GetImageData(), "CT").copy()
    ui.huBox.value = -60
    ui.inpaintingClassSelector.currentIndex = 2
    assert inpaint() == "The synthetic tumour is in a new volume. The patient's CT is unchanged."
    assert np.array_equal(voxel_array(volume.GetImageData(), "CT"), before)
    node = scene.GetFirstNodeByName("Synthetic tumour in CT")
    assert ct_of_volume(node).grid == ct_of_volume(volume).grid
    after = voxel_array(node.GetImageData(), "inpainted")
    marked = slicer.util.arrayFromSegmentBinaryLabelmap(drawn[1], drawn[2], volume) != 0
    assert after[marked].mean() == pytest.approx(-60, abs=0.5)
    changed, inside = np.argwhere(after != before), np.argwhere(marked)
    band = np.ceil(6 / np.array(volume.GetSpacing()[::-1]))  # mm, as voxels (z, y, x)
    assert len(changed) > len(inside) / 2
    assert (changed.min(axis=0) >= inside.min(axis=0) - band).all()
    assert (changed.max(axis=0) <= inside.max(axis=0) + band).all()
    assert is_result(node)
    assert node.GetDescription().startswith("Synthetic: a computer generated this tumour.")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = tree.GetItemParent(tree.GetItemByDataNode(node))
    assert tree.GetItemName(folder) == "Synthetic, not from a patient"
    assert panel.context.state.ct is volume
    assert "Requested: mean -60 HU, diameter 1" in ui.inpaintedLabel.text
    assert "must not be used for the care of anybody" in ui.inpaintedLabel.text
    assert not ui.comparisonPicture.pixmap.isNull()
    assert file_names(temporary) == ["ct.mha"]  # the copy


def test_it_is_shown_over_the_ct_and_hidden_again(panel, inpaint, scene, wait_until):
    import slicer

    inpaint()
    ui, node = panel.ui, scene.GetFirstNodeByName("Synthetic tumour in CT")
    layer = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert layer.GetForegroundVolumeID() != node.GetID()
    for shown in (True, False):
        ui.overlayButton.click()
        wait_until(lambda: at_rest(panel))
        assert ui.overlayButton.checked == shown
        assert (layer.GetForegroundVolumeID() == node.GetID()) == shown
    ui.overlayButton.click()
    slicer.util.setSliceViewerLayers(foreground=None)  # by somebody else
    panel.refresh()
    wait_until(lambda: at_rest(panel))
    assert not ui.overlayButton.checked
    scene.RemoveNode(node)
    wait_until(lambda: at_rest(panel))
    assert ui.inpaintedFrame.isHidden()


def test_without_a_choice_the_median_of_the_training_is_requested(panel, inpaint, wait_until):
    ui = panel.ui
    assert (ui.huBox.text, ui.huBox.maximum) == ("median", 500)
    names = [
        ui.inpaintingClassSelector.itemText(n) for n in range(ui.inpaintingClassSelector.count)
    ]
    assert names == ["any", "luad", "lusc"]
    inpaint()
    assert "Requested: mean -20 HU" in ui.inpaintedLabel.text
    panel.context.state.segment = ""
    wait_until(lambda: at_rest(panel))
    assert ui.inpaintingHint.text == "Outline the tumour first."
    assert not ui.inpaintingFrame.enabled


# The message when this happens while the worker is busy.
INTERRUPTIONS = {
    "cancel": "Cancelled.",
    "close": "The scene was closed, so this was stopped: Inpainting a synthetic tumour.",
    "ct": "'CT' was removed, so this was stopped: Inpainting a synthetic tumour.",
    "segmentation": "'Outlines' was removed, so this was stopped: Inpainting a synthetic tumour.",
}


@pytest.mark.parametrize("how", INTERRUPTIONS)
def test_an_interruption_is_reported_and_leaves_nothing(
    how, panel, drawn, scene, wait_until, temporary, monkeypatch
):
    requests, cancelled = [], []
    monkeypatch.setattr(panel.worker, "request", lambda *request: requests.append(request) or 7)
    monkeypatch.setattr(panel.worker, "cancel", cancelled.append)
    panel.ui.inpaintButton.click()
    wait_until(lambda: requests)
    assert not panel.ui.generateButton.enabled
    if how == "cancel":
        panel.ui.cancelButton.click()
    elif how == "close":
        scene.Clear(0)
    else:
        scene.RemoveNode(drawn[0] if how == "ct" else drawn[1])
    wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text == INTERRUPTIONS[how]
    assert cancelled == [7]
    assert scene.GetFirstNodeByName("Synthetic tumour in CT") is None
    assert file_names(temporary) == ["ct.mha"]


def test_a_mask_that_is_too_large_is_reported(panel, inpaint, monkeypatch):
    from LungSquadLib.inference import inpaint_ct as synthesis

    monkeypatch.setattr(synthesis, "LARGEST_SIDE", 8)
    assert "Choose a smaller mask" in inpaint()
    assert panel.ui.inpaintedFrame.isHidden()
