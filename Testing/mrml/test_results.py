"""Results lie beside their CT, say all that belongs to them, and go without a trace."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import slicer

import LungSquadLib as ls
import LungSquadLib.mrml as lsm
from LungSquadLib.errors import ModelError
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.mrml.results import add_crop_box

from ..samples import ball_images
from . import nodes
from .test_volumes import oblique, rotation


@pytest.fixture(scope="module")
def prediction(model_file):
    return ls.predict(*ball_images(), ls.read_model(model_file), device="cpu")


def tree():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def roi_corners(node) -> np.ndarray:
    """The eight corners of an ROI, LPS."""
    matrix = node.GetObjectToWorldMatrix()
    half = np.array(node.GetSize()) / 2
    signs = 2 * np.array(list(np.ndindex(2, 2, 2))) - 1
    points = [matrix.MultiplyPoint((*(half * sign), 1))[:3] for sign in signs]
    return np.array(points) * (-1, -1, 1)


@pytest.mark.parametrize("mirror", [1, -1])
def test_the_crop_box_has_the_crops_corners(scene, mirror):
    image = sitk.Image(60, 50, 40, sitk.sitkInt16)
    image.SetSpacing((0.8, 0.7, 2.5))
    image.SetOrigin((5.5, -20.25, 300.0))
    image.SetDirection((rotation() * (1, 1, mirror)).ravel().tolist())
    mask = image > 0
    mask[20:30, 20:30, 10:20] = 1
    crop = ls.crop(image, mask, size=(32, 24, 17), spacing=1.5)
    node = add_crop_box(scene, crop)
    faces = np.array(list(np.ndindex(2, 2, 2))) * np.array(crop.ct.GetSize()) - 0.5
    expected = Grid.of(crop.ct).to_lps(faces)
    distances = np.linalg.norm(roi_corners(node)[:, None] - expected[None], axis=-1)
    assert distances.min(axis=0).max() < 1e-4  # Slicer keeps an ROI's centre in float32
    assert distances.min(axis=1).max() < 1e-4
    assert node.GetSize() == pytest.approx((48, 36, 25.5))
    assert node.GetObjectToNodeMatrix().Determinant() == pytest.approx(1)


def test_results_lie_beside_their_ct(drawn, prediction):
    volume = drawn[0]
    hierarchy = tree()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "A study")
    item = hierarchy.CreateItem(study, volume)
    shown = lsm.show_prediction(prediction, volume)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(shown.table))
    assert hierarchy.GetItemParent(folder) == hierarchy.GetItemParent(item) == study
    assert hierarchy.GetItemName(folder) == "LungSquad: Sample model"
    for node in (shown.saliency, shown.box):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder


def test_the_saliency_lies_where_the_prediction_has_it(drawn, prediction):
    shown = lsm.show_prediction(prediction, drawn[0])
    back = lsm.image_of_volume(shown.saliency)
    assert Grid.of(back) == Grid.of(prediction.saliency)
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(prediction.saliency))
    display = shown.saliency.GetDisplayNode()
    assert display.GetColorNode() is not None
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() > 0


def test_the_table_holds_the_predictions_numbers(drawn, prediction):
    node = lsm.show_prediction(prediction, drawn[0]).table
    cells = [
        (node.GetCellText(row, 0), node.GetCellText(row, 1))
        for row in range(node.GetNumberOfRows())
    ]
    texts = dict(cells)
    assert cells[0] == ("Notice", "Research software, not a medical device.")
    assert ("Notice", "Random weights: it means nothing.") in cells
    assert texts["Question"] == "Alive at two years?"
    assert texts["Probability of alive"] == f"{prediction.probabilities[1]:.1%}"
    interval, robustness = prediction.interval, prediction.robustness
    assert texts["95% interval of alive"] == f"{interval.low:.1%} to {interval.high:.1%}"
    assert (
        texts[f"Range of alive over {robustness.positions} positions of the crop"]
        == f"{robustness.low:.1%} to {robustness.high:.1%}"
    )
    assert texts["Model SHA-256"] == prediction.model.sha256
    flags = [text for quantity, text in cells if quantity.startswith("Flag, ")]
    assert flags == [flag.sentence for flag in prediction.flags]
    assert flags


def test_removal_leaves_the_scene_as_it_was(scene, drawn, prediction):
    volume = drawn[0]
    tree().CreateItem(tree().GetSceneItemID(), volume)
    before = nodes.contents(scene)
    first, second = (lsm.show_prediction(prediction, volume) for _ in range(2))
    box = lsm.show_crop(prediction.crop, volume)
    assert len(nodes.contents(scene)) > len(before)
    for shown in (first, box, second, second):  # twice does no harm
        shown.remove()
    assert nodes.contents(scene) == before


def test_showing_changes_nothing_else_in_the_scene(scene, drawn, prediction):
    before = nodes.contents(scene)
    lsm.show_prediction(prediction, drawn[0])
    after = iter(nodes.contents(scene))
    for line in before:  # all that was there is, in its order; the hierarchy has one folder more
        assert "SubjectHierarchyItem" in line or line in after, line


def test_all_results_of_a_volume_go_and_those_of_others_stay(scene, drawn, prediction):
    volume = drawn[0]
    other = lsm.add_volume(scene, oblique(), name="other")
    kept = lsm.show_prediction(prediction, other)
    before = nodes.contents(scene)
    lsm.show_prediction(prediction, volume)
    lsm.show_crop(prediction.crop, volume)
    lsm.remove_results(volume)
    assert nodes.contents(scene) == before
    assert scene.IsNodePresent(kept.table)


def test_the_console_predicts_what_the_images_give(drawn, prediction, model_file, scene):
    got = lsm.predict(*drawn, model=model_file, device="cpu")
    assert got.to_dict() == prediction.to_dict()
    before = nodes.contents(scene)
    lsm.predict(*drawn, model=model_file, device="cpu", show=True)
    assert scene.GetFirstNodeByClass("vtkMRMLTableNode") is not None
    lsm.remove_results(drawn[0])
    assert nodes.contents(scene) == before


def test_the_console_shows_a_crop(drawn, scene):
    crop = lsm.crop(*drawn, size=40, centre_lps=(10.0, 50.0, 155.0), show=True)
    box = scene.GetFirstNodeByClass("vtkMRMLMarkupsROINode")
    assert box.GetSize() == (40, 40, 40)
    assert crop.ct.GetSize() == (40, 40, 40)
    assert crop.chosen_centre_lps == (10.0, 50.0, 155.0)


def test_the_console_lists_the_models(model_file, monkeypatch):
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(model_file.parent))
    assert "sample" in {entry.name for entry in lsm.models()}


def test_an_unknown_model_is_refused_with_a_sentence(drawn):
    with pytest.raises(ModelError, match="There is no model named 'nonsense'"):
        lsm.predict(*drawn, model="nonsense")


def test_a_predictor_can_be_handed_in(drawn, prediction):
    calls = []

    def predictor(ct, mask, model, *, device, seed, centre_lps, progress):
        calls.append((ct.grid.size, mask.name, model, device, seed, centre_lps))
        return prediction

    options = {"seed": 3, "centre_lps": (1.0, 2.0, 3.0)}
    assert lsm.predict(*drawn, model="far", **options, predictor=predictor) is prediction
    size = tuple(ball_images()[0].GetSize())
    assert calls == [(size, "tumour", "far", "auto", 3, (1.0, 2.0, 3.0))]
