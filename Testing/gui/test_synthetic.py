"""The section "Generated images": drawn, looked at, taken into the scene; never a patient's."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from ..slice_samples import write_generator
from .conftest import at_rest


@pytest.fixture(scope="session")
def generators(tmp_path_factory):
    """A folder with a generator that knows conditions."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    folder = tmp_path_factory.mktemp("generators")
    write_generator(folder / "one.safetensors", resolution=64, conditions=("LUAD", "LUSC"))
    return folder


@pytest.fixture
def generating(panel, generators, working_here, monkeypatch, wait_until):
    """The panel on the ball's CT, with a generator."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(generators))
    panel.enter()
    wait_until(lambda: at_rest(panel))
    return panel


@pytest.fixture
def press(generating, wait_until):
    """Press a button of the section and wait for what is said in the end."""

    def press(button) -> str:
        assert button.enabled, button.objectName
        button.click()
        wait_until(lambda: at_rest(generating))
        return generating.ui.statusLabel.text

    return press


def pictures(widget) -> list[bytes]:
    """What the items of a list show."""
    import qt

    size = qt.QSize(64, 64)
    images = [widget.item(n).icon().pixmap(size).toImage() for n in range(widget.count)]
    return [bytes(image.constBits()) for image in images]


def test_without_a_generator_the_section_says_where_models_lie(panel, wait_until):
    wait_until(lambda: at_rest(panel))
    assert panel.ui.generatedHint.text.startswith("No model that generates images is installed.")
    assert not panel.ui.generatedFrame.enabled
    assert panel.ui.paintingHint.text == "No model that paints a tumour into a CT is installed."


def test_images_are_made_up_and_said_to_be(generating, press, temporary):
    ui = generating.ui
    assert press(ui.generateButton) == "Done. These images are of no patient."
    assert ui.madeUpList.count == 16
    first = pictures(ui.madeUpList)
    assert len(set(first)) == 16
    assert "an image of no patient, not for diagnosis" in ui.madeUpLabel.text
    assert "Random weights: it means nothing." in ui.madeUpLabel.text
    assert ui.madeUpLabel.text.endswith("Sample generator, draw 0:")
    assert [one for one in temporary.rglob("*") if one.is_file()] == []
    assert ui.drawBox.value == 1
    press(ui.generateButton)
    assert not set(pictures(ui.madeUpList)) & set(first)
    ui.drawBox.value, ui.countBox.value = 0, 5
    press(ui.generateButton)
    assert pictures(ui.madeUpList) == first[:5]
    ui.drawBox.value, ui.varietySlider.value = 0, 0.3
    press(ui.generateButton)
    assert not set(pictures(ui.madeUpList)) & set(first)


def test_a_condition_of_the_model_can_be_asked_for(generating, press):
    ui = generating.ui
    names = [ui.conditionSelector.itemText(n) for n in range(ui.conditionSelector.count)]
    assert names == ["any", "luad", "lusc"]
    ui.conditionSelector.currentIndex = 2
    generating.enter()  # looking at the models again takes no choice away
    assert ui.conditionSelector.currentData == "LUSC"
    press(ui.generateButton)
    images = generating.generated._made.described["images"]
    assert {one["label"] for one in images} == {"LUSC"}


def test_more_like_this_are_neighbours_of_what_is_seen(generating, press, wait_until):
    ui, section = generating.ui, generating.generated
    ui.countBox.value, ui.drawBox.value = 4, 7
    press(ui.generateButton)
    assert not ui.likeButton.enabled
    before = np.stack([hu for hu, _ in section._made.slices]).astype(float)
    ui.madeUpList.currentRow = 2
    ui.drawBox.value, ui.varietySlider.value = 99, 0.5  # of the next draw
    wait_until(lambda: at_rest(generating))
    press(ui.likeButton)
    after = np.stack([hu for hu, _ in section._made.slices]).astype(float)
    far = [[np.square(one - other).mean() for other in before] for one in after]
    assert np.argmin(far, axis=1).tolist() == [2] * 4
    assert ui.madeUpLabel.text.endswith("draw 7, neighbours of image 2:")
    ui.madeUpList.currentRow = 1
    wait_until(lambda: at_rest(generating))
    assert not ui.likeButton.enabled  # an image has neighbours by its number, and these have none


def test_an_image_comes_into_the_scene_as_nobodys(generating, press, drawn, scene, wait_until):
    import slicer

    from LungSquadLib.mrml.results import is_result
    from LungSquadLib.mrml.volumes import image_of_volume

    ui, section = generating.ui, generating.generated
    press(ui.generateButton)
    assert not ui.loadMadeUpButton.enabled
    for number in (3, 5):
        ui.madeUpList.currentRow = number
        wait_until(lambda: at_rest(generating))
        said = press(ui.loadMadeUpButton)
    name = "Made up: Sample generator, draw 0, image 5"
    assert said == f"In the scene as '{name}', apart from the patient: see the module Data."
    volume = scene.GetFirstNodeByName(name)
    image = image_of_volume(volume)
    assert image.GetSpacing() == (1.0, 1.0, 1.0)
    hu, mask = list(section._made.slices)[5]
    assert np.array_equal(sitk.GetArrayViewFromImage(image)[0], hu)
    display = volume.GetDisplayNode()
    assert (display.GetLevel(), display.GetWindow()) == (-600.0, 1500.0)
    assert "an image of no patient" in volume.GetDescription()
    outline = scene.GetFirstNodeByName(f"{name}: tumour")
    segment = outline.GetSegmentation().GetNthSegmentID(0)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(outline, segment, volume)
    assert np.array_equal(array[0], mask)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = {
        tree.GetItemParent(tree.GetItemByDataNode(scene.GetFirstNodeByName(f"{one}{what}")))
        for one in (name, name.replace("5", "3"))
        for what in ("", ": tumour")
    }
    (folder,) = folders
    assert tree.GetItemName(folder) == "Made up, of no patient"
    assert tree.GetItemParent(folder) == tree.GetSceneItemID()
    assert is_result(volume)
    assert is_result(outline)


def test_nobody_predicts_on_what_is_made_up(generating, press, drawn, scene, wait_until):
    ui = generating.ui
    press(ui.generateButton)
    ui.madeUpList.currentRow = 0
    wait_until(lambda: at_rest(generating))
    press(ui.loadMadeUpButton)
    name = "Made up: Sample generator, draw 0, image 0"
    outline = scene.GetFirstNodeByName(f"{name}: tumour")
    state = generating.current_state()
    ui.segmentSelector.setCurrentNode(outline)
    wait_until(lambda: at_rest(generating))
    assert (state.segmentation, state.segment) == (None, "")
    ui.ctSelector.setCurrentNode(scene.GetFirstNodeByName(name))
    wait_until(lambda: at_rest(generating))
    assert state.ct is None
    for node in drawn[:2]:
        scene.RemoveNode(node)
    generating.enter()
    wait_until(lambda: at_rest(generating))
    assert (state.ct, state.segmentation) == (None, None)


def test_real_slices_are_the_patients_and_follow_the_outline(generating, press, drawn, wait_until):
    import slicer

    from LungSquadLib.imaging.axial import axial_slices
    from LungSquadLib.mrml.segments import LABEL_MAP, mask_on_ct
    from LungSquadLib.mrml.volumes import ct_of_volume, voxel_array

    ui, shown = generating.ui, []

    def settled():
        wait_until(lambda: at_rest(generating))

    press(ui.generateButton)
    assert ui.realList.isHidden()
    ui.realCheckBox.checked = True
    settled()
    ct = ct_of_volume(drawn[0])
    mask = mask_on_ct(drawn[1], drawn[2], drawn[0], ct)
    real = axial_slices(ct, mask, context="tumour", pixels=64, pixel_mm=1.0)
    assert ui.realList.count == min(len(real.hu), 16)
    assert "Real slices of this patient" in ui.realHint.text
    shown.append(pictures(ui.realList))
    assert not set(shown[0]) & set(pictures(ui.madeUpList))
    generating.current_state().segment = ""
    settled()
    assert ui.realList.isHidden()
    assert ui.realHint.text == "Outline the tumour first."
    generating.current_state().segment = drawn[2]
    wait_until(lambda: not ui.realList.isHidden() and at_rest(generating))
    assert pictures(ui.realList) == shown[0]
    image = drawn[1].GetSegmentation().GetSegment(drawn[2]).GetRepresentation(LABEL_MAP)
    voxel_array(image, "tumour")[:2] = 0
    drawn[1].GetSegmentation().InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
    settled()
    assert 0 < ui.realList.count < len(shown[0])
    ui.realCheckBox.checked = False
    settled()
    assert ui.realList.isHidden()


def test_a_scene_that_closes_stops_the_work_and_leaves_what_was_shown(
    generating, press, scene, wait_until, temporary, monkeypatch
):
    ui = generating.ui
    press(ui.generateButton)
    ui.realCheckBox.checked = True
    wait_until(lambda: at_rest(generating) and not ui.realList.isHidden())
    asked = []
    monkeypatch.setattr(generating.worker, "ask", lambda *one: asked.append(one) or 7)
    ui.generateButton.click()
    wait_until(lambda: asked)
    scene.Clear(0)
    wait_until(lambda: at_rest(generating))
    assert ui.statusLabel.text == "The scene was closed, so this was stopped: Making up images."
    assert ui.realList.isHidden()
    assert ui.realHint.text == "Choose or load a CT first."
    assert ui.madeUpList.count == 16  # of nobody, and of no scene
    assert [one for one in temporary.rglob("*") if one.is_file()] == []
    ui.madeUpList.currentRow = 4
    wait_until(lambda: at_rest(generating))
    assert press(ui.loadMadeUpButton).startswith("In the scene as 'Made up: Sample generator")


REFUSED = {
    "condition": ({"label": "SCLC"}, "does not know 'SCLC'"),
    "truncation": ({"truncate": 0.0}, "The truncation must be above 0"),
    "model": ({"model": "/gone.safetensors"}, "gone.safetensors"),
    "number": ({"n": 101}, "'n' must be a whole number from 1 to 100"),
}


def test_what_is_refused_is_said_and_nothing_is_shown(generating, generators, wait_until):
    for changes, said in REFUSED.values():
        asked = {"model": str(generators / "one.safetensors"), "n": 2, "seed": 0, **changes}
        generating.generated._start(asked)
        wait_until(lambda: at_rest(generating))
        assert said in generating.ui.statusLabel.text
        assert generating.ui.madeUpFrame.isHidden()
