"""Volume nodes and the library's images are one thing in two coordinate systems."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import slicer
from vtkmodules.vtkCommonMath import vtkMatrix4x4

import LungSquadLib.mrml as lsm
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.geometry import Grid, in_lps

from ..samples import ball_images
from . import nodes


def oblique(dtype=np.int16, shape=(5, 6, 7)) -> sitk.Image:
    random = np.random.default_rng(2)
    image = sitk.GetImageFromArray(random.integers(0, 100, shape).astype(dtype))
    image.SetSpacing((0.7, 1.1, 3.3))
    image.SetOrigin((-12.5, 40.25, 1033.1))
    image.SetDirection(rotation().ravel().tolist())
    return image


def rotation(angles=(0.3, -0.5, 1.1)) -> np.ndarray:
    turned = sitk.Euler3DTransform()
    turned.SetRotation(*angles)
    return np.array(turned.GetMatrix()).reshape(3, 3)


def corners(image: sitk.Image) -> np.ndarray:
    size = np.array(image.GetSize()) - 1.0
    return Grid.of(image).to_lps(np.array([size * corner for corner in np.ndindex(2, 2, 2)]))


def node_corners(volume) -> np.ndarray:
    """Corner voxels in LPS by Slicer's matrix."""
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    size = np.array(volume.GetImageData().GetDimensions()) - 1.0
    points = [matrix.MultiplyPoint((*(size * corner), 1)) for corner in np.ndindex(2, 2, 2)]
    return np.array(points)[:, :3] * (-1, -1, 1)


def test_an_oblique_anisotropic_image_goes_and_comes_back(scene):
    image = oblique()
    volume = lsm.add_volume(scene, image, name="oblique")
    assert np.abs(node_corners(volume) - corners(image)).max() < 1e-6
    back = lsm.image_of_volume(volume)
    assert np.abs(corners(back) - corners(image)).max() < 1e-6
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))


def test_a_grid_without_a_transform_comes_back_to_the_bit(scene):
    image = oblique()
    back = lsm.image_of_volume(lsm.add_volume(scene, image, name="oblique"))
    assert Grid.of(back) == Grid.of(image)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_every_scalar_type_keeps_its_values(scene, dtype):
    image = oblique(dtype)
    volume = lsm.add_volume(scene, image, name=dtype)
    back = sitk.GetArrayFromImage(lsm.image_of_volume(volume))
    assert back.dtype == dtype
    assert np.array_equal(back, sitk.GetArrayFromImage(image))
    hu = lsm.ct_of_volume(volume).read()
    assert np.array_equal(sitk.GetArrayFromImage(hu), sitk.GetArrayFromImage(in_lps(image)))


def test_a_mirrored_volume_is_read(scene):
    image = oblique()
    image.SetDirection((rotation() * (1, 1, -1)).ravel().tolist())
    volume = lsm.add_volume(scene, image, name="mirrored")
    assert np.abs(corners(lsm.image_of_volume(volume)) - node_corners(volume)).max() < 1e-6


def test_voxels_of_a_ct_are_read_where_they_are(scene):
    volume = lsm.add_volume(scene, oblique(), name="CT")
    ct = lsm.ct_of_volume(volume)
    volume.GetImageData().SetScalarComponentFromDouble(3, 2, 1, 0, 777)
    assert ct.stored_hu(ct.stored.box)[1, 2, 3] == 777


def test_an_extent_that_does_not_begin_at_0_moves_the_origin(scene):
    image = oblique()
    volume = lsm.add_volume(scene, image, name="part")
    x, y, z = image.GetSize()
    volume.GetImageData().SetExtent(2, x + 1, 1, y, 0, z - 1)
    expected = Grid.of(image).to_lps((2, 1, 0))
    assert lsm.image_of_volume(volume).GetOrigin() == pytest.approx(expected, abs=1e-6)


def test_a_linear_transform_above_the_volume_is_applied(scene):
    image = oblique()
    volume = lsm.add_volume(scene, image, name="moved")
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = 2 * rotation((0.1, 0.2, 0.3)), (10, 20, 30)
    nodes.under_transform(scene, volume, moved)
    ras = corners(image) * (-1, -1, 1)
    expected = (ras @ moved[:3, :3].T + moved[:3, 3]) * (-1, -1, 1)
    assert np.abs(corners(lsm.image_of_volume(volume)) - expected).max() < 1e-6


def test_what_no_image_can_be_made_of_is_refused_with_a_sentence(scene):
    sheared = lsm.add_volume(scene, oblique(), name="tilted")
    nodes.under_transform(scene, sheared, np.eye(4) + 0.3 * np.eye(4, k=1) * (1, 1, 1, 0))
    with pytest.raises(InputError, match="'tilted' has a sheared grid; resample it"):
        lsm.ct_of_volume(sheared)
    warped = lsm.add_volume(scene, oblique(), name="bent")
    nodes.under_warp(scene, warped)
    with pytest.raises(InputError, match="'bent' lies under the transform 'Warped', which is not"):
        lsm.ct_of_volume(warped)
    nothing = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(InputError, match="The volume 'nothing' holds no voxels"):
        lsm.ct_of_volume(nothing)
    colours = lsm.add_volume(scene, oblique("uint8"), name="colours")
    colours.GetImageData().AllocateScalars(3, 3)
    with pytest.raises(InputError, match="'colours' has several values for each voxel"):
        lsm.ct_of_volume(colours)


def test_setting_up_twice_changes_nothing(scene):
    before = nodes.contents(scene)
    assert lsm.start() is scene
    assert nodes.contents(scene) == before
    assert slicer.modules.volumes.logic().GetMRMLScene() is scene
    assert slicer.modules.segmentations.logic().GetMRMLApplicationLogic() is not None


def test_in_slicer_the_scene_that_is_there_is_taken(monkeypatch):
    there = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "mrmlScene", there, raising=False)
    nodes_before = there.GetNumberOfNodes()
    assert lsm.start() is there
    assert there.GetNumberOfNodes() == nodes_before


def test_importing_mrml_never_pulls_torch():
    code = (
        "import sys, LungSquadLib.mrml, LungSquadLib.mrml.case_scene; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_without_slicer_core_a_sentence_says_how_to_get_it():
    code = (
        "import sys; sys.modules['slicer'] = None\n"
        "from LungSquadLib.errors import MissingPackageError\n"
        "try:\n    import LungSquadLib.mrml\nexcept MissingPackageError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'lungsquad[slicer]'" in run.stdout


def test_the_ball_is_a_ct(scene):
    image, _ = ball_images()
    ct = lsm.ct_of_volume(lsm.add_volume(scene, image, name="CT"))
    assert ct.grid == Grid.of(image)
    assert np.array_equal(ct.hu(ct.grid.box), sitk.GetArrayFromImage(image))
