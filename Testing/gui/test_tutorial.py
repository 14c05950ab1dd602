"""The tutorial's steps, on the sample patient; `make pictures` keeps the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from LungSquadLib.imaging.files.write import write_png

from .figures import figure


@pytest.mark.slow
def test_the_tutorial(opened, gui, wait_until, screenshot, heartbeat):
    pytest.importorskip("torch", reason="networks: torch is not installed")
    import slicer

    from LungSquadLib.mrml.pictures import slice_picture, space_picture

    panel, ui = opened.panel, opened.panel.ui
    state = panel.current_state

    def done(seconds=120):
        wait_until(lambda: not panel.tasks.title and not opened.waiting(), seconds)

    screenshot(opened.widget, "panel-empty")
    with heartbeat:
        ui.sampleButton.click()
        wait_until(lambda: panel.tasks.title)
        done()
    figure("longest gap of the event loop, sample patient", heartbeat.longest * 1000, "ms")
    assert panel.crop.crop is not None
    outlined = panel.crop.crop.mask_volume_ml
    screenshot(ui.patientSection, "patient")

    ui.clickButton.click()
    assert "Click into the tumour" in panel._sentence
    x, y, z = panel.crop.crop.mask_centre_of_mass_lps
    with heartbeat:
        panel.tumour._click._node.AddControlPointWorld(-x, -y, z)
        wait_until(lambda: panel.tasks.title)
        done()
    figure("longest gap of the event loop, outlining from a click", heartbeat.longest * 1000, "ms")
    assert "Proposed" in ui.proposalLabel.text, ui.statusLabel.text
    screenshot(ui.tumourSection, "tumour-proposed")
    ui.acceptButton.click()
    done()
    assert 0.3 < panel.crop.crop.mask_volume_ml / outlined < 1.5
    screenshot(ui.cropSection, "crop")

    ui.predictButton.click()
    done()
    assert ui.resultSelector.count == 2
    screenshot(ui.predictionSection, "prediction")
    screenshot(ui.reportSection, "report-and-export")
    screenshot(opened.widget, "panel")

    centre = panel.crop.crop.mask_centre_of_mass_lps
    state().segmentation.CreateClosedSurfaceRepresentation()
    saliency = panel.prediction.stored[0].saliency
    views = [
        slice_picture(state().ct, "axial", centre, over=saliency, pixels=400),
        slice_picture(state().ct, "coronal", centre, over=saliency, pixels=400),
        space_picture(state().ct, centre, pixels=400),
    ]
    together = np.concatenate(views, axis=1)
    assert together.std() > 20  # something is seen
    write_png(screenshot(ui.cropSection, "views"), together)
    assert slicer.mrmlScene.GetNodeByID(state().box.GetID()) is not None


@pytest.mark.slow
def test_the_tutorial_s_images_that_models_make(opened, gui, wait_until, screenshot, heartbeat):
    panel, ui = opened.panel, opened.panel.ui
    if panel.generated.missing() or not ui.translatorSelector.count:
        pytest.skip("tutorial: there is no generator and no model that paints among the models")

    def done(seconds=120):
        wait_until(lambda: not panel.tasks.title and not opened.waiting(), seconds)

    ui.sampleButton.click()
    wait_until(lambda: panel.tasks.title)
    done()
    ui.generatedSection.collapsed = False
    ui.realCheckBox.checked = True
    ui.generateButton.click()
    done()
    assert ui.madeUpList.count == 16
    assert ui.realList.count > 1
    ui.madeUpList.currentRow = 5
    done()
    ui.paintingSection.collapsed = True
    screenshot(ui.generatedSection, "generated")
    ui.generatedFrame.hide()
    ui.paintingSection.collapsed = False
    with heartbeat:
        ui.paintButton.click()
        done()
    figure("longest gap of the event loop, painting a tumour", heartbeat.longest * 1000, "ms")
    assert "Came out" in ui.paintedLabel.text, ui.statusLabel.text
    screenshot(ui.paintingSection, "painted")
