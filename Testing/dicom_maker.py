"""DICOM series made to order for tests: any geometry, any encoding, any fault."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

AXIAL = (1.0, 0, 0, 0, 1, 0)
CORONAL = (1.0, 0, 0, 0, 0, -1)
SAGITTAL = (0.0, 1, 0, 0, 0, -1)


def some_hu(shape=(12, 32, 40), seed=0) -> np.ndarray:
    """HU that look like nothing, but differ everywhere (z, y, x)."""
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


def write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    spacing=(0.8, 0.7, 2.5),
    origin=(-100.0, -90.0, -50.0),
    orientation=AXIAL,
    slope=1.0,
    intercept=-1024.0,
    syntax=ExplicitVRLittleEndian,
    bits_stored=16,
    signed=False,
    edit: Callable[[Dataset, int], None] | None = None,
    series_uid: str | None = None,
    frame_uid: str | None = None,
) -> Path:
    """Write one file a slice; `edit(dataset, z)` may spoil each before it is saved.

    `spacing` is x, y, z; slices follow the normal from `origin`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, frame_uid = series_uid or generate_uid(), frame_uid or generate_uid()
    study = generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    for z, plane in enumerate(hu):
        dataset = _ct_slice(series_uid, frame_uid, study, z)
        dataset.ImageOrientationPatient = [float(v) for v in orientation]
        position = np.array(origin) + z * spacing[2] * normal
        dataset.ImagePositionPatient = [round(float(v), 6) for v in position]
        dataset.PixelSpacing, dataset.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        stored = np.rint((plane - intercept) / slope)
        set_pixels(dataset, stored, bits_stored=bits_stored, signed=signed, syntax=syntax)
        if edit is not None:
            edit(dataset, z)
        save(dataset, folder / f"{z:04d}.dcm")
    return folder


def write_enhanced(path: Path, hu: np.ndarray, *, spacing=(0.8, 0.7, 2.5), shuffle=False) -> Path:
    """An enhanced multi-frame CT with a rescale of its own in each frame."""
    dataset = _ct_slice(generate_uid(), generate_uid(), generate_uid(), 0)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    order = list(range(len(hu)))
    if shuffle:
        order = order[::2] + order[1::2]
    frames, stored = [], []
    for z in order:
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [-100.0, -90.0, -50 + z * spacing[2]]
        frame.PixelValueTransformationSequence = [Dataset()]
        frame.PixelValueTransformationSequence[0].RescaleSlope = 1 + z % 2
        frame.PixelValueTransformationSequence[0].RescaleIntercept = -1024
        frame.PixelValueTransformationSequence[0].RescaleType = "HU"
        frames.append(frame)
        stored.append((hu[z].astype(int) + 1024) // (1 + z % 2))
    shared = Dataset()
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = list(AXIAL)
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [spacing[1], spacing[0]]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.NumberOfFrames = len(frames)
    set_pixels(dataset, np.array(stored))
    save(dataset, path)
    return path


def set_pixels(
    dataset: Dataset,
    stored: np.ndarray,
    *,
    bits_stored=16,
    signed=False,
    syntax=ExplicitVRLittleEndian,
) -> None:
    """Pixel data, 16 bits allocated, in any transfer syntax."""
    array = stored.astype(np.int16 if signed else np.uint16)
    dataset.Rows, dataset.Columns = array.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(signed)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.file_meta.TransferSyntaxUID = syntax
    if (
        pydicom.uid.UID(syntax).is_compressed
        and syntax != pydicom.uid.DeflatedExplicitVRLittleEndian
    ):
        frames = array if array.ndim == 3 else array[None]
        dataset.PixelData = encapsulate([_encode(frame, syntax) for frame in frames])
        dataset["PixelData"].is_undefined_length = True
    else:
        order = ">" if syntax == pydicom.uid.ExplicitVRBigEndian else "<"
        dataset.PixelData = array.astype(array.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW"


def save(dataset: Dataset, path: Path) -> None:
    """Write a data set in the transfer syntax that its file meta names."""
    syntax = pydicom.uid.UID(dataset.file_meta.TransferSyntaxUID)
    pydicom.dcmwrite(
        path,
        dataset,
        enforce_file_format=True,
        little_endian=syntax.is_little_endian,
        implicit_vr=syntax.is_implicit_VR,
    )


def write_rtstruct(path: Path, ct_folder: Path, rois: dict[str, list[np.ndarray]]) -> Path:
    """An RTSTRUCT of closed contours (LPS mm) on the series in `ct_folder`."""
    reference = pydicom.dcmread(next(iter(sorted(ct_folder.iterdir()))), stop_before_pixels=True)
    dataset = _dataset("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")
    series = Dataset()
    series.SeriesInstanceUID = reference.SeriesInstanceUID
    study = Dataset()
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = reference.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), 1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = reference.FrameOfReferenceUID
        dataset.StructureSetROISequence.append(roi)
        drawn = Dataset()
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.6f}" for value in np.asarray(points, float).ravel()]
            drawn.ContourSequence.append(contour)
        dataset.ROIContourSequence.append(drawn)
    save(dataset, path)
    return path


