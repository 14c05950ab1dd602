"""A tumour painted into the CT from the panel: a new volume, and the patient's as it was."""

from __future__ import annotations

import numpy as np
import pytest

from .conftest import at_rest


@pytest.fixture(scope="session")
def inpainters(tmp_path_factory):
    """A folder with a model that paints, which knows classes."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..inpainters import write_inpainter

    folder = tmp_path_factory.mktemp("inpainters")
    write_inpainter(folder / "painter.safetensors", classes=("LUAD", "LUSC"))
    return folder


@pytest.fixture
def painting(panel, inpainters, working_here, monkeypatch, wait_until):
    """The panel on the ball's CT, with a model that paints."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(inpainters))
    panel.enter()
    wait_until(lambda: at_rest(panel))
    return panel


@pytest.fixture
def paint(painting, wait_until):
    """Press the button and wait for what is said in the end."""

    def press() -> str:
        assert painting.ui.inpaintButton.enabled
        painting.ui.inpaintButton.click()
        wait_until(lambda: at_rest(painting), 60)
        return painting.ui.statusLabel.text

    return press


def test_the_painted_tumour_is_in_a_volume_of_its_own(painting, paint, drawn, scene, temporary):
    import slicer

    from LungSquadLib.mrml.results import is_result
    from LungSquadLib.mrml.volumes import ct_of_volume, voxel_array

    ui, volume = painting.ui, drawn[0]
    before = voxel_array(volume.GetImageData(), "CT").copy()
    ui.huBox.value = -60
    ui.inpaintingClassSelector.currentIndex = 2
    assert paint() == "The synthetic tumour is in a new volume. The patient's CT is unchanged."
    assert np.array_equal(voxel_array(volume.GetImageData(), "CT"), before)
    node = scene.GetFirstNodeByName("Synthetic tumour in CT")
    assert ct_of_volume(node).grid == ct_of_volume(volume).grid
    after = voxel_array(node.GetImageData(), "painted")
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
    assert painting.context.state.ct is volume
    assert "Requested: mean -60 HU, diameter 1" in ui.inpaintedLabel.text
    assert "must not be used for the care of anybody" in ui.inpaintedLabel.text
    assert not ui.comparisonPicture.pixmap.isNull()
    assert [one.name for one in temporary.rglob("*") if one.is_file()] == ["ct.mha"]  # the copy


def test_it_is_laid_over_the_ct_and_taken_off_again(painting, paint, scene, wait_until):
    import slicer

    paint()
    ui, node = painting.ui, scene.GetFirstNodeByName("Synthetic tumour in CT")
    layer = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert layer.GetForegroundVolumeID() != node.GetID()
    for shown in (True, False):
        ui.overlayButton.click()
        wait_until(lambda: at_rest(painting))
        assert ui.overlayButton.checked == shown
        assert (layer.GetForegroundVolumeID() == node.GetID()) == shown
    ui.overlayButton.click()
    slicer.util.setSliceViewerLayers(foreground=None)  # by somebody else
    painting.refresh()
    wait_until(lambda: at_rest(painting))
    assert not ui.overlayButton.checked
    scene.RemoveNode(node)
    wait_until(lambda: at_rest(painting))
    assert ui.inpaintedFrame.isHidden()


def test_what_is_left_open_is_as_usual(painting, paint, wait_until):
    ui = painting.ui
    assert (ui.huBox.text, ui.huBox.maximum) == ("median", 500)
    names = [
        ui.inpaintingClassSelector.itemText(n) for n in range(ui.inpaintingClassSelector.count)
    ]
    assert names == ["any", "luad", "lusc"]
    paint()
    assert "Requested: mean -20 HU" in ui.inpaintedLabel.text
    painting.context.state.segment = ""
    wait_until(lambda: at_rest(painting))
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
def test_what_is_gone_while_it_is_painted_is_said_and_nothing_is_left(
    how, painting, drawn, scene, wait_until, temporary, monkeypatch
):
    asked, forgotten = [], []
    monkeypatch.setattr(painting.worker, "request", lambda *one: asked.append(one) or 7)
    monkeypatch.setattr(painting.worker, "cancel", forgotten.append)
    painting.ui.inpaintButton.click()
    wait_until(lambda: asked)
    assert not painting.ui.generateButton.enabled
    if how == "cancel":
        painting.ui.cancelButton.click()
    elif how == "close":
        scene.Clear(0)
    else:
        scene.RemoveNode(drawn[0] if how == "ct" else drawn[1])
    wait_until(lambda: at_rest(painting))
    assert painting.ui.statusLabel.text == INTERRUPTIONS[how]
    assert forgotten == [7]
    assert scene.GetFirstNodeByName("Synthetic tumour in CT") is None
    assert [one.name for one in temporary.rglob("*") if one.is_file()] == ["ct.mha"]


def test_a_mask_that_is_too_large_is_said(painting, paint, monkeypatch):
    from LungSquadLib.inference import inpaint_ct as synthesis

    monkeypatch.setattr(synthesis, "LARGEST_SIDE", 8)
    assert "Choose a smaller mask" in paint()
    assert painting.ui.inpaintedFrame.isHidden()
