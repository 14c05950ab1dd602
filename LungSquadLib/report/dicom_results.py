"""Results as DICOM: the mask as SEG (PS3.3 A.51), measurements and predictions as SR (A.35.13).

Series and instance UIDs of the CT stay as they are, for without them a SEG belongs to nothing.
Name, ID, dates and the like are replaced unless identity is to be kept, and the study UID with
them: an archive that holds the study would move all of it to the pseudonym.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import __version__
from ..errors import InputError, MissingPackageError, parsing
from ..files import whole_folder
from ..imaging.crop import mask_box
from ..imaging.ct import CT, content_hash
from ..imaging.dicom.header import read_dataset
from ..imaging.dicom.planes import Plane
from ..imaging.flags import Flag, merged
from ..imaging.geometry import Box, Grid
from ..imaging.masks import Mask, as_mask
from ..progress import Part, Progress, Silent, step
from .identity import identity_of, patient_of
from .render import read_result

_UIDS = uuid.UUID("3c1f0a54-91c5-4e0e-8d0e-6a1a43b1a7d2")  # the name space of all result UIDs
_LABEL = 64  # characters of a Segment Label (LO, PS3.5 6.2)
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


def write_dicom(
    case: dict[str, Any], ct: CT, mask: Mask, folder: Path, *, seg_type: str = "binary"
) -> list[str]:
    """Write `seg.dcm` and `sr.dcm` of a case whose CT is DICOM; return their names.

    Args:
        case: as `Results.to_dict` gives it; its `patient` is who the files are about.
        ct: with `dicom` set.
        mask: on the CT's grid.
        folder: where to write.
        seg_type: "binary", or "labelmap" for a Label Map Segmentation (PS3.3 A.51, since 2024c).

    Raises:
        MissingPackageError: highdicom is not installed.
        InputError: the CT's headers lack what a SEG or SR needs.
    """
    assert ct.dicom is not None  # noqa: S101 - the caller has looked
    with parsing(ct.dicom.planes[0].header.path, "a CT that SEG and SR can refer to"):
        _write(case, ct, mask, folder, seg_type)
    return ["seg.dcm", "sr.dcm"]


def _write(case: dict[str, Any], ct: CT, mask: Mask, folder: Path, seg_type: str) -> None:
    highdicom = require_highdicom()
    assert ct.dicom is not None  # noqa: S101 - the caller has looked
    z, y, x = ct.stored_box(mask_box(mask, ct.grid)).slices  # frames lie as the series' images do
    planes = ct.dicom.planes[z]
    sources = _sources(case, planes)
    pixels = np.zeros((len(planes), ct.stored.size[1], ct.stored.size[0]), np.uint8)
    pixels[:, y, x] = sitk.GetArrayFromImage(ct.as_stored(mask.image))
    made_of = (*_tumour(case), mask.name, sources[0].SeriesInstanceUID, __version__)
    if seg_type != "binary":
        made_of = (*made_of, seg_type)
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=seg_type.upper(),
        segment_descriptions=[_segment(case, mask)],
        **_geometry(ct.stored, planes),
        **_header("SEG", 9001, made_of),
        content_label="TUMOUR",
        content_description="The mask that LungSquad was given",
        series_description="LungSquad tumour mask",
    )
    sr = _sr(case, seg, sources, ct.stored.spacing)
    seg.save_as(folder / "seg.dcm")  # not before there is an SR, too
    sr.save_as(folder / "sr.dcm")


def _sr(
    case: dict[str, Any], seg: Any, sources: Sequence[Any], spacing: tuple[float, float, float]
) -> Any:
    highdicom = require_highdicom()
    from .dicom_sr import measurement_report

    content = measurement_report(
        case, seg, sources, spacing=spacing, device_uid=_uid("device", __version__)
    )[0]
    return highdicom.sr.Comprehensive3DSR(
        evidence=[*sources, seg],
        content=content,
        **_header("SR", 9002, (content.to_json(),)),
        is_complete=True,
        series_description="LungSquad measurements and predictions",
    )


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
    dataset.StudyInstanceUID = _uid("study", dataset.StudyInstanceUID)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = (
        "Name, ID and study UID replaced, dates removed, other UIDs kept"
    )


def _segment(case: dict[str, Any], mask: Mask) -> Any:
    highdicom = require_highdicom()
    from ..imaging.dicom import codes as dc

    label = mask.name.replace("\\", "/").strip() or "tumour"  # a backslash parts values
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=label if len(label) <= _LABEL else label[: _LABEL - 3] + "...",
        segmented_property_category=dc.ABNORMALITY,
        segmented_property_type=dc.TUMOUR,
        anatomic_regions=[dc.LUNG],
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            f"Outline read from a {mask.source}", dc.OUTLINE_FROM_FILE, __version__
        ),
        tracking_id="tumour 1",
        tracking_uid=_uid("tumour", *_tumour(case)),
    )
    if len(label) > _LABEL:
        segment.SegmentDescription = label
    return segment


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


def _header(kind: str, series_number: int, made_of: tuple[str, ...]) -> dict[str, Any]:
    """What both objects say of themselves; `made_of` is what makes one the same as another."""
    from ..imaging.dicom.codes import coding_schemes

    return {
        "series_instance_uid": _uid(f"{kind} series", *made_of),
        "series_number": series_number,
        "sop_instance_uid": _uid(kind, *made_of),
        "instance_number": 1,
        "manufacturer": "LungSquad",
        "manufacturer_model_name": "LungSquad",
        "software_versions": __version__,
        "device_serial_number": "0",
        "coding_schemes": coding_schemes(),
    }


def _tumour(case: dict[str, Any]) -> tuple[str, ...]:
    """What makes a tumour the same: its CT, its outline and whose it is."""
    return case["ct"]["sha256"], case["mask"]["sha256"], case["patient"]


def _uid(what: str, *made_of: str) -> str:
    """Return the same UID for the same content, and another for any other."""
    return f"2.25.{uuid.uuid5(_UIDS, ' '.join([what, *made_of])).int}"


SEG, SR = "seg.dcm", "sr.dcm"
_SAME_HU = 0.01  # what other arithmetic makes of a rescale slope


def export_dicom(
    results: str | os.PathLike[str],
    ct: CT,
    mask: Mask,
    series: CT,
    folder: str | os.PathLike[str],
    *,
    keep_identity: bool = False,
    seg_type: str = "binary",
    progress: Progress | None = None,
) -> list[Path]:
    """Write `seg.dcm` and `sr.dcm`, as if the case had been made on the series itself.

    Args:
        results: the case's folder.
        ct: the CT that it was made on.
        mask: the mask that it was made on.
        series: the DICOM series that `ct` is a copy of, opened with `open_ct`.
        folder: where to write.
        keep_identity: take the patient's name, ID and dates over from the series.
        seg_type: as of `write_dicom`.
        progress: gets the state of the work; may cancel.

    Returns:
        The two files.

    Raises:
        InputError: the results were made on another CT or mask, or `ct` is no copy of the series.
        MissingPackageError: highdicom is not installed.
        CancelledError: `progress` said so; nothing is left behind.
    """
    require_highdicom()
    if series.dicom is None:
        raise InputError("SEG and SR belong to a DICOM series; the source given is none.")
    progress = progress or Silent()
    described = read_result(Path(results))
    _check_same_grid(ct.grid, series.grid)
    ct = ct.loaded(Part(progress, 0.0, 0.2))
    series = series.loaded(Part(progress, 0.2, 0.6))
    made_on = (described["ct"]["sha256"], described["mask"]["sha256"])
    if made_on != (ct.sha256, content_hash(mask.image)):
        raise InputError(f"'{results}' was made on another CT or mask; predict again.")
    _check_same_voxels(ct, series, Part(progress, 0.6, 0.8))
    mask = as_mask(mask.image, series, name=mask.name, source=mask.source)
    case = _case_of_series(described, series, mask, keep_identity)
    step(progress, 0.8, "Writing SEG and SR")
    with whole_folder(folder, last=SR) as temporary:
        write_dicom(case, series, mask, temporary, seg_type=seg_type)
    step(progress, 1.0, "SEG and SR are written")
    return [Path(folder) / SEG, Path(folder) / SR]


def _case_of_series(
    described: dict[str, Any], series: CT, mask: Mask, keep_identity: bool
) -> dict[str, Any]:
    """What `prediction.json` would say had the case been made on the series."""
    flags = merged([*series.flags, *map(Flag.of, described["flags"])])
    case = {
        **described,
        "patient": patient_of(series, keep=keep_identity),
        "ct": {**described["ct"], "sha256": series.sha256},
        "mask": {**described["mask"], "sha256": content_hash(mask.image)},
        "flags": [flag.to_dict() for flag in flags],
    }
    case.pop("identity", None)
    return case | identity_of(series, keep=keep_identity)


def _check_same_grid(copy: Grid, series: Grid) -> None:
    if copy.size != series.size or copy.offset_in(series) != (0, 0, 0):
        raise InputError(
            f"The CT is no copy of the DICOM series: it has {_described(copy)}, the series has "
            f"{_described(series)}. Take the series that it came from, or predict on the series "
            "itself."
        )


def _described(grid: Grid) -> str:
    def listed(values: tuple[float, ...]) -> str:
        return " x ".join(f"{value:g}" for value in values)

    x, y, z = grid.origin
    return f"{listed(grid.size)} voxels of {listed(grid.spacing)} mm from {x:g}, {y:g}, {z:g}"


def _check_same_voxels(copy: CT, series: CT, progress: Progress) -> None:
    columns, rows, slices = copy.grid.size
    for number in range(slices):
        step(progress, number / slices, "Comparing the CT with its DICOM series")
        box = Box((0, 0, number), (columns, rows, number + 1))
        if not np.allclose(copy.hu(box), series.hu(box), rtol=0, atol=_SAME_HU):
            raise InputError(
                f"The CT is no copy of the DICOM series: voxels of slice {number + 1} differ. It "
                "was changed, or is another reconstruction; predict on the series itself."
            )
