"""NRRD, NIfTI and MHA voxels are what SimpleITK reads, whatever box is asked for."""

import gzip
import struct
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.files import inflate
from LungSquadLib.imaging.files.volumes import open_volume_file
from LungSquadLib.imaging.geometry import Box

from ..dicom_maker import some_hu

TYPES = {
    "i2": sitk.sitkInt16,
    "i4": sitk.sitkInt32,
    "u2": sitk.sitkUInt16,
    "f4": sitk.sitkFloat32,
    "f8": sitk.sitkFloat64,
}
FILES = ("a.nrrd", "a.nii", "a.nii.gz", "a.mha")


def volume(kind="i2"):
    image = sitk.Cast(sitk.GetImageFromArray(some_hu()), TYPES[kind])
    if kind == "u2":
        image = sitk.Cast(sitk.GetImageFromArray(np.abs(some_hu())), TYPES[kind])
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10.5, 20.25, 3))
    angle = 0.3
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    image.SetDirection(turn.ravel())
    return image


def refused(path):
    with pytest.raises(InputError) as caught:
        open_ct(path).read()
    return str(caught.value)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", FILES)
def test_voxels_and_grid_are_those_of_simpleitk(tmp_path, name, kind, compress):
    path = str(tmp_path / name)
    sitk.WriteImage(volume(kind), path, compress)
    theirs, ct = sitk.ReadImage(path), open_ct(path)
    ours = ct.read()
    assert np.array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    assert ours.GetOrigin() == theirs.GetOrigin()
    assert ours.GetSpacing() == theirs.GetSpacing()
    assert ours.GetDirection() == theirs.GetDirection()
    box = Box((3, 5, 2), (30, 9, 7))
    assert np.array_equal(ct.hu(box), sitk.GetArrayFromImage(theirs)[2:7, 5:9, 3:30])


def test_the_standard_library_inflates_the_same(tmp_path, monkeypatch):
    path = str(tmp_path / "a.nii.gz")
    sitk.WriteImage(volume(), path)
    quick = open_ct(path).hu(Box((0, 0, 3), (40, 32, 9)))
    monkeypatch.setattr(inflate, "_fastest_zlib", lambda: zlib)
    assert np.array_equal(open_ct(path).hu(Box((0, 0, 3), (40, 32, 9))), quick)


def test_gzip_of_several_members_is_read_through(tmp_path):
    sitk.WriteImage(volume(), str(tmp_path / "a.nii"))
    data = (tmp_path / "a.nii").read_bytes()
    pieces = [gzip.compress(data[start : start + 5000]) for start in range(0, len(data), 5000)]
    (tmp_path / "b.nii.gz").write_bytes(b"".join(pieces))
    assert np.array_equal(sitk.GetArrayFromImage(open_ct(tmp_path / "b.nii.gz").read()), some_hu())


def test_nifti_slope_and_intercept_apply(tmp_path):
    path = tmp_path / "a.nii"
    sitk.WriteImage(volume(), str(path))
    data = bytearray(path.read_bytes())
    struct.pack_into("<2f", data, 112, 2.0, -100.0)
    path.write_bytes(data)
    assert np.array_equal(
        sitk.GetArrayFromImage(open_ct(path).read()), some_hu().astype(np.float32) * 2 - 100
    )


def test_values_beyond_int16_are_limited_not_wrapped(tmp_path):
    array = np.full((2, 4, 4), 70_000, np.int32)
    array[1] = -70_000
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "a.nrrd"))
    hu = sitk.GetArrayFromImage(open_ct(tmp_path / "a.nrrd").read())
    assert hu.max() == 32767
    assert hu.min() == -32768


def test_nan_voxels_are_refused(tmp_path):
    array = some_hu().astype(np.float32)
    array[3, 4, 5] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "a.nrrd"))
    assert "not numbers" in refused(tmp_path / "a.nrrd")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("compress", [False, True])
def test_truncated_files_are_refused(tmp_path, name, compress):
    path = tmp_path / name
    sitk.WriteImage(volume(), str(path), compress)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "truncated" in refused(path)


def spoiled(tmp_path, name, old, new):
    path = tmp_path / name
    sitk.WriteImage(volume(), str(path), False)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("a.nrrd", b"encoding: raw", b"encoding: bz2", "encoded as bz2"),
        ("a.nrrd", b"encoding: raw", b"data file: x.raw\nencoding: raw", "another file"),
        ("a.nrrd", b"sizes: 40 32 12", b"sizes: 40000000 32 12", "truncated"),
        ("a.nrrd", b"sizes: 40 32 12", b"sizes: -40 32 12", "3D volume"),
        ("a.nrrd", b"type: short", b"type: block", "damaged"),
        ("a.nrrd", b"space origin: (-10.5", b"space origin: (nan", "no usable grid"),
        ("a.mha", b"ElementDataFile = LOCAL", b"ElementDataFile = x.raw", "another file"),
        ("a.mha", b"ElementSpacing = 0.", b"ElementSpacing = -0.", "voxels of -0.7 x 0.8"),
        ("a.mha", b"DimSize = 40", b"DimSize = 0 ", "3D volume"),
    ],
)
def test_faults_of_the_header_are_named(tmp_path, name, old, new, said):
    assert said in refused(spoiled(tmp_path, name, old, new))


@pytest.mark.parametrize(
    ("offset", "layout", "value", "said"),
    [
        (40, "<h", 9, "9 dimensions"),
        (42, "<h", 0, "3D volume"),
        (70, "<h", 99, "damaged"),
        (80, "<f", 0.0, "voxels of 0"),
        (80, "<f", float("nan"), "voxels of nan"),
        (108, "<f", 1e30, "truncated or its header is damaged"),
        (344, "4s", b"ni1\0", "another file"),
    ],
)
def test_faults_of_a_nifti_header_are_named(tmp_path, offset, layout, value, said):
    path = tmp_path / "a.nii"
    sitk.WriteImage(volume(), str(path))
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, value)
    path.write_bytes(data)
    assert said in refused(path)


def test_a_deflate_bomb_is_refused_before_memory_is_taken(tmp_path):
    sitk.WriteImage(volume(), str(tmp_path / "a.nrrd"), True)
    data = (tmp_path / "a.nrrd").read_bytes().replace(b"40 32 12", b"40000 32000 1200", 1)
    (tmp_path / "a.nrrd").write_bytes(data)
    assert "truncated or its header is damaged" in refused(tmp_path / "a.nrrd")


def test_a_picture_is_no_volume(tmp_path):
    path = tmp_path / "a.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4), np.uint8)), str(path))
    assert "not a volume" in refused(path)


def test_reading_a_box_does_not_read_the_whole_file(tmp_path):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(volume(), str(path), False)
    file = open_volume_file(path)
    assert sum(1 for _ in file.slices(2, 5)) == 3
