"""Results as DICOM: the mask as SEG, measurements and predictions as SR (TID 1500).

PS3.3 A.51 and C.8.20, PS3.16 TID 1500 and 1411. Study, series and instance UIDs of the CT stay as
they are, for without them a SEG belongs to nothing; name, ID, dates and the like are replaced
unless identity is to be kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..errors import MissingPackageError, parsing
from ..imaging.crop import mask_box
from ..imaging.ct import CT
from ..imaging.dicom.header import read_dataset
from ..imaging.dicom.planes import Plane
from ..imaging.geometry import Grid
from ..imaging.masks import Mask

_UIDS = uuid.UUID("3c1f0a54-91c5-4e0e-8d0e-6a1a43b1a7d2")  # the name space of all result UIDs
_SCHEME = "99LUNGSQUAD"
# What SEG and SR must take over from the CT and may tell who the patient is: left empty.
_IDENTITY = (
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# All that they take over else, when identity is hidden; highdicom copies whole modules.
_KEPT = frozenset(
    (
        *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
        *("FrameOfReferenceUID", "PositionReferenceIndicator", "Modality", "ImageType"),
        *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"),
        *("DimensionOrganizationSequence", "DimensionIndexSequence"),
    )
)
_KEPT_GROUPS = (0x0028, 0x5200)  # image pixels, functional groups


def require_highdicom() -> Any:
    """highdicom, or an error that says how to install it."""
    try:
        import highdicom
        import highdicom.seg
        import highdicom.sr
    except ImportError as error:
        raise MissingPackageError("highdicom", "Writing DICOM SEG and SR", "dicom") from error
    return highdicom


def write_dicom(case: dict[str, Any], ct: CT, mask: Mask, folder: Path) -> list[str]:
    """Write `seg.dcm` and `sr.dcm` of a case whose CT is DICOM; return their names.

    Args:
        case: as `Results.to_dict` gives it; its `patient` is who the files are about.
        ct: with `dicom` set.
        mask: on the CT's grid.
        folder: where to write.

    Raises:
        MissingPackageError: highdicom is not installed.
        InputError: the CT's headers lack what a SEG or SR needs.
    """
    assert ct.dicom is not None  # noqa: S101 - the caller has looked
    with parsing(ct.dicom.planes[0].header.path, "a CT that SEG and SR can refer to"):
        _write(case, ct, mask, folder)
    return ["seg.dcm", "sr.dcm"]


def _write(case: dict[str, Any], ct: CT, mask: Mask, folder: Path) -> None:
    highdicom = require_highdicom()
    assert ct.dicom is not None  # noqa: S101 - the caller has looked
    z, y, x = ct.stored_box(mask_box(mask, ct.grid)).slices  # frames lie as the series' images do
    planes = ct.dicom.planes[z]
    sources = _sources(case, planes)
    pixels = np.zeros((len(planes), ct.stored.size[1], ct.stored.size[0]), np.uint8)
    pixels[:, y, x] = sitk.GetArrayFromImage(ct.as_stored(mask.image))
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(case, mask)],
        **_geometry(ct.stored, planes),
        **_header(case, "SEG", 9001),
        manufacturer_model_name="LungSquad",
        software_versions=__version__,
        device_serial_number="0",
        content_label="TUMOUR",
        content_description="The mask that LungSquad was given",
        series_description="LungSquad tumour mask",
    )
    report = _report(case, seg, sources)
    seg.save_as(folder / "seg.dcm")
    report.save_as(folder / "sr.dcm")


def _sources(case: dict[str, Any], planes: Sequence[Plane]) -> list[Any]:
    """The CT's instances that hold tumour, as pydicom data sets without their pixels."""
    files = dict.fromkeys(plane.header.path for plane in planes)
    sources = [read_dataset(path, stop_before_pixels=True) for path in files]
    for dataset in sources:
        if "identity" not in case:
            _hide_identity(dataset, case["patient"])
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"  # a mask's name may be in any script
    return sources


def _hide_identity(dataset: Any, patient: str) -> None:
    from pydicom.datadict import keyword_for_tag

    for tag in list(dataset.keys()):
        if tag.group not in _KEPT_GROUPS and keyword_for_tag(tag) not in _KEPT:
            del dataset[tag]
    dataset.PatientID, dataset.PatientName = patient, f"{patient}^"
    for keyword in _IDENTITY:
        setattr(dataset, keyword, "")


def _segment(case: dict[str, Any], mask: Mask) -> Any:
    highdicom = require_highdicom()
    from pydicom.sr.coding import Code

    return highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=_text(mask.name) or "tumour",
        segmented_property_category=Code("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=Code("108369006", "SCT", "Neoplasm"),
        anatomic_regions=[Code("39607008", "SCT", "Lung")],
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            f"Outline read from a {mask.source}",
            Code("OUTLINE", _SCHEME, "Outline from another file"),
            __version__,
        ),
        tracking_id="tumour 1",
        tracking_uid=_uid(case, "tumour"),
    )


