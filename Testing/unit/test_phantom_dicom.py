"""The phantom's DICOM files: complete, reproducible, and read back the same by others."""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib.errors import InputError, MissingPackageError
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.phantom.dicom import PatientFiles, ct_datasets, rtstruct_dataset, write_patient
from LungSquadLib.phantom.patient import Phantom

OBLIQUE = (
    0.93969262,
    -0.29619813,
    0.17101007,
    0.34202014,
    0.81379768,
    -0.46984631,
    0.0,
    0.5,
    0.8660254,
)
# Attributes of type 1 (not empty) and of type 2 (there, perhaps empty), PS3.3 A.3 and A.19.
COMMON_1 = """
    SOPClassUID SOPInstanceUID StudyInstanceUID FrameOfReferenceUID Modality SeriesInstanceUID
"""
COMMON_2 = """
    PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime StudyID AccessionNumber
    ReferringPhysicianName PositionReferenceIndicator SeriesNumber Manufacturer
"""
CT_1 = """
    ImageType PixelSpacing ImageOrientationPatient ImagePositionPatient SamplesPerPixel
    PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation
    PixelData RescaleIntercept RescaleSlope
"""
CT_2 = "InstanceNumber SliceThickness KVP AcquisitionNumber PatientPosition"
RTSTRUCT_1 = (
    "StructureSetLabel StructureSetROISequence ROIContourSequence RTROIObservationsSequence"
)
RTSTRUCT_2 = "OperatorsName StructureSetDate StructureSetTime"


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return Phantom(3)


@pytest.fixture(scope="module")
def grid(phantom) -> Grid:
    grid = phantom.tumour_grid(40, spacing=1.5)
    return dataclasses.replace(grid, spacing=(1.5, 1.25, 3.0), size=(40, 48, 20))


@pytest.fixture(scope="module")
def files(phantom, grid, tmp_path_factory) -> PatientFiles:
    pytest.importorskip("highdicom")
    return write_patient(phantom, tmp_path_factory.mktemp("p") / "Patientin Ä", grid=grid)


@pytest.fixture(scope="module")
def slices(files) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(files.ct.iterdir())]


