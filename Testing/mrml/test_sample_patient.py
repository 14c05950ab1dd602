"""The sample patient is the phantom, with its tumour outlined."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import LungSquadLib as ls
import LungSquadLib.mrml as lsm
from LungSquadLib.errors import CancelledError
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.mrml.sample_patient import add_sample_patient, load_sample_patient
from LungSquadLib.phantom.scan import write_patient_volumes
from LungSquadLib.progress import Silent


def loaded(scene, folder):
    """The patient as a worker writes it and the panel loads it."""
    steps = load_sample_patient(scene, *write_patient_volumes(ls.Phantom(7), folder / "patient"))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value[:2]


@pytest.mark.parametrize(
    "made",
    [loaded, pytest.param(lambda scene, _: add_sample_patient(scene), marks=pytest.mark.slow)],
    ids=["loaded", "added"],
)
def test_the_sample_patient_is_the_phantom_of_the_demo_with_its_tumour_outlined(
    scene, made, tmp_path
):
    volume, segmentation = made(scene, tmp_path)
    segments = segmentation.GetSegmentation()
    assert segments.GetNumberOfSegments() == 1
    mask = lsm.mask_of_segment(segmentation, segments.GetNthSegmentID(0), volume)
    phantom, image = ls.Phantom(7), lsm.image_of_volume(volume)
    grid = phantom.chest_grid()
    place = Grid.of(mask)
    offset = place.offset_in(grid)
    box = place.box.shifted(offset)
    assert np.array_equal(sitk.GetArrayFromImage(mask), phantom.mask(grid)[box.slices])
    assert np.array_equal(sitk.GetArrayViewFromImage(image)[box.slices], phantom.ct(grid.part(box)))


def test_cancelling_leaves_the_scene_as_it_was(scene):
    class Cancelled(Silent):
        cancelled = True

    before = scene.GetNumberOfNodes()
    with pytest.raises(CancelledError):
        add_sample_patient(scene, progress=Cancelled())
    assert scene.GetNumberOfNodes() == before
