"""Outlines from clicks by a network: further clicks, undo, a click while another is at work."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from ..mrml.nodes import segment_ids
from .conftest import at_rest
from .figures import figure
from .test_panel_tumour import MIDDLE, click, fiducials

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def models(tmp_path):
    """A folder with a segmenter of random weights, which the panel takes by default."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from LungSquadLib.pipeline.propose import SEGMENTER

    from ..segmenters import write_segmenter

    write_segmenter(tmp_path / "s.safetensors", name=SEGMENTER, title="Nodules")
    return tmp_path


@pytest.fixture
def network(monkeypatch):
    """All segmenters take what is dense for tumour, as `segmenters.Threshold`; their inputs."""
    from LungSquadLib.inference import segmentation

    from ..segmenters import Threshold

    def averaged_logits(network, x):
        import torch

        calls.append(x)
        return Threshold(SPEC)(torch.from_numpy(x))[:, 0].numpy()

    from LungSquadLib.models.inputs import InputSpec

    SPEC = InputSpec(32, 1.0, -1000.0, 400.0, True)
    calls: list = []
    monkeypatch.setattr(segmentation, "averaged_logits", averaged_logits)
    return calls


@pytest.fixture
def settled(panel, wait_until):
    def wait() -> str:
        wait_until(lambda: at_rest(panel) and not panel.tasks.title, 20)
        return panel.ui.proposalLabel.text

    return wait


def beside(mm):
    return (MIDDLE[0] + mm, *MIDDLE[1:])


def test_clicks_add_exclude_and_are_taken_back(panel, network, working_here, scene, drawn, settled):
    ui = panel.ui
    assert ui.segmenterFrame.visible
    assert [ui.segmenterSelector.itemText(i) for i in range(2)] == ["Nodules", "Region growing"]
    assert ui.segmenterSelector.currentIndex == 0
    click(panel, scene, ui.segmentButton, MIDDLE)
    text = settled()
    assert "by network nodule-segmenter from clicks (1 click)." in text
    assert "The Dice coefficient with the mask of region growing is" in text
    whole = panel.crop.crop.mask_volume_ml
    assert whole == pytest.approx(3.05, rel=0.1)  # of the ball
    assert fiducials(scene) == 0

    click(panel, scene, ui.excludeButton, beside(7.0))
    assert "(2 clicks)" in settled()
    assert panel.crop.crop.mask_volume_ml < 0.97 * whole
    click(panel, scene, ui.includeButton, beside(-5.0))
    assert "(3 clicks)" in settled()
    inside, outside = network[-1][0, 2], network[-1][0, 3]
    assert (inside == 1).sum() <= 2
    assert inside.max() > 0.9
    assert outside.max() > 0.9

    ui.undoButton.click()
    ui.undoButton.click()  # while the first is still at work
    assert "(1 click)" in settled()
    assert panel.crop.crop.mask_volume_ml == pytest.approx(whole)
    ui.undoButton.click()
    settled()
    assert not ui.proposalFrame.visible
    assert segment_ids(drawn[1]) == [drawn[2]]


def place_box(panel, scene, *corners) -> None:
    """Press the button, and click on corners of a box, as Slicer's markups do it."""
    import qt

    panel.ui.boxButton.click()
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    node = scene.GetNodeByID(selection.GetActivePlaceNodeID())
    assert node.IsA("vtkMRMLMarkupsROINode")
    for x, y, z in corners:
        node.AddControlPointWorld(-x, -y, z)
        for _ in range(5):
            qt.QApplication.processEvents()  # between the clicks of a person
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def boxes(scene) -> list:
    """The boxes round the tumour in the scene."""
    kind = "vtkMRMLMarkupsROINode"
    nodes = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
    return [node for node in nodes if node.GetName().startswith("Box round")]


def test_a_box_is_placed_moved_and_taken_back(panel, network, working_here, scene, drawn, settled):
    ui = panel.ui
    x, y, z = MIDDLE
    place_box(panel, scene, (x - 12.0, y - 12.0, z), (x + 12.0, y + 12.0, z))
    text = settled()
    assert "by network nodule-segmenter from a box (a box)." in text
    assert "The Dice coefficient with the mask of region growing is" in text
    whole = panel.crop.crop.mask_volume_ml
    assert whole == pytest.approx(3.05, rel=0.1)  # of the ball, of 9 mm
    (node,) = boxes(scene)
    assert node.GetSize() == pytest.approx((24.0, 24.0, 24.0))
    assert node.GetCenterWorld() == pytest.approx((-x, -y, z))
    assert not node.GetSaveWithScene()
    assert not ui.boxButton.checked

    node.SetSize(24.0, 24.0, 9.0)  # by its handles: half of the ball, its middle
    wait_for_move(panel)
    settled()
    middle = panel.crop.crop.mask_volume_ml
    half = math.pi * (81 * 9 - 2 * 4.5**3 / 3) / 1000  # of a ball between two planes
    assert half < middle < 0.9 * whole  # the voxels that the box cuts count
    click(panel, scene, ui.excludeButton, beside(7.0))
    assert "(a box, 1 click)" in settled()
    assert panel.crop.crop.mask_volume_ml < middle
    ui.undoButton.click()
    ui.undoButton.click()
    assert "(a box)" in settled()
    assert panel.crop.crop.mask_volume_ml == pytest.approx(whole)
    assert boxes(scene)[0].GetSize() == pytest.approx((24.0, 24.0, 24.0))
    ui.undoButton.click()
    settled()
    assert boxes(scene) == []
    assert segment_ids(drawn[1]) == [drawn[2]]


