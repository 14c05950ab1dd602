"""What the views show of a tumour that was chosen, its colours, and what is left to the user."""

from __future__ import annotations

import numpy as np
import pytest

from ..samples import ball_images
from .conftest import at_rest

SURFACE = "Closed surface"


@pytest.fixture
def another(panel, drawn, scene, wait_until):
    """The panel after a second tumour was chosen, in views that showed the whole body."""
    import LungSquadLib.mrml as lsm

    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    for node in slice_nodes(scene):
        node.SetFieldOfView(500.0, 400.0, 1.0)
    segmentation = lsm.add_segmentation(scene, drawn[0], name="Second")
    panel.tumour.choose(segmentation, lsm.add_segment(segmentation, ball_images(radius=6.0)[1]))
    wait_until(lambda: at_rest(panel))
    return panel, segmentation, camera


def slice_nodes(scene) -> list:
    kind = "vtkMRMLSliceNode"
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def test_a_chosen_tumour_is_shown_close_by_and_in_space(another, scene):
    panel, segmentation, camera = another
    x, y, z = panel.crop.crop.mask_centre_of_mass_lps
    for node in slice_nodes(scene):
        assert node.GetFieldOfView()[:2] == pytest.approx((187.5, 150.0))
        shown = [node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert shown == pytest.approx((-x, -y, z), abs=0.01)
    assert camera.GetFocalPoint() == pytest.approx((-x, -y, z))
    assert 200 < np.linalg.norm(np.subtract(camera.GetPosition(), (-x, -y, z))) < 400
    assert segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    assert panel.ui.show3DButton.checked


def test_views_that_the_user_moved_stay_while_the_outline_changes(another, scene, wait_until):
    panel, segmentation, _camera = another
    crop = panel.crop.crop
    for node in slice_nodes(scene):
        node.JumpSliceByCentering(1.0, 2.0, 3.0)
    segment = segmentation.GetSegmentation().GetNthSegment(0)
    segment.GetRepresentation("Binary labelmap").Modified()
    segmentation.GetSegmentation().InvokeEvent(
        segmentation.GetSegmentation().SourceRepresentationModified
    )
    wait_until(lambda: panel.crop.crop is not crop and at_rest(panel))
    for node in slice_nodes(scene):
        assert node.GetSliceToRAS().GetElement(0, 3) == pytest.approx(1.0, abs=0.01)


def test_drawing_moves_no_view_and_makes_no_surface(another, scene, wait_until):
    panel, segmentation, _camera = another
    for node in slice_nodes(scene):
        node.JumpSliceByCentering(1.0, 2.0, 3.0)
    panel.ui.drawButton.click()
    wait_until(lambda: at_rest(panel))
    assert not segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    assert not panel.ui.show3DButton.checked
    for node in slice_nodes(scene):
        assert node.GetSliceToRAS().GetElement(0, 3) == pytest.approx(1.0, abs=0.01)
    panel.ui.show3DButton.click()
    assert segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    panel.ui.show3DButton.click()
    assert not segmentation.GetSegmentation().ContainsRepresentation(SURFACE)


def test_segments_have_distinct_colours_and_the_crop_s_picture_has_theirs(drawn, panel):
    import LungSquadLib.mrml as lsm
    from LungSquadLib.mrml.panel.drawing import plane_pictures

    segmentation = drawn[1]
    ids = [drawn[2], *(lsm.add_segment(segmentation, ball_images()[1]) for _ in range(7))]
    colours = [segmentation.GetSegmentation().GetSegment(each).GetColor() for each in ids]
    for number, colour in enumerate(colours):
        for other in colours[:number]:
            assert np.abs(np.subtract(colour, other)).max() > 0.2
        red, green, blue = colour
        assert min(red, blue) - green < 0.2  # none is magenta, as the saliency is
    lsm.add_segment(segmentation, ball_images()[1])  # one more than there are colours
    picture = plane_pictures(panel.crop.crop, colour=(0.0, 0.0, 1.0))["axial"]
    assert (picture == (0, 0, 255)).all(axis=2).any()
    assert not (picture == (255, 176, 46)).all(axis=2).any()


def test_the_saliency_has_a_palette_of_its_own_and_a_bar(gui, scene):
    from LungSquadLib.mrml.panel.drawing import saliency_bar
    from LungSquadLib.mrml.results import _COLOURS, SALIENCY_THRESHOLD

    table = scene.GetNodeByID(_COLOURS)
    bar = saliency_bar(SALIENCY_THRESHOLD, width=101)
    assert bar.shape[1:] == (101, 3)
    for percent in (20, 50, 100):
        colour = [0.0] * 4
        table.GetColor(round(percent / 100 * (table.GetNumberOfColors() - 1)), colour)
        assert bar[0, percent] / 255 == pytest.approx(colour[:3], abs=0.02)
    grey = bar[0, :14]
    assert (grey == grey[0]).all()
    assert np.ptp(grey[0].astype(int)) < 15
