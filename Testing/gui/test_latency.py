"""How soon the panel follows the brush, on a CT of the size that clinics make."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest

from LungSquadLib.imaging.geometry import Grid

from ..slice_samples import write_generator
from .figures import figure

SIZE = (512, 512, 300)


@pytest.mark.slow
def test_the_crop_follows_a_stroke_of_the_brush(opened, scene, wait_until, heartbeat):
    import slicer

    import LungSquadLib.mrml as lsm
    from LungSquadLib.mrml import segments, volumes

    grid = Grid(SIZE, (0.7, 0.7, 1.0), (-180.0, -180.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    hu = np.full(SIZE[::-1], -800, np.int16)
    hu[130:170, 220:280, 220:280] = 40
    volume = lsm.add_volume(scene, grid.image(hu), name="CT")
    segmentation = lsm.add_segmentation(scene, volume, name="Tumour")
    drawn = (hu > 0).astype(np.uint8)
    segment = lsm.add_segment(segmentation, grid.image(drawn))
    panel = opened.panel
    state = panel.context.state
    state.ct, state.segmentation, state.segment = volume, segmentation, segment
    wait_until(lambda: panel.crop.crop is not None and not opened.waiting())

    logic = slicer.modules.segmentations.logic()
    image = slicer.vtkOrientedImageData()
    image.DeepCopy(
        segmentation.GetSegmentation().GetSegment(segment).GetRepresentation(segments.LABEL_MAP)
    )
    array = volumes.voxel_array(image, "tumour")
    seconds = []
    with heartbeat:
        for stroke in range(10):
            array[stroke] = 0  # a slice is rubbed out
            image.Modified()
            logic.SetBinaryLabelmapToSegment(image, segmentation, segment)
            before, start = panel.crop.crop, time.perf_counter()
            wait_until(lambda before=before: panel.crop.crop is not before)
            seconds.append(time.perf_counter() - start)
    assert panel.crop.crop.mask_voxels == (40 - 10) * 60 * 60
    figure("crop after a stroke, 512 x 512 x 300, median", statistics.median(seconds) * 1000, "ms")
    figure("crop after a stroke, 512 x 512 x 300, longest", max(seconds) * 1000, "ms")
    figure("longest gap of the event loop, drawing", heartbeat.longest * 1000, "ms")


@pytest.mark.slow
def test_images_of_a_generator_of_the_demo_s_size(
    opened, gui, wait_until, heartbeat, tmp_path, monkeypatch
):
    """From pressing the button to 16 pictures, in a worker that is warm."""
    from LungSquadLib.models import catalogue

    write_generator(tmp_path / "g.safetensors", resolution=64, most=96)
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path))
    panel, ui = opened.panel, opened.panel.ui
    panel.enter()
    seconds = []
    for draw in range(1, 6):
        wait_until(lambda: not panel.tasks.title and not opened.waiting())
        start = time.perf_counter()
        with heartbeat:
            ui.generateButton.click()
            wait_until(lambda draw=draw: ui.seedBox.value == draw, 120)
        seconds.append(time.perf_counter() - start)
    assert ui.imageList.count == 16
    figure("16 images of 64 x 64, worker cold", seconds[0], "s")
    figure("16 images of 64 x 64, worker warm, median", statistics.median(seconds[1:]), "s")
    figure("longest gap of the event loop, 16 images", heartbeat.longest * 1000, "ms")
