"""The phantom patient as DICOM files: a CT series, its tumour as RTSTRUCT and as SEG.

The files depend only on the phantom, the grid and the patient's ID: the same call writes the same
bytes. UIDs are derived from UUIDs (PS3.5 B.2), dates are fixed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..errors import InputError, MissingPackageError
from ..files import whole_folder
from ..imaging.contours import outlines
from ..imaging.geometry import Grid
from ..progress import Part, Progress, Silent, step
from .patient import Phantom

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_UIDS = uuid.UUID("8e0b1d52-5a3c-4c0f-9a55-3f5d2c1e7b60")  # the name space of all phantom UIDs
_CT, _RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"
_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_DATE, _TIME = "20200101", "120000"
_COMMENT = "Computer-made phantom, not a patient"
_MANUFACTURER = "LungSquad phantom"


@dataclass(frozen=True)
class PatientFiles:
    """The files of a phantom patient: a folder of CT slices, and two files of its tumour."""

    ct: Path
    rtstruct: Path
    seg: Path


def write_patient(
    phantom: Phantom,
    folder: str | os.PathLike[str],
    *,
    grid: Grid | None = None,
    patient_id: str = "PHANTOM-0001",
    progress: Progress | None = None,
) -> PatientFiles:
    """Write `CT/0001.dcm` and so on, `RTSTRUCT.dcm` and `SEG.dcm` into `folder`.

    The grid is the whole chest unless given; its third axis is that of the slices.

    Raises:
        MissingPackageError: highdicom, which writes the SEG, is not installed.
        InputError: no voxel of the grid lies in the tumour, or `folder` is a file.
    """
    _require_highdicom()
    progress = progress or Silent()
    grid = grid or phantom.chest_grid()
    mask = phantom.mask(grid)
    if not mask.any():
        raise InputError("The grid misses the phantom's tumour: choose one that holds it.")
    hu = phantom.ct(grid, Part(progress, 0.0, 0.6))
    with whole_folder(folder, last="SEG.dcm") as temporary:
        slices = ct_datasets(phantom, grid, hu, patient_id)
        (temporary / "CT").mkdir()
        for number, dataset in enumerate(slices, start=1):
            step(progress, 0.6 + 0.2 * number / len(slices), "Writing the CT")
            dataset.save_as(temporary / "CT" / f"{number:04}.dcm")
        step(progress, 0.8, "Writing the RTSTRUCT")
        rtstruct_dataset(slices, grid, mask).save_as(temporary / "RTSTRUCT.dcm")
        step(progress, 0.9, "Writing the SEG")
        seg_dataset(slices, mask).save_as(temporary / "SEG.dcm")
    step(progress, 1.0, "The phantom patient is written")
    target = Path(folder)
    return PatientFiles(target / "CT", target / "RTSTRUCT.dcm", target / "SEG.dcm")


def ct_datasets(
    phantom: Phantom, grid: Grid, hu: np.ndarray, patient_id: str = "PHANTOM-0001"
) -> list[Dataset]:
    """CT Image Storage instances (PS3.3 A.3) of `hu` (z, y, x), one for each slice of the grid."""
    name = _name(phantom, grid, patient_id)
    row, column = grid.axes[:, 0] / grid.spacing[0], grid.axes[:, 1] / grid.spacing[1]
    normal = np.cross(row, column)
    slices = []
    for index, plane in enumerate(hu):
        dataset = _file(_CT, _uid(f"{name} slice {index}"), _EXPLICIT)
        position = grid.to_lps((0, 0, index))
        _describe_study(dataset, phantom, patient_id, name)
        _describe_series(dataset, "CT", _uid(f"{name} CT"), 1, f"Chest, {phantom.kernel.name}")
        _refer_to_frame(dataset, _uid(f"{name} frame"))
        dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
        dataset.DerivationDescription = f"Computed from seed {phantom.seed}; there was no scan"
        dataset.ImageComments = _COMMENT
        dataset.QualityControlImage = "YES"
        dataset.InstanceNumber = index + 1
        dataset.AcquisitionNumber = 1
        dataset.ContentDate, dataset.ContentTime = _DATE, _TIME
        dataset.KVP = None
        dataset.ConvolutionKernel = phantom.kernel.name.upper()
        dataset.ImagePositionPatient = _decimals(position)
        dataset.ImageOrientationPatient = _decimals([*row, *column], 10)
        dataset.PixelSpacing = _decimals((grid.spacing[1], grid.spacing[0]))
        dataset.SliceThickness = dataset.SpacingBetweenSlices = _decimals(grid.spacing[2:])[0]
        dataset.SliceLocation = _decimals([float(normal @ position)])[0]
        _add_pixels(dataset, plane)
        slices.append(dataset)
    return slices


def rtstruct_dataset(slices: Sequence[Dataset], grid: Grid, mask: np.ndarray) -> Dataset:
    """An RT Structure Set (PS3.3 A.19) with the mask's outlines as the ROI "Tumour".

    A hole is a separate contour: even-odd filling of a slice's contours gives the mask.
    """
    first = slices[0]
    dataset = _file(_RTSTRUCT, _uid(f"{first.SeriesInstanceUID} RTSTRUCT"), _IMPLICIT)
    _copy_study(dataset, first)
    series = _uid(f"{first.SeriesInstanceUID} RTSTRUCT series")
    _describe_series(dataset, "RTSTRUCT", series, 2, "Tumour outlines")
    del dataset.PatientPosition, dataset.BodyPartExamined
    _refer_to_frame(dataset, first.FrameOfReferenceUID)
    dataset.OperatorsName = ""
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = "TUMOUR"
    dataset.StructureSetDescription = _COMMENT
    dataset.StructureSetDate, dataset.StructureSetTime = _DATE, _TIME
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(slices)]
    dataset.StructureSetROISequence = [
        _item(
            ROINumber=1,
            ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID,
            ROIName="Tumour",
            ROIGenerationAlgorithm="AUTOMATIC",
        )
    ]
    contours = list(_contours(slices, grid, mask))
    dataset.ROIContourSequence = [
        _item(ReferencedROINumber=1, ROIDisplayColor=[230, 80, 60], ContourSequence=contours)
    ]
    dataset.RTROIObservationsSequence = [
        _item(
            ObservationNumber=1,
            ReferencedROINumber=1,
            RTROIInterpretedType="GTV",
            ROIInterpreter="",
        )
    ]
    return dataset


def seg_dataset(slices: Sequence[Dataset], mask: np.ndarray) -> Dataset:
    """A Segmentation (PS3.3 A.51), binary, of `mask` (z, y, x) on the CT's slices.

    Raises:
        MissingPackageError: highdicom is not installed.
    """
    _require_highdicom()
    import highdicom

    from ..imaging.dicom import codes as dc

    series = slices[0].SeriesInstanceUID
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Tumour",
        segmented_property_category=dc.ABNORMALITY,
        segmented_property_type=dc.TUMOUR,
        anatomic_regions=[dc.LUNG],
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            "Phantom", dc.ANALYTIC_SHAPE, __version__
        ),
        tracking_id="Phantom tumour 1",
        tracking_uid=_uid(f"{series} tumour"),
    )
    dataset = highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=_uid(f"{series} SEG series"),
        series_number=3,
        sop_instance_uid=_uid(f"{series} SEG"),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        manufacturer_model_name="LungSquad",
        software_versions=__version__,
        device_serial_number="0",
        content_label="TUMOUR",
        content_description=_COMMENT,
        series_description="Tumour mask",
        coding_schemes=dc.coding_schemes(),
    )
    _fix_time(dataset, _uid(f"{series} dimensions"))
    return dataset


def _require_highdicom() -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("highdicom", "Writing DICOM SEG", "dicom") from error


def _fix_time(dataset: Dataset, dimensions: str) -> None:
    """Replace the times and random UIDs of highdicom by those of the phantom."""
    times = {"DA": _DATE, "TM": _TIME, "DT": _DATE + _TIME}

    def fix(_: Dataset, element: DataElement) -> None:
        if element.VR in times and element.value:
            element.value = times[element.VR]

    dataset.walk(fix)
    dataset.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    for index in dataset.DimensionIndexSequence:
        index.DimensionOrganizationUID = dimensions


def _file(sop_class: str, instance: str, transfer_syntax: str) -> Dataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # set when it is written
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(instance)
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=bytes(128),
        is_implicit_VR=transfer_syntax == _IMPLICIT,
        is_little_endian=True,
    )
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance
    return dataset


def _describe_study(dataset: Dataset, phantom: Phantom, patient_id: str, name: str) -> None:
    dataset.PatientName = f"Phantom^Seed {phantom.seed}"
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "F" if phantom.anatomy.body.female else "M"
    dataset.PatientComments = _COMMENT
    dataset.QualityControlSubject = "YES"
    dataset.StudyInstanceUID = _uid(f"{name} study")
    dataset.StudyID = "1"
    dataset.StudyDate, dataset.StudyTime = _DATE, _TIME
    dataset.StudyDescription = "Chest CT of a computer-made phantom"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""


def _copy_study(dataset: Dataset, source: Dataset) -> None:
    for element in source:
        if element.keyword.startswith(("Patient", "Study", "QualityControlSubject")):
            dataset[element.tag] = element
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""


def _describe_series(dataset: Dataset, modality: str, uid: str, number: int, text: str) -> None:
    dataset.Modality = modality
    dataset.SeriesInstanceUID = uid
    dataset.SeriesNumber = number
    dataset.SeriesDescription = text
    dataset.SeriesDate, dataset.SeriesTime = _DATE, _TIME
    dataset.PatientPosition = "HFS"
    dataset.BodyPartExamined = "CHEST"
    dataset.Manufacturer = _MANUFACTURER
    dataset.ManufacturerModelName = "LungSquad"
    dataset.SoftwareVersions = __version__


def _refer_to_frame(dataset: Dataset, uid: str) -> None:
    dataset.FrameOfReferenceUID = uid
    dataset.PositionReferenceIndicator = ""


def _add_pixels(dataset: Dataset, hu: np.ndarray) -> None:
    """Store HU as 12 bits: the value plus 1024."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "-1024", "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = ["-600", "40"], ["1500", "400"]
    dataset.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM"]
    dataset.PixelData = np.clip(hu.astype(np.int32) + 1024, 0, 4095).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _referenced_frame(slices: Sequence[Dataset]) -> Dataset:
    first = slices[0]
    series = _item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ContourImageSequence=[_reference(ct) for ct in slices],
    )
    study = _item(
        ReferencedSOPClassUID=_STUDY_MANAGEMENT,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _contours(slices: Sequence[Dataset], grid: Grid, mask: np.ndarray) -> Iterator[Dataset]:
    number = 0
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for polygon in outlines(mask[index]):
            number += 1
            points = np.column_stack([polygon, np.full(len(polygon), float(index))])
            yield _item(
                ContourNumber=number,
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
                ContourData=_decimals(grid.to_lps(points).ravel(), 4),
                ContourImageSequence=[_reference(slices[index])],
            )


def _reference(dataset: Dataset) -> Dataset:
    return _item(
        ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID
    )


def _item(**elements: object) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _decimals(values: Sequence[float] | np.ndarray, digits: int = 6) -> list[str]:
    """Decimal strings (at most 16 characters) without needless zeros."""
    texts = [f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in values]
    return ["0" if text == "-0" else text for text in texts]


def _name(phantom: Phantom, grid: Grid, patient_id: str) -> str:
    """Return the name from which UIDs are derived; other pixels give other UIDs."""
    numbers = np.concatenate([grid.size, grid.spacing, grid.origin, grid.direction])
    geometry = " ".join(f"{number:.6f}" for number in numbers.tolist())
    return f"{__version__} {phantom.seed} {phantom.tumour.histology} {geometry} {patient_id}"


def _uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(_UIDS, name).int}"