def series(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def filled(rtstruct: pydicom.Dataset, grid: Grid) -> np.ndarray:
    """Even-odd filling of the contours: for each pixel centre, count the edges to the right."""
    crossings = np.zeros(grid.size[::-1], int)
    rows, columns = np.mgrid[: grid.size[1], : grid.size[0]]
    for contour in rtstruct.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        x, y, z = grid.to_index(points).T
        assert np.ptp(z) < 1e-3
        index = round(float(z[0]))
        for x0, y0, y1 in zip(x, y, np.roll(y, -1), strict=True):
            between = (rows > min(y0, y1)) & (rows < max(y0, y1))
            crossings[index] += between & (columns < x0)
    return (crossings % 2).astype(np.uint8)


def test_simpleitk_reads_the_voxels_and_where_they_lie(phantom, grid, files):
    image = series(files.ct)
    assert np.array_equal(sitk.GetArrayFromImage(image), phantom.ct(grid))
    assert Grid.of(image).offset_in(grid) == (0, 0, 0)
    assert image.GetSpacing() == pytest.approx(grid.spacing)
    assert image.GetOrigin() == pytest.approx(grid.origin)


def test_oblique_slices_lie_where_the_grid_says(phantom, grid, tmp_path):
    oblique = dataclasses.replace(grid, direction=OBLIQUE, size=(8, 9, 5))
    hu = phantom.ct(oblique)
    for dataset in ct_datasets(phantom, oblique, hu):
        dataset.save_as(tmp_path / f"{dataset.InstanceNumber}.dcm")
    image = series(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(image), hu)
    assert Grid.of(image).offset_in(oblique) == (0, 0, 0)
    assert image.GetDirection() == pytest.approx(OBLIQUE, abs=1e-6)


def test_rtstruct_filled_by_the_even_odd_rule_is_the_mask(phantom, grid, files):
    rtstruct = pydicom.dcmread(files.rtstruct)
    assert np.array_equal(filled(rtstruct, grid), phantom.mask(grid))


def test_holes_survive_in_the_rtstruct(slices, grid, tmp_path):
    mask = np.zeros(grid.size[::-1], np.uint8)
    mask[3:6, 10:30, 8:30] = 1
    mask[4, 15:20, 12:20] = 0
    mask[4, 17, 15] = 1
    rtstruct_dataset(slices, grid, mask).save_as(tmp_path / "rs.dcm")
    rtstruct = pydicom.dcmread(tmp_path / "rs.dcm")
    assert len(rtstruct.ROIContourSequence[0].ContourSequence) == 5
    assert np.array_equal(filled(rtstruct, grid), mask)


def test_highdicom_reads_the_mask(phantom, grid, files, slices):
    import highdicom

    seg = highdicom.seg.segread(files.seg)
    read = seg.get_pixels_by_source_instance(
        [ct.SOPInstanceUID for ct in slices],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    assert np.array_equal(read, phantom.mask(grid))
    (segment,) = seg.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Neoplasm"
    assert segment.TrackingID
    assert segment.SegmentLabel == "Tumour"
    (scheme,) = seg.CodingSchemeIdentificationSequence
    family = segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0]
    assert scheme.CodingSchemeDesignator == family.CodingSchemeDesignator


def test_simpleitk_places_the_seg_on_the_ct(phantom, grid, files):
    image = sitk.DICOMOrient(sitk.ReadImage(str(files.seg)), "LPS")
    offset = Grid.of(image).offset_in(grid)
    assert offset is not None
    mask = phantom.mask(grid)
    first = offset[2]
    read = sitk.GetArrayFromImage(image) > 0
    assert np.array_equal(read, mask[first : first + len(read)] > 0)


def test_same_call_writes_the_same_bytes(phantom, grid, files, tmp_path):
    again = write_patient(Phantom(3), tmp_path, grid=grid)
    for one, other in ((files.rtstruct, again.rtstruct), (files.seg, again.seg)):
        assert one.read_bytes() == other.read_bytes()
    for path in files.ct.iterdir():
        assert path.read_bytes() == (again.ct / path.name).read_bytes()


def test_what_differs_in_pixels_differs_in_uids(phantom, grid):
    hu = np.zeros((2, 4, 4), np.int16)
    seen = [
        ct_datasets(phantom, grid, hu),
        ct_datasets(phantom, grid, hu, "ANOTHER"),
        ct_datasets(phantom, dataclasses.replace(grid, origin=(0, 0, 0)), hu),
        ct_datasets(Phantom(4), grid, hu),
        ct_datasets(Phantom(3, histology=other(phantom)), grid, hu),
    ]
    uids = [dataset.SOPInstanceUID for datasets in seen for dataset in datasets]
    assert len(set(uids)) == 2 * len(seen)
    assert len({datasets[0].SeriesInstanceUID for datasets in seen}) == len(seen)


def other(phantom: Phantom) -> str:
    return "LUAD" if phantom.tumour.histology == "LUSC" else "LUSC"


def test_uids_are_valid_and_derived_from_uuids(files, slices):
    found = defaultdict(set)
    for dataset in (*slices, pydicom.dcmread(files.rtstruct), pydicom.dcmread(files.seg)):
        for element in dataset.iterall():
            if element.VR == "UI" and not str(element.value).startswith("1.2.840."):
                found[element.keyword].add(element.value)
    assert len(found["SOPInstanceUID"]) == len(slices) + 2
    assert len(found["StudyInstanceUID"]) == len(found["FrameOfReferenceUID"]) == 1
    for uid in set.union(*found.values()):
        assert pydicom.uid.UID(uid).is_valid
        assert uid.startswith("2.25.")
        assert len(uid) <= 64


def test_attributes_that_the_standard_asks_for_are_there(files, slices):
    rtstruct = pydicom.dcmread(files.rtstruct)
    for dataset, full, there in (
        (slices[0], CT_1, CT_2),
        (slices[-1], CT_1, CT_2),
        (rtstruct, RTSTRUCT_1, RTSTRUCT_2),
    ):
        for name in (COMMON_1 + full).split():
            assert dataset.get(name) not in (None, "", []), name
        for name in (COMMON_2 + there).split():
            assert name in dataset, name
    assert slices[0].file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert slices[0].file_meta.MediaStorageSOPInstanceUID == slices[0].SOPInstanceUID
    assert (slices[0].BitsStored, slices[0].RescaleIntercept) == (12, -1024)
    assert max(dataset.pixel_array.max() for dataset in slices) < 4096


def test_files_say_that_nobody_was_scanned(slices):
    ct = slices[0]
    assert str(ct.PatientName) == "Phantom^Seed 3"
    assert "phantom" in ct.Manufacturer
    assert ct.ImageComments == "Computer-made phantom, not a patient"
    assert ct.QualityControlSubject == "YES"
    assert ct.ImageType[0] == "DERIVED"


def test_rtstruct_and_seg_refer_to_the_slices_they_lie_on(grid, files, slices):
    uids = [ct.SOPInstanceUID for ct in slices]
    rtstruct, seg = pydicom.dcmread(files.rtstruct), pydicom.dcmread(files.seg)
    frame = rtstruct.ReferencedFrameOfReferenceSequence[0]
    study = frame.RTReferencedStudySequence[0]
    listed = study.RTReferencedSeriesSequence[0].ContourImageSequence
    assert [item.ReferencedSOPInstanceUID for item in listed] == uids
    assert study.ReferencedSOPInstanceUID == slices[0].StudyInstanceUID
    for contour in rtstruct.ROIContourSequence[0].ContourSequence:
        index = uids.index(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        assert float(contour.ContourData[2]) == pytest.approx(grid.to_lps((0, 0, index))[2])
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        index = uids.index(source.ReferencedSOPInstanceUID)
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert list(position) == list(slices[index].ImagePositionPatient)


def test_default_grid_is_a_whole_chest(phantom):
    grid = phantom.chest_grid()
    assert grid.size[:2] == (512, 512)
    assert grid.spacing == (0.7, 0.7, 2.0)
    assert 120 <= grid.size[2] <= 155


def test_missing_highdicom_is_named_before_any_work(phantom, grid, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.setattr(Phantom, "ct", None)
    with pytest.raises(MissingPackageError, match=r"lungsquad\[dicom\]"):
        write_patient(phantom, tmp_path / "out", grid=grid)
    assert not (tmp_path / "out").exists()


def test_grid_without_the_tumour_is_refused(phantom, grid, tmp_path):
    pytest.importorskip("highdicom")
    with pytest.raises(InputError, match="tumour"):
        write_patient(phantom, tmp_path / "out", grid=dataclasses.replace(grid, origin=(0, 0, 900)))
    assert list(tmp_path.iterdir()) == []
