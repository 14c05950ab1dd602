"""Several tumours in one CT: a table of them, predictions for one or all, and one report."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
import SimpleITK as sitk

from ..mrml.nodes import halve_segment
from ..samples import ball_images
from .conftest import at_rest


def ball_at(shift: tuple[int, int, int], radius: float) -> sitk.Image:
    """The sample's mask with another radius, moved by voxels (x, y, z)."""
    _, mask = ball_images(radius=radius)
    array = np.roll(sitk.GetArrayFromImage(mask), shift[::-1], (0, 1, 2))
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(mask)
    return image


@pytest.fixture
def three(panel, drawn, wait_until):
    """The panel on a CT with three segments: "tumour", "left" and "right"."""
    import LungSquadLib.mrml as lsm

    segmentation = drawn[1]
    ids = [drawn[2]]
    for name, shift, radius in (("left", (25, 0, 0), 6.0), ("right", (-8, 4, 2), 7.0)):
        ids.append(lsm.add_segment(segmentation, ball_at(shift, radius), name=name))
    panel.context.state.model = "one"
    wait_until(lambda: at_rest(panel))
    return panel, ids


def cells(panel) -> list[list[str]]:
    """The texts of the table."""
    table = panel.ui.tumourTable
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def done(panel, wait_until, seconds=120) -> str:
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), seconds)
    return panel.ui.statusLabel.text


def test_one_tumour_needs_no_table(panel, wait_until):
    assert not panel.ui.tumourTable.visible
    assert not panel.ui.predictAllButton.visible


def test_the_table_measures_every_segment(three):
    panel, _ids = three
    assert panel.ui.tumourTable.visible
    rows = cells(panel)
    assert [row[0] for row in rows] == ["tumour", "left", "right"]
    for row, radius in zip(rows[1:], (6.0, 7.0), strict=True):
        ml, axial, largest = map(float, row[1:4])
        assert ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.1)
        assert axial == pytest.approx(2 * radius, abs=2.5)
        assert axial <= largest <= 2 * radius + 4
    assert all(re.fullmatch(r"T1[abc]", row[4]) for row in rows)
    assert panel.ui.tumourTable.isColumnHidden(5)  # no model rates the suspicion


def test_the_chosen_row_is_the_tumour_that_is_shown_and_the_other_way(three, scene, wait_until):
    panel, ids = three
    for number in (1, 2, 0):
        panel.ui.tumourTable.selectRow(number)
        wait_until(lambda: at_rest(panel))
        assert panel.context.state.segment == ids[number]
        assert f"{cells(panel)[number][1]} mL" in panel.ui.cropLabel.text
        centre = panel.crop.crop.mask_centre_of_mass_lps
        slice_node = scene.GetFirstNodeByClass("vtkMRMLSliceNode")
        shown = [slice_node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert shown == pytest.approx([-centre[0], -centre[1], centre[2]], abs=0.01)
    panel.ui.segmentSelector.setCurrentSegmentID(ids[2])
    wait_until(lambda: at_rest(panel))
    assert panel.ui.tumourTable.currentRow() == 2


def test_an_edit_is_measured_again_and_an_empty_segment_says_why(three, drawn, wait_until):
    import LungSquadLib.mrml.segments as segments

    panel, ids = three
    before = cells(panel)
    assert before[1][-1] == "2 warnings"  # it lies beside the ball
    assert "as dense as the lung round it" in panel.ui.tumourTable.item(1, 7).toolTip()
    segments.add_empty_segment(drawn[1], name="empty")
    drawn[1].GetSegmentation().RemoveSegment(ids[2])
    wait_until(lambda: at_rest(panel))
    rows = cells(panel)
    assert [row[0] for row in rows] == ["tumour", "left", "empty"]
    assert rows[:2] == before[:2]
    assert "is empty" in rows[2][-1]


def test_all_are_predicted_and_each_keeps_its_result(
    three, working_here, drawn, wait_until, gui, tmp_path, monkeypatch
):
    panel, ids = three
    panel.ui.predictAllButton.click()
    said = done(panel, wait_until)
    assert said == "3 of 3 tumours are predicted. Read the warnings before the probabilities."
    answers = [row[6] for row in cells(panel)]
    assert all(re.fullmatch(r"(deceased|alive) \d+%", answer) for answer in answers), answers
    nodes = set()
    for number, segment in enumerate(ids):
        panel.ui.tumourTable.selectRow(number)
        wait_until(lambda: at_rest(panel))
        (stored,) = panel.result.stored
        assert stored.tumour.segment == segment
        assert not panel.ui.outdatedLabel.visible
        voxels = stored.described["crop"]["mask_voxels"]
        assert voxels == panel.crop.crop.mask_voxels
        nodes |= {stored.saliency.GetID(), stored.table.GetID()}
    assert len(nodes) == 6  # each tumour has its own

    # One is predicted again: the others stay.
    panel.ui.tumourTable.selectRow(1)
    wait_until(lambda: at_rest(panel))
    panel.ui.predictButton.click()
    assert done(panel, wait_until).startswith("Prediction finished.")
    assert len(panel.result.all_stored) == 3

    # One is edited: its row says so.
    halve_segment(drawn[1], ids[2])
    wait_until(lambda: at_rest(panel))
    rows = cells(panel)
    assert [row[6].endswith("(out of date)") for row in rows] == [False, False, True]

    gui.file_answers.append(str(tmp_path))
    panel.ui.saveReportButton.click()
    wait_until(lambda: at_rest(panel))
    saved = tmp_path / "LungSquad results"
    report = (saved / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>\d\. (\w+)</h2>", report)
    assert sorted(titles) == ["left", "right", "tumour"]
    for number in (1, 2, 3):
        assert f'href="tumour-{number}/report.html"' in report
        assert (saved / f"tumour-{number}" / "report.html").is_file()
    with (saved / "tumours.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["tumour"] for row in table] == ["tumour", "left", "right"]
    assert [row["out_of_date"] for row in table] == ["False", "False", "True"]
    assert float(table[1]["volume_ml"]) == pytest.approx(float(cells(panel)[1][1]), abs=0.006)
    assert {row["model"] for row in table if row["model"]} == {"one"}


def test_one_that_fails_does_not_stop_the_others(three, working_here, drawn, wait_until):
    import LungSquadLib.mrml.segments as segments

    panel, ids = three
    drawn[1].GetSegmentation().RemoveSegment(ids[2])
    segments.add_empty_segment(drawn[1], name="empty")
    wait_until(lambda: at_rest(panel))
    panel.ui.predictAllButton.click()
    said = done(panel, wait_until)
    assert said.startswith("2 of 3 tumours are predicted.")
    assert "'empty': The segment 'empty' is empty." in said


def test_results_of_all_tumours_come_back_with_a_scene(
    three, working_here, scene, wait_until, tmp_path
):
    from LungSquadLib.mrml.scene import write_scene

    from ..mrml.nodes import read_scene

    panel, _ids = three
    panel.ui.predictAllButton.click()
    done(panel, wait_until)
    before = cells(panel)
    write_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(0)
    wait_until(lambda: at_rest(panel))
    assert not panel.ui.tumourTable.visible
    read_scene(scene, tmp_path / "scene.mrb", tmp_path / "read")
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))
    assert cells(panel) == before
    assert not panel.ui.outdatedLabel.visible
