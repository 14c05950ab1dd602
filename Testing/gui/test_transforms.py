"""The crop and the results follow the CT and the outline wherever transforms move them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from ..mrml.nodes import under_transform, under_warp
from .conftest import at_rest

OUT_OF_DATE = "Out of date: the CT, the outline or the crop has changed since. Predict again."


def moved(x: float = 0.0) -> np.ndarray:
    """A shift along the patient's left to right, RAS mm."""
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


@pytest.fixture
def predicted(panel, working_here, wait_until):
    """The panel with a result, which is not out of date."""
    panel.context.state.model = "one"
    wait_until(lambda: at_rest(panel))
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    assert panel.ui.resultFrame.visible, panel.ui.statusLabel.text
    assert not panel.ui.outdatedLabel.visible
    return panel


@pytest.mark.parametrize("which", ["ct", "segmentation"])
def test_a_transform_its_changes_and_its_parents_are_followed(
    which, predicted, drawn, scene, wait_until
):
    """By 1 mm at first: less than a voxel, so that no number of voxels tells of it."""
    panel, node = predicted, drawn[0] if which == "ct" else drawn[1]
    pictures = [panel.crop.crop]
    hashes = {panel.crop.crop.to_dict()["ct_sha256"]}

    def follows():
        wait_until(lambda: panel.crop.crop is not pictures[-1] and at_rest(panel))
        pictures.append(panel.crop.crop)
        hashes.add(panel.crop.crop.to_dict()["ct_sha256"])
        assert panel.ui.outdatedLabel.text == OUT_OF_DATE
        assert panel.ui.outdatedLabel.visible

    under_transform(scene, node, moved(1.0))
    follows()
    transform = node.GetParentTransformNode()
    transform.SetMatrixTransformToParent(matrix(moved(2.0)))
    follows()
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Parent")
    parent.SetMatrixTransformToParent(matrix(moved(3.0)))
    transform.SetAndObserveTransformNodeID(parent.GetID())
    follows()
    parent.SetMatrixTransformToParent(matrix(moved(4.0)))
    follows()
    assert len(hashes) == 5
    node.SetAndObserveTransformNodeID(None)
    wait_until(lambda: panel.crop.crop is not pictures[-1] and at_rest(panel))
    assert not panel.ui.outdatedLabel.visible


def matrix(array):
    from LungSquadLib.mrml.coordinates import matrix_of

    return matrix_of(array)


def test_a_prediction_of_a_moved_ct_is_of_its_place(predicted, drawn, scene, wait_until):
    """What is shown, predicted and kept is one: the crop at the CT's place in the world."""
    import LungSquadLib.mrml as lsm

    panel = predicted
    before = panel.result.stored[0].described["crop"]
    under_transform(scene, drawn[0], moved(10.0))
    wait_until(lambda: at_rest(panel))
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 60)
    assert not panel.ui.outdatedLabel.visible
    (stored,) = panel.result.stored
    crop, size = stored.described["crop"], before["size"][0]
    there = lsm.crop(*drawn, size=size).to_dict()
    assert crop["ct_sha256"] == there["ct_sha256"] != before["ct_sha256"]
    centres = (each["mask_centre_of_mass_lps"] for each in (crop, before))
    assert next(centres) == pytest.approx(next(centres), abs=0.5)  # the outline stayed


def test_a_ct_and_its_outline_that_move_together_are_elsewhere(predicted, drawn, scene, wait_until):
    """Their voxels are the same, but the saliency lies where they were."""
    for node in drawn[:2]:
        under_transform(scene, node, moved(10.0))
    wait_until(lambda: at_rest(predicted) and predicted.ui.outdatedLabel.visible)
    for node in drawn[:2]:
        node.SetAndObserveTransformNodeID(None)
    wait_until(lambda: at_rest(predicted) and not predicted.ui.outdatedLabel.visible)


def test_what_is_out_of_date_is_not_exported(predicted, drawn, scene, wait_until):
    panel = predicted
    under_transform(scene, drawn[0], moved(10.0))
    wait_until(lambda: at_rest(panel))
    panel.ui.dicomButton.click()
    wait_until(lambda: at_rest(panel))
    assert "has changed since the prediction" in panel.ui.statusLabel.text


def test_a_ct_under_a_warp_is_reported_and_works_again_without(panel, drawn, scene, wait_until):
    under_warp(scene, drawn[0])
    wait_until(lambda: panel.crop.crop is None and at_rest(panel))
    assert "'Warped', which is not linear" in panel.ui.cropHint.text
    drawn[0].SetAndObserveTransformNodeID(None)
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))


def test_changes_of_the_ct_itself_are_followed(predicted, drawn, wait_until):
    panel, volume = predicted, drawn[0]
    crop = panel.crop.crop
    volume.SetName("Another name")
    wait_until(lambda: at_rest(panel))
    assert panel.crop.crop is crop
    x, y, z = volume.GetOrigin()
    volume.SetOrigin(x + 1, y, z)
    wait_until(lambda: panel.crop.crop is not crop and at_rest(panel))
    assert panel.ui.outdatedLabel.visible
    volume.SetOrigin(x, y, z)
    wait_until(lambda: at_rest(panel) and not panel.ui.outdatedLabel.visible)
    crop = panel.crop.crop
    volume.GetImageData().Modified()
    wait_until(lambda: panel.crop.crop is not crop and at_rest(panel))
    assert not panel.ui.outdatedLabel.visible  # its voxels are the same


def test_a_key_survives_the_last_digits_of_positions_and_nothing_else(drawn):
    from LungSquadLib.imaging.ct import as_ct
    from LungSquadLib.imaging.masks import as_mask
    from LungSquadLib.mrml.tumour import CaseKey

    from ..samples import ball_images

    image, mask_image = ball_images()

    def key(shift=0.0, hu=0, centre=None):
        ct_image, mask = sitk.Image(image), sitk.Image(mask_image)
        for each in (ct_image, mask):
            x, y, z = each.GetOrigin()
            each.SetOrigin((x + shift, y, z))
        ct = as_ct(ct_image + hu)
        return CaseKey.of(ct, as_mask(mask, ct), centre)

    first = key()
    assert first.matches(key(shift=1e-9))
    assert CaseKey.of_text(first.to_text()) == first
    for other in (key(shift=0.1), key(hu=1), key(centre=(1.0, 2.0, 3.0)), None):
        assert not first.matches(other)
    assert key(centre=(1.0, 2.0, 3.0)).of_outline == first
    for text in ("", "[]", "{}", '["x", [1e999]]', '["x", "y"]', "[1, 2]"):
        assert not first.matches(CaseKey.of_text(text))
