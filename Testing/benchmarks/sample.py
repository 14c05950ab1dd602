"""What the crop is measured on: chest CT series with headers as scanners write them, and masks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ..dicom_maker import write_series

SPACING = (0.7, 0.7, 1.0)  # mm
ORIGIN = (-179.0, -171.5, -412.0)
BALL_MM = 25.0  # diameter
SIDE = 512

# What a scanner writes beside the elements that Testing.dicom_maker gives.
_SCANNER = {
    "SpecificCharacterSet": "ISO_IR 100",
    "SeriesDate": "20200202",
    "AcquisitionDate": "20200202",
    "ContentDate": "20200202",
    "SeriesTime": "101033.120000",
    "AcquisitionTime": "101041.880000",
    "ContentTime": "101041.880000",
    "InstitutionName": "General Hospital",
    "StationName": "CT01",
    "StudyDescription": "CT CHEST W CONTRAST",
    "SeriesDescription": "THORAX 1.0 B45f",
    "InstitutionalDepartmentName": "Radiology",
    "ManufacturerModelName": "Model 64",
    "PatientAge": "069Y",
    "PatientSize": 1.68,
    "PatientWeight": 71.5,
    "PatientIdentityRemoved": "YES",
    "ContrastBolusAgent": "OMNIPAQUE",
    "BodyPartExamined": "CHEST",
    "ScanOptions": "HELICAL MODE",
    "KVP": 120,
    "DeviceSerialNumber": "123456",
    "SoftwareVersions": "syngo CT 2007S",
    "ProtocolName": "01_CHEST",
    "ReconstructionDiameter": 358.4,
    "DistanceSourceToDetector": 1040,
    "DistanceSourceToPatient": 570,
    "GantryDetectorTilt": 0,
    "TableHeight": 137,
    "RotationDirection": "CW",
    "ExposureTime": 500,
    "XRayTubeCurrent": 381,
    "Exposure": 317,
    "FilterType": "0",
    "GeneratorPower": 42,
    "FocalSpots": 1.2,
    "ConvolutionKernel": "B45f",
    "SingleCollimationWidth": 0.6,
    "TotalCollimationWidth": 19.2,
    "SpiralPitchFactor": 1.2,
    "AcquisitionNumber": 2,
    "PositionReferenceIndicator": "SN",
    "ImageComments": "CONTRAST",
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 3661,
    "WindowCenter": [-700, 50],
    "WindowWidth": [1500, 350],
    "WindowCenterWidthExplanation": ["WINDOW1", "WINDOW2"],
}


def write_samples(folder: Path, counts: tuple[int, ...]) -> dict[int, tuple[Path, Path]]:
    """Series of so many slices of one patient, and for each a mask: {slices: (folder, file)}.

    The shorter series are links to the first slices of the longest.
    """
    most = max(counts)
    made = write_series(
        folder / f"ct-{most}",
        _chest(most),
        spacing=SPACING,
        origin=ORIGIN,
        signed=True,
        edit=_as_by_scanner,
    )
    samples = {}
    for count in counts:
        part = folder / f"ct-{count}"
        if count != most:
            part.mkdir()
            for file in sorted(made.iterdir())[:count]:
                _link(file, part / file.name)
        mask = folder / f"mask-{count}.nii.gz"
        sitk.WriteImage(ball(count), mask)
        samples[count] = (part, mask)
    return samples


def ball(slices: int) -> sitk.Image:
    """A mask with a ball near the middle of a series, off the voxel centres."""
    z, y, x = np.ogrid[:slices, :SIDE, :SIDE]
    middle = np.array([240.3, 262.1, slices / 2 + 0.2])
    along = (axis * own for axis, own in zip((x, y, z), SPACING, strict=True))
    squares = [(a - c) ** 2 for a, c in zip(along, middle * SPACING, strict=True)]
    image = sitk.GetImageFromArray((sum(squares) < (BALL_MM / 2) ** 2).astype(np.uint8))
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    return image


def _chest(slices: int) -> np.ndarray:
    """HU: a chest wall round lung, noise and a wave in every direction."""
    random = np.random.default_rng(0)
    y, x = np.ogrid[:SIDE, :SIDE]
    radius = np.hypot((x - 256) / 240, (y - 256) / 180)
    plane = np.where(radius < 0.8, -820, np.where(radius < 1, 40, -1000)).astype(np.int16)
    noise = random.normal(0, 25, (8, SIDE, SIDE)).astype(np.int16)
    hu = np.empty((slices, SIDE, SIDE), np.int16)
    for z, out in enumerate(hu):
        wave = 60 * np.sin(0.11 * z + 0.07 * x + 0.05 * y)
        np.add(plane + noise[z % 8], wave, out=out, casting="unsafe")
    return hu


def _as_by_scanner(dataset: Dataset, number: int) -> None:
    for keyword, value in _SCANNER.items():
        setattr(dataset, keyword, value)
    dataset.SliceLocation = dataset.ImagePositionPatient[2]
    dataset.AcquisitionTime = f"1010{41 + number * 0.01:09.6f}"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "CTCHW", "GEIIS"
    code.CodeMeaning = "CT CHEST W CONTRAST"
    dataset.ProcedureCodeSequence = [code]
    dataset["ProcedureCodeSequence"].is_undefined_length = True
    image = Dataset()
    image.ReferencedSOPClassUID = dataset.SOPClassUID
    image.ReferencedSOPInstanceUID = generate_uid()
    dataset.ReferencedImageSequence = [image]
    private = dataset.private_block(0x0019, "SCANNER 1.0", create=True)
    private.add_new(0x10, "LO", "reconstruction")
    private.add_new(0x90, "OB", bytes(range(256)))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