def _normal(dataset: Dataset) -> np.ndarray:
    """The direction in which the slices of a series follow one another."""
    orientation = np.array(dataset.ImageOrientationPatient, float)
    return np.cross(orientation[:3], orientation[3:])


def write_seg(path: Path, ct_folder: Path, masks: np.ndarray, names=("Tumour",), **options) -> Path:
    """A DICOM SEG by highdicom of masks (segment, z, y, x) or (z, y, x)."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    sources = sorted(
        (pydicom.dcmread(file) for file in ct_folder.iterdir()),
        key=lambda dataset: float(np.dot(_normal(dataset), dataset.ImagePositionPatient)),
    )
    masks = masks if masks.ndim == 4 else masks[None]
    kind = options.pop("kind", hd.seg.SegmentationTypeValues.BINARY)
    descriptions = [
        hd.seg.SegmentDescription(
            number,
            name,
            codes.SCT.Tissue,
            codes.SCT.Neoplasm if hasattr(codes.SCT, "Neoplasm") else codes.SCT.Tissue,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(names, 1)
    ]
    seg = hd.seg.Segmentation(
        sources,
        np.moveaxis(masks, 0, -1),
        kind,
        descriptions,
        generate_uid(),
        1,
        generate_uid(),
        1,
        "Test",
        "Test",
        "1",
        "1",
        **options,
    )
    seg.save_as(path)
    return path


def _ct_slice(series: str, frame: str, study: str, number: int) -> FileDataset:
    dataset = _dataset(CTImageStorage, "CT")
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series, frame
    dataset.StudyInstanceUID = study
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = number + 1
    dataset.PatientPosition = "HFS"
    dataset.RescaleType = "HU"
    return dataset


def _dataset(sop_class: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN-4711"
    dataset.PatientBirthDate, dataset.PatientSex = "19500101", "F"
    dataset.StudyDate, dataset.StudyTime = "20200202", "101010"
    dataset.AccessionNumber, dataset.StudyID = "ACC-1", "1"
    dataset.ReferringPhysicianName = "Who^Doctor"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.Manufacturer = "Test"
    return dataset


def _encode(frame: np.ndarray, syntax: str) -> bytes:
    if syntax == RLELossless:
        from pydicom.pixels.encoders import RLELosslessEncoder

        options = {
            "rows": frame.shape[0],
            "columns": frame.shape[1],
            "bits_allocated": 16,
            "bits_stored": 16,
            "pixel_representation": int(frame.dtype.kind == "i"),
            "samples_per_pixel": 1,
            "photometric_interpretation": "MONOCHROME2",
            "number_of_frames": 1,
        }
        return RLELosslessEncoder.encode(frame, **options)
    if syntax == JPEGLSLossless:
        import jpeg_ls

        return bytes(jpeg_ls.encode_array(np.ascontiguousarray(frame.view(np.uint16))))
    with tempfile.TemporaryDirectory() as folder:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(Path(folder) / "frame.dcm"))
        writer.SetCompressor({JPEG2000Lossless: "JPEG2000", JPEGLosslessSV1: "JPEG"}[syntax])
        writer.UseCompressionOn()
        writer.Execute(sitk.GetImageFromArray(frame[None]))
        data = pydicom.dcmread(Path(folder) / "frame.dcm").PixelData
    return next(pydicom.encaps.generate_frames(data, number_of_frames=1))
