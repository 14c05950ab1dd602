"""A DICOM CT is read as it lies in the patient, or refused with the reason."""

import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Box

from ..dicom_maker import AXIAL, CORONAL, SAGITTAL, some_hu, write_enhanced, write_series

HU = some_hu()


def voxels(image):
    return sitk.GetArrayFromImage(image)


def codes(ct):
    return [flag.code for flag in ct.flags]


def refused(path, **options):
    with pytest.raises(InputError) as caught:
        open_ct(path, **options).read()
    return str(caught.value)


def test_slices_are_ordered_by_position_not_by_name_or_number(tmp_path):
    write_series(tmp_path, HU)
    files = sorted(tmp_path.iterdir())
    for number, file in enumerate(np.random.default_rng(1).permutation(files)):
        shutil.move(file, tmp_path / f"shuffled-{number}.dcm")
    image = open_ct(tmp_path).read()
    assert np.array_equal(voxels(image), HU)
    assert np.allclose(image.GetSpacing(), (0.8, 0.7, 2.5))
    assert np.allclose(image.GetOrigin(), (-100, -90, -50))


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_orientation_is_where_simpleitk_says_it_is(tmp_path, orientation):
    write_series(tmp_path, HU, orientation=orientation)
    ours = open_ct(tmp_path).read()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    theirs = sitk.DICOMOrient(reader.Execute(), "LPS")
    assert np.array_equal(voxels(ours), voxels(theirs))
    assert np.allclose(ours.GetDirection(), theirs.GetDirection())
    assert np.allclose(ours.GetOrigin(), theirs.GetOrigin())
    assert np.allclose(ours.GetSpacing(), theirs.GetSpacing())


def test_an_oblique_volume_keeps_its_angle(tmp_path):
    angle = np.radians(20)
    turned = (np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0)
    write_series(tmp_path, HU, orientation=[round(v, 6) for v in turned])
    grid = open_ct(tmp_path).grid
    assert np.allclose(np.array(grid.direction).reshape(3, 3)[:, 0], turned[:3], atol=1e-5)
    assert np.allclose(np.linalg.det(np.array(grid.direction).reshape(3, 3)), 1)


def test_feet_first_changes_nothing_because_positions_say_where_slices_are(tmp_path):
    def feet_first(dataset, z):
        dataset.PatientPosition = "FFS"
        dataset.InstanceNumber = 100 - z

    write_series(tmp_path, HU, edit=feet_first)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), HU)


def test_each_slice_has_its_own_rescale(tmp_path):
    def halve(dataset, z):
        if z % 2:
            dataset.RescaleSlope = 2
            pixels = np.frombuffer(dataset.PixelData, np.uint16) // 2
            dataset.PixelData = pixels.tobytes()

    even = HU // 2 * 2
    write_series(tmp_path, even, edit=halve)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), even)


def test_fractional_rescale_gives_float32(tmp_path):
    write_series(tmp_path, HU, slope=0.5)
    image = open_ct(tmp_path).read()
    assert image.GetPixelID() == sitk.sitkFloat32
    assert np.abs(voxels(image) - HU).max() <= 0.25


def test_monochrome1_hu_are_not_inverted_and_it_is_said(tmp_path):
    def inverted_display(dataset, z):
        dataset.PhotometricInterpretation = "MONOCHROME1"

    write_series(tmp_path, HU, edit=inverted_display)
    ct = open_ct(tmp_path)
    assert np.array_equal(voxels(ct.read()), HU)
    assert codes(ct) == ["monochrome1"]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        JPEGLosslessSV1,
        RLELossless,
    ],
    ids=lambda uid: uid.name.replace(" ", "-"),
)
def test_every_transfer_syntax_gives_the_same_hu(tmp_path, syntax, signed):
    intercept = 0.0 if signed else -1024.0
    write_series(tmp_path, HU, syntax=syntax, signed=signed, intercept=intercept)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), HU)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_ignored(tmp_path, signed):
    def overlay(dataset, z):
        pixels = np.frombuffer(dataset.PixelData, np.uint16)
        dataset.PixelData = ((pixels & 0x0FFF) | 0xA000).tobytes()

    intercept = 0.0 if signed else -1024.0
    write_series(tmp_path, HU, bits_stored=12, signed=signed, intercept=intercept, edit=overlay)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), HU)


@pytest.mark.parametrize("shuffle", [False, True])
def test_enhanced_multi_frame_is_ordered_and_rescaled_frame_by_frame(tmp_path, shuffle):
    even = HU // 2 * 2
    path = write_enhanced(tmp_path / "enhanced.dcm", even, shuffle=shuffle)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), even)
    assert np.array_equal(voxels(open_ct(path).read()), even)
    assert np.allclose(open_ct(path).grid.spacing, (0.8, 0.7, 2.5))


