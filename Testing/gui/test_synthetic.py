"""Synthetic images in the panel: generated, shown, added to the scene; never a patient's."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from ..slice_samples import write_generator
from .conftest import at_rest, file_names


@pytest.fixture(scope="session")
def generators(tmp_path_factory):
    """A folder with a generator that knows conditions."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    folder = tmp_path_factory.mktemp("generators")
    write_generator(folder / "generator.safetensors", resolution=64, conditions=("LUAD", "LUSC"))
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
    """Press a button of the section and wait for the message at the end."""

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
    assert panel.ui.syntheticHint.text.startswith("No model that generates images is installed.")
    assert not panel.ui.syntheticFrame.enabled
    assert panel.ui.inpaintingHint.text == "No inpainting model is installed."


def test_generated_images_are_marked_as_synthetic(generating, press, temporary):
    ui = generating.ui
    assert (
        press(ui.generateButton)
        == "The images are generated. They are synthetic and show no patient."
    )
    assert ui.imageList.count == 16
    first = pictures(ui.imageList)
    assert len(set(first)) == 16
    assert "of no patient, not for diagnosis" in ui.imageLabel.text
    assert "Random weights: it means nothing." in ui.imageLabel.text
    assert ui.imageLabel.text.endswith("Sample generator, seed 0:")
    assert file_names(temporary) == []
    assert ui.seedBox.value == 1
    press(ui.generateButton)
    assert not set(pictures(ui.imageList)) & set(first)
    ui.seedBox.value, ui.countBox.value = 0, 5
    press(ui.generateButton)
    assert pictures(ui.imageList) == first[:5]
    ui.seedBox.value, ui.truncationSlider.value = 0, 0.3
    press(ui.generateButton)
    assert not set(pictures(ui.imageList)) & set(first)


def test_a_condition_of_the_model_can_be_asked_for(generating, press):
    ui = generating.ui
    names = [ui.conditionSelector.itemText(n) for n in range(ui.conditionSelector.count)]
    assert names == ["any", "luad", "lusc"]
    ui.conditionSelector.currentIndex = 2
    generating.enter()  # looking at the models again takes no choice away
    assert ui.conditionSelector.currentData == "LUSC"
    press(ui.generateButton)
    images = generating.synthetic._images.described["images"]
    assert {image["label"] for image in images} == {"LUSC"}


def test_more_like_this_are_neighbours_of_what_is_seen(generating, press, wait_until):
    ui, section = generating.ui, generating.synthetic
    ui.countBox.value, ui.seedBox.value = 4, 7
    press(ui.generateButton)
    assert not ui.similarButton.enabled
    before = np.stack([hu for hu, _ in section._images.slices]).astype(float)
    ui.imageList.currentRow = 2
    ui.seedBox.value, ui.truncationSlider.value = 99, 0.5  # of the next draw
    wait_until(lambda: at_rest(generating))
    press(ui.similarButton)
    after = np.stack([hu for hu, _ in section._images.slices]).astype(float)
    distances = [[np.square(a - b).mean() for b in before] for a in after]
    assert np.argmin(distances, axis=1).tolist() == [2] * 4
    assert ui.imageLabel.text.endswith("seed 7, similar to image 2:")
    ui.imageList.currentRow = 1
    wait_until(lambda: at_rest(generating))
    assert (
        not ui.similarButton.enabled
    )  # similar images are requested by number, and these are similar ones


def test_an_image_is_added_to_the_scene_outside_all_patients(
    generating, press, drawn, scene, wait_until
):
    import slicer

    from LungSquadLib.mrml.results import is_result
    from LungSquadLib.mrml.volumes import image_of_volume

    ui, section = generating.ui, generating.synthetic
    press(ui.generateButton)
    assert not ui.loadImageButton.enabled
    for number in (3, 5):
        ui.imageList.currentRow = number
        wait_until(lambda: at_rest(generating))
        message = press(ui.loadImageButton)
    name = "Synthetic: Sample generator, seed 0, image 5"
    assert message == f"Added to the scene as '{name}', outside the patient: see the module Data."
    volume = scene.GetFirstNodeByName(name)
    image = image_of_volume(volume)
    assert image.GetSpacing() == (1.0, 1.0, 1.0)
    hu, mask = list(section._images.slices)[5]
    assert np.array_equal(sitk.GetArrayViewFromImage(image)[0], hu)
    display = volume.GetDisplayNode()
    assert (display.GetLevel(), display.GetWindow()) == (-600.0, 1500.0)
    assert "of no patient, not for diagnosis" in volume.GetDescription()
    outline = scene.GetFirstNodeByName(f"{name}: tumour")
    segment = outline.GetSegmentation().GetNthSegmentID(0)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(outline, segment, volume)
    assert np.array_equal(array[0], mask)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = {
        tree.GetItemParent(tree.GetItemByDataNode(scene.GetFirstNodeByName(f"{node_name}{what}")))
        for node_name in (name, name.replace("5", "3"))
        for what in ("", ": tumour")
    }
    (folder,) = folders
    assert tree.GetItemName(folder) == "Synthetic, not from a patient"
    assert tree.GetItemParent(folder) == tree.GetSceneItemID()
    assert is_result(volume)
    assert is_result(outline)


def test_a_synthetic_image_cannot_be_chosen_for_a_prediction(
    generating, press, drawn, scene, wait_until
):
    ui = generating.ui
    press(ui.generateButton)
    ui.imageList.currentRow = 0
    wait_until(lambda: at_rest(generating))
    press(ui.loadImageButton)
    name = "Synthetic: Sample generator, seed 0, image 0"
    outline = scene.GetFirstNodeByName(f"{name}: tumour")
    state = generating.context.state
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

    from LungSquadLib.imaging.slices import axial_slices
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
    assert not set(shown[0]) & set(pictures(ui.imageList))
    generating.context.state.segment = ""
    settled()
    assert ui.realList.isHidden()
    assert ui.realHint.text == "Outline the tumour first."
    generating.context.state.segment = drawn[2]
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
    requests = []
    monkeypatch.setattr(
        generating.worker, "request", lambda *request: requests.append(request) or 7
    )
    ui.generateButton.click()
    wait_until(lambda: requests)
    scene.Clear(0)
    wait_until(lambda: at_rest(generating))
    assert ui.statusLabel.text == "The scene was closed, so this was stopped: Generating images."
    assert ui.realList.isHidden()
    assert ui.realHint.text == "Choose or load a CT first."
    assert ui.imageList.count == 16  # of nobody, and of no scene
    assert file_names(temporary) == []
    ui.imageList.currentRow = 4
    wait_until(lambda: at_rest(generating))
    assert press(ui.loadImageButton).startswith(
        "Added to the scene as 'Synthetic: Sample generator"
    )


REFUSED = {
    "condition": ({"label": "SCLC"}, "has no condition 'SCLC'"),
    "truncation": ({"truncation": 0.0}, "The truncation must be above 0"),
    "model": ({"model": "/gone.safetensors"}, "gone.safetensors"),
    "number": ({"n": 101}, "'n' must be a whole number from 1 to 100"),
}


def test_a_refused_request_is_reported_and_nothing_is_shown(generating, generators, wait_until):
    for changes, message in REFUSED.values():
        request = {"model": str(generators / "generator.safetensors"), "n": 2, "seed": 0, **changes}
        generating.synthetic._start(request)
        wait_until(lambda: at_rest(generating))
        assert message in generating.ui.statusLabel.text
        assert generating.ui.imageFrame.isHidden()