def wait_for_move(panel) -> None:
    """Wait until the panel has noticed that a handle was moved."""
    import qt

    assert panel.tumour.clicks._box._timer.isActive()
    while panel.tumour.clicks._box._timer.isActive():
        qt.QApplication.processEvents()


@pytest.mark.parametrize("how", ["accept", "click", "close", "growing", "arrow"])
def test_a_box_goes_with_its_outline(how, panel, network, working_here, scene, settled):
    import qt

    ui = panel.ui
    x, y, z = MIDDLE
    corners = [(x - 12.0, y - 12.0, z), (x + 12.0, y + 12.0, z)]
    if how == "growing":
        ui.segmenterSelector.currentIndex = 1
        settled()
        assert not ui.boxButton.enabled
        return
    if how == "arrow":  # after the first corner
        place_box(panel, scene, corners[0])
        settled()
        qt.QApplication.processEvents()
        assert not ui.boxButton.checked
        assert not ui.proposalFrame.visible
        assert panel.crop.crop is not None
        return
    place_box(panel, scene, *corners)
    settled()
    assert len(boxes(scene)) == 1
    if how == "accept":
        ui.acceptButton.click()
    elif how == "click":
        click(panel, scene, ui.segmentButton, MIDDLE)
    else:
        scene.Clear(0)
    settled()
    assert boxes(scene) == []


def test_a_box_is_not_moved_while_other_work_runs(panel, network, working_here, scene, settled):
    x, y, z = MIDDLE
    place_box(panel, scene, (x - 12.0, y - 12.0, z), (x + 12.0, y + 12.0, z))
    settled()

    def steps():
        while True:
            yield 0.5

    panel.tasks.start("Testing", steps())
    (node,) = boxes(scene)
    node.SetSize(30.0, 30.0, 30.0)
    wait_for_move(panel)
    assert node.GetSize() == pytest.approx((24.0, 24.0, 24.0))
    assert "Other work is running" in panel.context.status
    panel.tasks.cancel()
    settled()


def test_a_box_holds_what_was_marked_where_the_ct_lies_aslant():
    """A CT turned by 45 degrees about its z axis: the box is wider by a factor of sqrt 2."""
    from LungSquadLib.imaging.geometry import Grid
    from LungSquadLib.mrml.panel.clicks import _fields

    s = math.sqrt(0.5)
    grid = Grid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (s, -s, 0, s, s, 0, 0, 0, 1))
    fields = _fields([((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))], grid)
    ends = grid.to_index(np.array(fields.pop("box")))
    assert np.sort(ends, axis=0) == pytest.approx(
        np.array([[-2 * s, -2 * s, -1], [2 * s, 2 * s, 1]])
    )
    assert fields == {}


def test_a_click_is_for_the_button_that_was_pressed_last(
    panel, network, working_here, scene, drawn, settled
):
    ui, middle = panel.ui, panel.crop.crop.centre_lps
    ui.moveCropButton.click()
    ui.boxButton.click()
    assert not ui.moveCropButton.checked
    click(panel, scene, ui.segmentButton, MIDDLE)
    assert not ui.boxButton.checked
    assert "(1 click)" in settled()
    assert fiducials(scene) == 0
    assert panel.crop.crop.centre_lps == pytest.approx(middle, abs=1.5)
    assert panel.context.state.centre == ""


def test_region_growing_can_be_chosen_and_takes_one_click(
    panel, network, working_here, scene, drawn, settled
):
    ui = panel.ui
    ui.segmenterSelector.currentIndex = 1
    click(panel, scene, ui.segmentButton, MIDDLE)
    assert "by region growing from a click (1 click)." in settled()
    assert not network
    assert not ui.includeButton.enabled
    assert not ui.excludeButton.enabled
    ui.segmenterSelector.currentIndex = 0
    settled()
    assert ui.excludeButton.enabled
    panel.enter()  # the user's choice stays
    assert ui.segmenterSelector.currentIndex == 0


def test_clicks_belong_to_their_outline(panel, network, working_here, scene, drawn, settled):
    click(panel, scene, panel.ui.segmentButton, MIDDLE)
    settled()
    panel.ui.acceptButton.click()
    settled()
    assert not panel.ui.undoButton.enabled
    click(panel, scene, panel.ui.segmentButton, beside(-25.0))  # in air
    settled()
    assert "finds no tumour there" in panel.ui.statusLabel.text
    assert not panel.ui.proposalFrame.visible