def test_any_box_is_what_the_whole_volume_has_there(tmp_path):
    write_series(tmp_path / "raw", HU)
    write_series(tmp_path / "jls", HU, syntax=JPEGLSLossless)
    box = Box((5, 7, 3), (20, 31, 9))
    for folder in ("raw", "jls"):
        ct = open_ct(tmp_path / folder)
        part = ct.read(box)
        assert np.array_equal(voxels(part), HU[3:9, 7:31, 5:20])
        assert np.allclose(part.GetOrigin(), ct.grid.to_lps((5, 7, 3)))


def test_one_file_stands_for_its_series(tmp_path):
    write_series(tmp_path / "a", HU)
    assert open_ct(tmp_path / "a" / "0003.dcm").grid.size == (40, 32, 12)


def test_junk_scouts_and_other_modalities_are_passed_over(tmp_path):
    write_series(tmp_path / "ct" / "deep" / "er", HU)
    write_series(
        tmp_path / "pet",
        HU,
        edit=lambda d, z: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.128"),
    )

    def scout(dataset, z):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path / "scout", HU[:1], edit=scout)
    (tmp_path / "notes.txt").write_text("junk")
    (tmp_path / "empty").write_bytes(b"")
    assert np.array_equal(voxels(open_ct(tmp_path).read()), HU)


def test_a_scout_inside_the_series_is_left_out(tmp_path):
    uid, frame = generate_uid(), generate_uid()
    write_series(tmp_path / "a", HU, series_uid=uid, frame_uid=frame)

    def scout(dataset, z):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path / "b", HU[:1, :16], orientation=CORONAL, series_uid=uid, edit=scout)
    assert open_ct(tmp_path).grid.size == (40, 32, 12)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path):
    write_series(tmp_path / "a", HU, series_uid="1.2.3")
    write_series(tmp_path / "b", HU[:6], series_uid="1.2.4")
    message = refused(tmp_path)
    assert "--series" in message
    assert "1.2.3  12 slices" in message
    assert "1.2.4  6 slices" in message
    assert open_ct(tmp_path, series="1.2.4").grid.size == (40, 32, 6)
    assert "1.2.3  12 slices" in refused(tmp_path, series="9.9")


def test_a_copied_file_is_used_once(tmp_path):
    write_series(tmp_path, HU)
    shutil.copy(tmp_path / "0004.dcm", tmp_path / "0004 (copy).dcm")
    ct = open_ct(tmp_path)
    assert np.array_equal(voxels(ct.read()), HU)
    assert codes(ct) == ["duplicate_slices"]


def test_two_different_slices_at_one_place_are_refused_with_the_place(tmp_path):
    uid, frame = generate_uid(), generate_uid()
    write_series(tmp_path / "a", HU, series_uid=uid, frame_uid=frame)
    write_series(tmp_path / "b", HU[:1] + 1, series_uid=uid, frame_uid=frame)
    assert "duplicate slices at -50 mm" in refused(tmp_path)


def test_missing_slices_are_named_with_their_place(tmp_path):
    write_series(tmp_path, HU)
    (tmp_path / "0005.dcm").unlink()
    (tmp_path / "0006.dcm").unlink()
    message = refused(tmp_path)
    assert "Slices are missing: 2 between -40 and -32.5 mm" in message


def test_unevenly_spaced_slices_are_refused_with_the_place(tmp_path):
    def drift(dataset, z):
        if z > 6:
            x, y, height = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, float(height) + 1]

    write_series(tmp_path, HU, edit=drift)
    assert "unevenly spaced: 3.5 mm after -35 mm" in refused(tmp_path)


def test_rounded_positions_are_taken_as_even(tmp_path):
    def rounded(dataset, z):
        x, y, height = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, round(float(height), 1)]

    write_series(tmp_path, HU, spacing=(0.8, 0.7, 1.25), edit=rounded)
    ct = open_ct(tmp_path)
    assert np.isclose(ct.grid.spacing[2], 1.25, atol=0.01)
    assert codes(ct) == ["uneven_slices"]


