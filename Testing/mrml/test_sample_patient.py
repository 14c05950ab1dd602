"""The sample patient is the phantom, with its tumour outlined."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import LungSquadLib as ls
import LungSquadLib.mrml as lsm
from LungSquadLib.errors import CancelledError
from LungSquadLib.mrml.sample_patient import add_sample_patient
from LungSquadLib.progress import Silent


def test_the_sample_patient_has_a_tumour_where_its_outline_says(scene):
    volume, segmentation = add_sample_patient(scene)
    segments = segmentation.GetSegmentation()
    assert segments.GetNumberOfSegments() == 1
    crop = lsm.crop(volume, segmentation, segments.GetNthSegmentID(0))
    phantom = ls.Phantom(7)
    centre = np.subtract(crop.mask_centre_of_mass_lps, phantom.tumour.centre_lps)
    assert np.linalg.norm(centre) < 5
    inside = sitk.GetArrayFromImage(crop.ct)[sitk.GetArrayFromImage(crop.mask) > 0]
    assert np.median(inside) > -200  # soft tissue, not lung


def test_cancelling_leaves_the_scene_as_it_was(scene):
    class Cancelled(Silent):
        cancelled = True

    before = scene.GetNumberOfNodes()
    with pytest.raises(CancelledError):
        add_sample_patient(scene, progress=Cancelled())
    assert scene.GetNumberOfNodes() == before
