"""A real CT as a radiologist works: three outlines from clicks, all predicted, report and table."""

from __future__ import annotations

import csv

import pytest
import SimpleITK as sitk

from .conftest import at_rest
from .test_panel_tumour import click
from .test_several_tumours import cells, done

# LPS mm in `lidc_0314`: its nodule, and two that the search for candidates lists.
PLACES = [(-57.2, 131.0, -520.3), (50.3, 136.7, -504.7), (30.2, 116.0, -524.2)]


@pytest.mark.slow
def test_three_places_from_clicks_to_the_report(
    opened, gui, scene, case_data, wait_until, screenshot, tmp_path
):
    pytest.importorskip("torch", reason="networks: torch is not installed")
    import slicer

    import LungSquadLib.mrml as lsm
    from LungSquadLib.imaging.ct import open_ct

    if not case_data.real:
        pytest.skip("real CT: ../shared/data is not there")
    panel, ui = opened.panel, opened.panel.ui
    folder = case_data / "open" / "lidc_0314"
    truth = sitk.ReadImage(str(folder / "mask_consensus.nrrd"))
    ct = open_ct(folder / "CT")
    image = sitk.GetImageFromArray(ct.hu(ct.grid.box))
    image.CopyInformation(truth)
    ui.ctSelector.setCurrentNode(lsm.add_volume(scene, image, name="CT"))
    wait_until(lambda: at_rest(panel))

    volumes = []
    for place in PLACES:
        click(panel, scene, ui.segmentButton, place)
        done(panel, wait_until)
        assert "by network nodule-segmenter from clicks" in ui.proposalLabel.text
        ui.acceptButton.click()
        wait_until(lambda: at_rest(panel))
        volumes.append(panel.crop.crop.mask_volume_ml)
    expected = sitk.GetArrayViewFromImage(truth).sum() * ct.grid.voxel_volume / 1000
    assert volumes[0] == pytest.approx(expected, rel=0.2)

    ui.modelSelector.currentIndex = ui.modelSelector.findData("demo-histology")
    ui.predictAllButton.click()
    assert done(panel, wait_until, 300).startswith("3 of 3 tumours are predicted.")
    rows = cells(panel)
    assert [row[0] for row in rows] == ["tumour", "tumour 2", "tumour 3"]
    assert [float(row[1]) for row in rows] == pytest.approx(volumes, abs=0.006)
    assert all(row[6] for row in rows)
    screenshot(opened.widget, "real-panel")
    for name in ("patient", "tumour", "crop", "prediction", "report"):
        screenshot(getattr(ui, f"{name}Section"), f"real-{name}")

    gui.file_answers.append(str(tmp_path))
    ui.saveReportButton.click()
    wait_until(lambda: at_rest(panel))
    saved = tmp_path / "LungSquad results"
    with (saved / "tumours.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [float(row["volume_ml"]) for row in table] == pytest.approx(volumes, abs=0.006)
    assert len(list(saved.glob("tumour-*/report.html"))) == 3
    assert slicer.mrmlScene is scene