def _geometry(grid: Grid, planes: Sequence[Plane]) -> dict[str, Any]:
    """Where the frames lie, said outright: a CT need not say how thick its slices are."""
    highdicom = require_highdicom()
    x, y, z = grid.spacing
    directions = np.array(grid.direction).reshape(3, 3)
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence((y, x), z, z),
        "plane_orientation": highdicom.PlaneOrientationSequence(
            "PATIENT", directions[:, :2].T.ravel().tolist()
        ),
        "plane_positions": [
            highdicom.PlanePositionSequence("PATIENT", plane.position) for plane in planes
        ],
    }


def _header(case: dict[str, Any], kind: str, series_number: int) -> dict[str, Any]:
    return {
        "series_instance_uid": _uid(case, f"{kind} series"),
        "series_number": series_number,
        "sop_instance_uid": _uid(case, kind),
        "instance_number": 1,
        "manufacturer": "LungSquad",
    }


def _report(case: dict[str, Any], seg: Any, sources: Sequence[Any]) -> Any:
    highdicom = require_highdicom()
    from pydicom.sr.codedict import codes

    sr = highdicom.sr
    observer = sr.ObserverContext(
        codes.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(
            uid=_uid(case, "device"), name="LungSquad", model_name=f"LungSquad {__version__}"
        ),
    )
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(_uid(case, "tumour"), "tumour 1"),
        referenced_segment=sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            1,
            source_series=sr.SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[sr.FindingSite(codes.SCT.Lung)],
        measurements=_measurements(case),
        qualitative_evaluations=_evaluations(case),
    )
    comments = [*case["notices"], "Research software, not a medical device."]
    # A code's meaning ends after 64 characters; here each flag's sentence is whole.
    comments += [f"{flag['severity']}: {flag['sentence']}" for flag in case["flags"]]
    group[0].ContentSequence.extend(
        sr.TextContentItem(codes.DCM.Comment, text, sr.RelationshipTypeValues.CONTAINS)
        for text in comments
    )
    document = sr.MeasurementReport(
        sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.Comprehensive3DSR(
        evidence=[*sources, seg],
        content=document[0],
        **_header(case, "SR", 9002),
        is_complete=True,
        series_description="LungSquad measurements and predictions",
    )


def _measurements(case: dict[str, Any]) -> list[Any]:
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    sr = require_highdicom().sr
    millilitre = Code("ml", "UCUM", "milliliter")
    found = [sr.Measurement(codes.SCT.Volume, round(case["crop"]["mask_volume_ml"], 4), millilitre)]
    for prediction in case["predictions"]:
        model = prediction["model"]
        algorithm = sr.AlgorithmIdentification(
            name=model["title"], version=model["sha256"][:16], parameters=[prediction["question"]]
        )
        positive = prediction["positive_class"]
        values = [(f"P-{code}", f"Probability of {code}", p) for code, p in _by_code(prediction)]
        for end in ("low", "high"):
            meaning = f"95 % interval of P({positive}), {end} end"
            values.append((f"P-{positive}-{end.upper()}", meaning, prediction["interval"][end]))
        found += [
            sr.Measurement(
                Code(code[:16], _SCHEME, meaning[:64]),
                value,
                codes.UCUM.NoUnits,
                algorithm_id=algorithm,
            )
            for code, meaning, value in values
        ]
    return found


def _by_code(prediction: dict[str, Any]) -> list[tuple[str, float]]:
    return list(prediction["probabilities"].items())


def _evaluations(case: dict[str, Any]) -> list[Any]:
    """Flags as coded findings: what a reader of the SR must know."""
    from pydicom.sr.coding import Code

    sr = require_highdicom().sr
    name = Code("FLAG", _SCHEME, "Quality flag")
    return [
        sr.QualitativeEvaluation(name, Code(_short(flag["code"]), _SCHEME, _text(flag["sentence"])))
        for flag in case["flags"]
    ]


def _short(code: str) -> str:
    """A Code Value has at most 16 characters (PS3.5 6.2, SH)."""
    return code.upper().replace("_", "")[:16]


def _text(text: str) -> str:
    """As a Long String: at most 64 characters, and no backslash, which parts values."""
    return text.replace("\\", "/")[:64].strip()


def _uid(case: dict[str, Any], what: str) -> str:
    """The same UID for the same case and content, another for any other."""
    made_of = [case["ct"]["sha256"], case["mask"]["sha256"], case["patient"], __version__]
    made_of += [f"{p['model']['sha256']} {p['parameters']}" for p in case["predictions"]]
    return f"2.25.{uuid.uuid5(_UIDS, ' '.join([what, *made_of])).int}"
