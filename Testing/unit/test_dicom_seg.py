"""Where the frames of a DICOM SEG lie and what their bits say, against the masks written."""

from __future__ import annotations

import zlib

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.crop import mask_box
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.dicom.seg import _slice_spacing
from LungSquadLib.imaging.inspect import inspect
from LungSquadLib.imaging.mask_files import read_mask

from ..dicom_maker import some_hu, write_seg, write_series

SIDE = 23  # no multiple of 8: frames of bits begin within bytes


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The same place as CT of 1 mm and of 5 mm slices."""
    here = tmp_path_factory.mktemp("scans")
    common = {"origin": (-20.0, -20.0, 0.0), "frame_uid": pydicom.uid.generate_uid()}
    for name, slices, step in (("thin", 41, 1.0), ("thick", 9, 5.0)):
        write_series(here / name, some_hu((slices, SIDE, SIDE)), spacing=(1.0, 1.0, step), **common)
    return here


def block(slices, first, stop):
    mask = np.zeros((slices, SIDE, SIDE), np.uint8)
    mask[first:stop, 5:12, 6:17] = 1
    mask[first:stop, 7, 8] = 0
    return mask


def voxels(mask, ct):
    array = np.zeros(ct.grid.size[::-1], np.uint8)
    array[mask_box(mask, ct.grid).slices] = sitk.GetArrayViewFromImage(mask.image)
    return array


def edited(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def measures(dataset):
    return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def test_frames_are_as_far_apart_as_they_lie_whatever_their_thickness_is_said_to_be(
    scans, tmp_path
):
    thin, thick = open_ct(scans / "thin"), open_ct(scans / "thick")
    mask = block(9, 2, 6)
    for thickness in (1.0, 5.0, 8.0):

        def change(dataset, thickness=thickness):
            measures(dataset).SliceThickness = thickness
            del measures(dataset).SpacingBetweenSlices

        path = edited(write_seg(tmp_path / "seg.dcm", scans / "thick", mask), change)
        (segment,) = inspect(path)["series"][0]["segments"]
        assert segment["volume_ml"] == pytest.approx(mask.sum() * 5 / 1000)
        assert np.array_equal(voxels(read_mask(path, thick), thick), mask)
        found = read_mask(path, thin)
        slab = block(41, 8, 28)  # slices 10 to 25 mm, and half of 5 mm either side
        assert np.array_equal(voxels(found, thin), slab), thickness
        assert "mask_resampled" in [flag.code for flag in found.flags]
    dense = write_seg(tmp_path / "dense.dcm", scans / "thin", block(41, 8, 28))
    assert np.array_equal(voxels(read_mask(dense, thick), thick), mask)


def test_the_spacing_of_frames_is_their_smallest_step_where_that_is_one_of_a_ct():
    for heights, said, of_ct, expected in (
        ((0, 5, 10, 15), 1.0, 1.0, 5.0),  # a thick stack on a thin CT
        ((0, 1, 2, 30, 31), None, 1.0, 1.0),  # two pieces
        ((0, 5, 15), None, 1.0, 5.0),  # one frame was empty
        ((0, 40), None, 2.0, 2.0),  # two pieces of one frame each
        ((0, 4), 2.0, 1.0, 2.0),
        ((0, 5), None, 1.0, 5.0),
        ((0, 2, 5), None, 1.0, 1.0),
        ((7,), None, 1.5, 1.5),
        ((7,), 3.0, None, 3.0),
    ):
        found = _slice_spacing(np.array(heights, float), said, of_ct)
        assert found == pytest.approx(expected), heights
    with pytest.raises(InputError, match="one frame and no slice spacing"):
        _slice_spacing(np.array([7.0]), None, None)


def test_deflated_bits_are_those_that_were_written(scans, tmp_path):
    """The whole data set deflated, and each frame by itself (PS3.5 A.5 and A.4.13)."""
    thin, mask = open_ct(scans / "thin"), block(41, 8, 13)
    path = write_seg(tmp_path / "seg.dcm", scans / "thin", mask)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "whole.dcm")
    assert np.array_equal(voxels(read_mask(tmp_path / "whole.dcm", thin), thin), mask)
    for allocated in (1, 8):
        dataset = pydicom.dcmread(path)
        frames = dataset.pixel_array.astype(np.uint8)
        native = [
            np.packbits(frame.ravel(), bitorder="little") if allocated == 1 else frame.ravel()
            for frame in frames
        ]
        deflated = [zlib.compressobj(wbits=-15) for _ in native]
        streams = [
            one.compress(frame.tobytes()) + one.flush()
            for one, frame in zip(deflated, native, strict=True)
        ]
        dataset.BitsAllocated = dataset.BitsStored = allocated
        dataset.HighBit = allocated - 1
        dataset.PixelData = encapsulate(streams)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.save_as(tmp_path / "frames.dcm")
        data = (tmp_path / "frames.dcm").read_bytes()  # pydicom 3.0 does not know the syntax
        data = data.replace(JPEGBaseline8Bit.encode(), b"1.2.840.10008.1.2.8.1\0", 1)
        (tmp_path / "frames.dcm").write_bytes(data)
        assert np.array_equal(voxels(read_mask(tmp_path / "frames.dcm", thin), thin), mask)


def test_fractions_are_in_from_one_half_of_the_maximum_on(scans, tmp_path):
    thin, mask = open_ct(scans / "thin"), block(41, 8, 13)
    path = write_seg(
        tmp_path / "seg.dcm", scans / "thin", mask * np.float32(1), kind="FRACTIONAL",
        fractional_type="PROBABILITY",
    )  # fmt: skip
    for maximum in (254, 255, 100):
        for value in (1, maximum // 2 - 1, maximum // 2, maximum // 2 + 1, maximum):

            def change(dataset, maximum=maximum, value=value):
                dataset.MaximumFractionalValue = maximum
                pixels = np.frombuffer(dataset.PixelData, np.uint8).copy()
                pixels[pixels > 0] = maximum  # the rest of the tumour
                pixels[np.flatnonzero(pixels)[:3]] = value
                dataset.PixelData = pixels.tobytes()

            edited(path, change)
            lost = int(mask.sum()) - int(voxels(read_mask(path, thin), thin).sum())
            assert lost == (0 if value / maximum >= 0.5 else 3), (maximum, value)


def test_sound_segmentations_of_other_things_than_a_ct_are_not_called_damaged(scans, tmp_path):
    thin = open_ct(scans / "thin")

    def no_place(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.PlanePositionSequence

    def slide(dataset):
        dataset.TotalPixelMatrixColumns = 9000
        del dataset.PerFrameFunctionalGroupsSequence

    def surface(dataset):
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.5"
        del dataset.NumberOfFrames

    def other_scan(dataset):
        dataset.FrameOfReferenceUID = pydicom.uid.generate_uid()

    for change, said in (
        (no_place, "have no place in the patient"),
        (slide, "have no place in the patient"),
        (surface, "of surfaces, not of voxels"),
        (other_scan, "another frame of reference"),
    ):
        path = write_seg(tmp_path / "seg.dcm", scans / "thin", block(41, 8, 13))
        with pytest.raises(InputError, match=said) as caught:
            read_mask(edited(path, change), thin)
        assert "damaged" not in str(caught.value)


def test_empty_segments_are_not_offered(scans, tmp_path):
    thin, mask = open_ct(scans / "thin"), block(41, 8, 13)
    masks = np.stack([mask, np.roll(mask, 3, axis=2), mask * 0])
    path = write_seg(tmp_path / "seg.dcm", scans / "thin", masks, names=("A", "B", "none"))
    with pytest.raises(InputError, match="choose one with --roi: 'A', 'B'; 1 more are empty"):
        read_mask(path, thin)
