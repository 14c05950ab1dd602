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

    from LungSquadLib.mrml.case_scene import slice_picture, space_picture

    panel, ui = opened.panel, opened.panel.ui
    state = panel.context.state

    def done(seconds=120):
        wait_until(lambda: not panel.tasks.title and not opened.waiting(), seconds)

    done()
    screenshot(opened.widget, "panel-empty")
    with heartbeat:
        ui.sampleButton.click()
        wait_until(lambda: panel.tasks.title)
        done()
    figure("longest gap of the event loop, sample patient", heartbeat.longest * 1000, "ms")
    assert panel.crop.crop is not None
    outlined = panel.crop.crop.mask_volume_ml

    # Networks learnt from real nodules, and take too much of the phantom's large tumour.
    ui.segmenterSelector.currentIndex = ui.segmenterSelector.count - 1
    ui.segmentButton.click()
    assert "Click on the tumour" in panel.context.status
    x, y, z = panel.crop.crop.mask_centre_of_mass_lps
    with heartbeat:
        panel.tumour.clicks._picker._node.AddControlPointWorld(-x, -y, z)
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
    state.segmentation.CreateClosedSurfaceRepresentation()
    saliency = panel.result.stored[0].saliency
    views = [
        slice_picture(state.ct, "axial", centre, over=saliency, pixels=400),
        slice_picture(state.ct, "coronal", centre, over=saliency, pixels=400),
        space_picture(state.ct, centre, pixels=400),
    ]
    together = np.concatenate(views, axis=1)
    assert together.std() > 20  # something is seen
    write_png(screenshot(ui.cropSection, "views"), together)
    assert slicer.mrmlScene.GetNodeByID(state.crop_box.GetID()) is not None


@pytest.mark.slow
def test_the_tutorials_synthetic_images(opened, gui, wait_until, screenshot, heartbeat):
    panel, ui = opened.panel, opened.panel.ui
    if panel.synthetic.missing() or not ui.inpainterSelector.count:
        pytest.skip("tutorial: there is no generator or no inpainting model among the models")

    def done(seconds=120):
        wait_until(lambda: not panel.tasks.title and not opened.waiting(), seconds)

    ui.sampleButton.click()
    wait_until(lambda: panel.tasks.title)
    done()
    ui.syntheticSection.collapsed = False
    ui.realCheckBox.checked = True
    ui.generateButton.click()
    done()
    assert ui.imageList.count == 16
    assert ui.realList.count > 1
    ui.imageList.currentRow = 5
    done()
    ui.inpaintingSection.collapsed = True
    screenshot(ui.syntheticSection, "generated")
    ui.syntheticFrame.hide()
    ui.inpaintingSection.collapsed = False
    with heartbeat:
        ui.inpaintButton.click()
        done()
    figure("longest gap of the event loop, inpainting a tumour", heartbeat.longest * 1000, "ms")
    assert "Result: mean" in ui.inpaintedLabel.text, ui.statusLabel.text
    screenshot(ui.inpaintingSection, "inpainted")
