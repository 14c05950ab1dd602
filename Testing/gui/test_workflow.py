"""The whole panel clicked through on a real patient, from a DICOM folder to the report."""

from __future__ import annotations

import csv
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest

from ..case_data import facts
from .figures import figure
from .test_preliminary import is_marked


@pytest.mark.slow
def test_from_dicom_folder_to_report(
    opened, gui, case_data, wait_until, screenshot, heartbeat, tmp_path, monkeypatch
):
    pytest.importorskip("torch", reason="networks: torch is not installed")
    import qt
    import slicer

    panel, ui = opened.panel, opened.panel.ui
    patient = case_data / "open" / "4dlung_113"
    drawn = facts(patient / "mask_Tumor_c40_full.nrrd")
    size = pydicom.dcmread(next((patient / "CT").iterdir()), stop_before_pixels=True)
    clicks = 0

    def click(button):
        nonlocal clicks
        assert button.enabled, button.objectName
        assert button.visible, button.objectName
        button.click()
        clicks += 1

    def done(seconds=120):
        wait_until(lambda: not panel.tasks.title and not opened.waiting(), seconds)

    screenshot(opened.widget, "0-empty")
    assert "Choose or load a CT" in ui.tumourHint.text

    gui.file_answers.append(str(patient))
    with heartbeat:
        click(ui.loadDicomButton)
        wait_until(lambda: panel.tasks.title)
        wait_until(lambda: not panel.tasks.title, 60)
    done()
    state = panel.context.state
    assert state.ct.GetImageData().GetDimensions() == (
        size.Columns,
        size.Rows,
        len(list((patient / "CT").iterdir())),
    )
    names = [ui.roiSelector.itemText(number) for number in range(ui.roiSelector.count)]
    assert any(name.startswith("Tumor_c40") for name in names)
    assert ui.roiSelector.currentText.startswith("Tumor_c40")
    screenshot(opened.widget, "1-patient")

    with heartbeat:
        click(ui.importRoiButton)
        done()
    figure("longest gap of the event loop, importing an RTSTRUCT", heartbeat.longest * 1000, "ms")
    assert panel.crop.crop.mask_voxels == drawn.voxels
    assert f"{drawn.ml:.2f} mL" in ui.cropLabel.text
    screenshot(ui.tumourSection, "2-tumour")
    screenshot(ui.cropSection, "3-crop")

    with heartbeat:
        click(ui.predictButton)
        done()
    figure("longest gap of the event loop, predicting", heartbeat.longest * 1000, "ms")
    assert ui.resultSelector.count == 2
    assert not ui.outdatedLabel.visible
    screenshot(ui.predictionSection, "4-prediction")
    layer = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert layer.GetForegroundVolumeID() == panel.result.stored[0].saliency.GetID()

    start = time.perf_counter()
    click(ui.predictButton)
    wait_until(lambda: is_marked(panel), 60)
    figure("from Predict to the first answer, real CT", time.perf_counter() - start, "s")
    click(ui.cancelButton)  # at once: the full answer takes two seconds more
    done()
    assert ui.statusLabel.text == "Cancelled."
    assert ui.resultSelector.count == 2

    ui.syntheticSection.collapsed = False
    screenshot(ui.syntheticSection, "5-generated")
    screenshot(ui.reportSection, "6-report")
    shown = []
    monkeypatch.setattr(
        qt, "QDesktopServices", SimpleNamespace(openUrl=lambda url: shown.append(url) or True)
    )
    click(ui.openReportButton)
    report = Path(shown[0].toLocalFile())
    assert report.name == "report.html"
    assert report.is_file()
    done()
    assert ui.statusLabel.text == "The report is open in the web browser."
    assert clicks - 2 < 10  # one prediction was for the picture alone
    figure("clicks from the DICOM folder to the report (its folder chosen besides)", clicks - 2, "")
    screenshot(opened.widget, "7-whole")

    gui.file_answers.append(str(tmp_path))
    click(ui.saveReportButton)
    assert (tmp_path / "LungSquad results" / "report.html").is_file()
    gui.file_answers.append(str(tmp_path / "table"))
    click(ui.saveTableButton)
    with (tmp_path / "table.csv").open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == [
            "demo-histology",
            "demo-survival2y",
        ]
    gui.file_answers.append(str(tmp_path / "scene.mrb"))
    click(ui.saveSceneButton)
    assert zipfile.is_zipfile(tmp_path / "scene.mrb")
    click(ui.dicomButton)
    done()
    assert "DICOM database" in ui.statusLabel.text, ui.statusLabel.text