def test_gantry_tilt_is_refused_with_the_angle(tmp_path):
    def tilted(dataset, z):
        x, y, height = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, float(y) + z * 2.5 * np.tan(np.radians(15)), height]

    write_series(tmp_path, HU, edit=tilted)
    assert "gantry tilt of 15.0 degrees" in refused(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: setattr(d, "PixelSpacing", [0.5, 0.5]), "mixes geometries"),
        (lambda d: setattr(d, "ImageOrientationPatient", list(CORONAL)), "mixes geometries"),
        (lambda d: setattr(d, "FrameOfReferenceUID", "1.2.9"), "frames of reference"),
        (lambda d: delattr(d, "RescaleSlope"), "no rescale slope"),
        (lambda d: setattr(d, "RescaleSlope", 0), "rescale slope 0"),
        (lambda d: setattr(d, "RescaleType", "MGML"), "'MGML', not HU"),
        (lambda d: delattr(d, "ImagePositionPatient"), "does not say where its slice lies"),
        (lambda d: setattr(d, "PixelSpacing", [0, 0.7]), "no usable Pixel Spacing"),
        (lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "perpendicular"),
        (lambda d: setattr(d, "PixelData", d.PixelData[:-200]), "is truncated"),
        (lambda d: delattr(d, "PixelData"), "no pixel data"),
        (lambda d: setattr(d, "Rows", 0), "0 rows"),
        (lambda d: setattr(d, "SamplesPerPixel", 3), "3 samples"),
        (lambda d: setattr(d, "BitsAllocated", 12), "12 bits"),
    ],
)
def test_a_fault_in_one_slice_is_named(tmp_path, spoil, said):
    write_series(tmp_path, HU, edit=lambda dataset, z: spoil(dataset) if z == 4 else None)
    assert said in refused(tmp_path)


def test_other_modalities_alone_are_refused_by_name(tmp_path):
    def magnetic(dataset, z):
        dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.4", "MR"

    write_series(tmp_path, HU, edit=magnetic)
    assert "no CT series: there are 1 MR series" in refused(tmp_path)
    assert "not a CT image (modality MR)" in refused(tmp_path / "0001.dcm")


def test_truncated_compressed_frames_are_refused(tmp_path):
    write_series(tmp_path, HU, syntax=JPEG2000Lossless)
    file = tmp_path / "0004.dcm"
    file.write_bytes(file.read_bytes()[:-600])
    assert "0004.dcm" in refused(tmp_path)


def test_a_file_cut_in_its_header_is_flagged_not_hidden(tmp_path):
    write_series(tmp_path, HU)
    file = tmp_path / "0011.dcm"
    file.write_bytes(file.read_bytes()[:300])
    ct = open_ct(tmp_path)
    assert ct.grid.size[2] == 11
    assert codes(ct) == ["unreadable_files"]
    assert ct.flags[0].sentence.startswith("1 files could not be read")


def test_dropping_into_a_link_loop_ends(tmp_path):
    write_series(tmp_path / "ct", HU)
    (tmp_path / "ct" / "loop").symlink_to(tmp_path)
    (tmp_path / "ct" / "self").symlink_to(tmp_path / "ct" / "self")
    assert open_ct(tmp_path).grid.size == (40, 32, 12)


def test_patient_id_is_decoded_in_its_character_set(tmp_path):
    def named(dataset, z):
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientID = "Müller"

    write_series(tmp_path, HU, edit=named)
    assert open_ct(tmp_path).dicom.patient_id == "Müller"


def test_headers_with_nested_open_ended_sequences_are_scanned(tmp_path):
    def nested(dataset, z):
        inner = pydicom.Dataset()
        inner.CodeValue, inner.CodeMeaning = "1", "x" * 20_000
        outer = pydicom.Dataset()
        outer.add_new(0x00081084, "SQ", [inner])
        outer.is_undefined_length_sequence_item = True
        dataset.add_new(0x00081032, "SQ", [outer])
        dataset["ProcedureCodeSequence"].is_undefined_length = True
        outer["AdmittingDiagnosesCodeSequence"].is_undefined_length = True

    write_series(tmp_path, HU, edit=nested)
    assert np.array_equal(voxels(open_ct(tmp_path).read()), HU)


def test_slices_are_read_once_and_when_they_are_needed(tmp_path):
    hu = np.random.default_rng(0).integers(-1000, 400, (9, 6, 5)).astype(np.int16)
    write_series(tmp_path, hu, spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0))
    whole = open_ct(tmp_path)
    read = []

    class Counted:
        def read(self, box, progress):
            read.extend(range(box.start[2], box.stop[2]))
            return whole.voxels.read(box, progress)

    ct = replace(whole, voxels=Counted()).read_once()
    assert read == []
    for start, stop in [((1, 2, 4), (3, 5, 6)), ((0, 0, 3), (5, 6, 8)), ((2, 0, 0), (5, 1, 9))]:
        box = Box(start, stop)
        assert np.array_equal(ct.hu(box), hu[box.slices])
    assert sorted(read) == list(range(9))
    assert ct.sha256 == whole.sha256 == open_ct(tmp_path).sha256