def test_a_click_cancels_the_request_of_the_click_before(panel, scene, drawn, settled, monkeypatch):
    """The first request is never answered."""
    import qt

    asked, cancelled = [], []

    def request(verb, fields, callbacks):
        asked.append(fields)
        if len(asked) == 2:
            error = RuntimeError("answered")
            qt.QTimer.singleShot(0, lambda: callbacks.error(error))
        return len(asked)

    monkeypatch.setattr(panel.worker, "request", request)
    monkeypatch.setattr(panel.worker, "cancel", cancelled.append)
    click(panel, scene, panel.ui.segmentButton, MIDDLE)
    end = time.monotonic() + 20
    while len(asked) < 1 and time.monotonic() < end:
        qt.QApplication.processEvents()
    assert panel.tasks.title
    assert panel.ui.segmentButton.enabled
    click(panel, scene, panel.ui.segmentButton, beside(2.0))
    while len(asked) < 2 and time.monotonic() < end:
        qt.QApplication.processEvents()
    settled()
    assert cancelled[0] == 1
    assert asked[1]["inside"] == [pytest.approx(list(beside(2.0)))]
    assert fiducials(scene) == 0


def test_candidates_are_listed_marked_and_outlined_when_asked_for(
    panel, scene, drawn, settled, monkeypatch
):
    """The worker's responses are set here; `test_candidates.py` finds balls in a chest."""
    import qt

    from LungSquadLib.mrml.results import is_result
    from LungSquadLib.pipeline.propose import EXPERIMENTAL

    asked, centred = [], []
    two = [
        {"position": list(MIDDLE), "score": 0.934, "diameter_mm": 18.2, "volume_ml": 3.1},
        {"position": list(beside(9.0)), "score": 0.5, "diameter_mm": 4.0, "volume_ml": 0.03},
    ]

    def request(verb, fields, callbacks):
        asked.append((verb, fields))
        if verb == "candidates":
            result = {"notice": EXPERIMENTAL, "candidates": two[: 3 - len(asked)]}
            qt.QTimer.singleShot(0, lambda: callbacks.result(result))
        return len(asked)

    monkeypatch.setattr(panel.worker, "request", request)
    monkeypatch.setattr(
        "LungSquadLib.mrml.panel.candidates.centre_views",
        lambda _scene, point: centred.append(point),
    )
    ui = panel.ui
    settled()
    assert not asked
    ui.candidateSection.collapsed = False
    ui.findCandidatesButton.click()
    settled()
    assert ui.statusLabel.text == f"2 candidates. {EXPERIMENTAL}"
    assert ui.candidateLabel.text == EXPERIMENTAL
    ras = f"{-MIDDLE[0]:.0f}, {-MIDDLE[1]:.0f}, {MIDDLE[2]:.0f}"
    assert ui.candidateList.item(0).text() == f"1: score 0.93, 18 mm, at RAS {ras}"
    (node,) = (
        scene.GetNthNodeByClass(n, "vtkMRMLMarkupsFiducialNode") for n in range(fiducials(scene))
    )
    assert node.GetNumberOfControlPoints() == 2
    assert node.GetNthControlPointLabel(1) == "2: 0.50"
    assert node.GetNthControlPointPositionWorld(0) == pytest.approx(
        (-MIDDLE[0], -MIDDLE[1], MIDDLE[2])
    )
    assert node.GetLocked()
    assert is_result(node)
    assert not ui.outlineCandidateButton.enabled
    ui.candidateList.currentRow = 1
    settled()
    assert centred == [two[1]["position"]]
    ui.findCandidatesButton.click()  # again: one candidate in place of two
    settled()
    assert (ui.candidateList.count, fiducials(scene)) == (1, 1)
    ui.candidateList.currentRow = 0
    settled()
    ui.outlineCandidateButton.click()
    end = time.monotonic() + 20
    while asked[-1][0] != "segment" and time.monotonic() < end:
        qt.QApplication.processEvents()
    assert asked[-1][1]["inside"] == [list(MIDDLE)]
    panel.tasks.cancel()
    panel.context.state.ct = None
    settled()
    assert (ui.candidateList.count, fiducials(scene)) == (0, 0)


@pytest.mark.slow
def test_how_soon_a_click_is_an_outline(panel, scene, drawn, settled, heartbeat):
    """In a worker of its own, cold and warm."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        with heartbeat:
            click(panel, scene, panel.ui.segmentButton, MIDDLE)
            settled()
        seconds.append(time.perf_counter() - start)
        assert "Proposed outline" in panel.ui.proposalLabel.text, panel.ui.statusLabel.text
    figure("outline from a click by a network, worker cold", seconds[0], "s")
    figure("outline from a click by a network, worker warm", min(seconds[1:]), "s")
    figure("longest gap of the event loop, a click by a network", heartbeat.longest * 1000, "ms")
