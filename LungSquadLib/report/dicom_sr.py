"""Content of the SR: a measurement report (PS3.16 TID 1500) with one volumetric ROI (TID 1411).

There is one measurement group for the one segment, because dcmqi and 3D Slicer pair groups with
segments by their order. Imports highdicom: `dicom_results` looks first whether it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from highdicom import sr

from .. import __version__
from ..imaging.dicom import codes as dc
from ..radiomics.names import AGGREGATION_LABELS, described, unit_of


def measurement_report(
    case: dict[str, Any],
    seg: Any,
    sources: Sequence[Any],
    *,
    spacing: tuple[float, float, float],
    device_uid: str,
) -> Any:
    """Return the root content item (a `MeasurementReport`) of a case.

    Args:
        case: as `Results.to_dict` gives it.
        seg: the `Segmentation` that is measured.
        sources: the CT's instances that hold tumour.
        spacing: of the CT's voxels: along its rows, its columns and its slices, mm.
        device_uid: of this software as an observer.
    """
    document = sr.MeasurementReport(
        sr.ObservationContext(observer_device_context=_observer(device_uid)),
        procedure_reported=dc.CT_EXAMINATION,
        imaging_measurements=[_group(case, seg, sources)],
        title=dc.REPORT,
    )
    # TID 1500 has the images before the measurements, which are the last.
    content = document[0].ContentSequence
    content.insert(len(content) - 1, _image_library(sources, spacing))
    return document


def _observer(uid: str) -> Any:
    return sr.ObserverContext(
        dc.OBSERVER,
        sr.DeviceObserverIdentifyingAttributes(
            uid=uid, name="LungSquad", manufacturer_name="LungSquad", model_name="LungSquad"
        ),
    )


def _image_library(sources: Sequence[Any], spacing: tuple[float, float, float]) -> Any:
    """Describe the CT once, for all of its images (TID 1600)."""
    names = (dc.COLUMN_SPACING, dc.ROW_SPACING, dc.SLICE_SPACING)
    library = sr.ContainerContentItem(dc.IMAGE_LIBRARY, relationship_type="CONTAINS")
    group = sr.ContainerContentItem(dc.IMAGE_GROUP, relationship_type="CONTAINS")
    group.ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(dc.MODALITY, dc.CT, "HAS ACQ CONTEXT"),
            *(
                sr.NumContentItem(name, mm, dc.MM, relationship_type="HAS ACQ CONTEXT")
                for name, mm in zip(names, spacing, strict=True)
            ),
            *(
                sr.ImageContentItem(
                    dc.SOURCE_IMAGE,
                    source.SOPClassUID,
                    source.SOPInstanceUID,
                    relationship_type="CONTAINS",
                )
                for source in sources
            ),
        ]
    )
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _group(case: dict[str, Any], seg: Any, sources: Sequence[Any]) -> Any:
    segment = seg.SegmentSequence[-1]  # before it, a label map has its background
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(segment.TrackingUID, segment.TrackingID),
        referenced_segment=sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            segment.SegmentNumber,
            source_series=sr.SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
        ),
        finding_type=dc.TUMOUR,
        finding_sites=[sr.FindingSite(dc.LUNG)],
        algorithm_id=sr.AlgorithmIdentification("LungSquad", __version__),
        measurements=[*_sizes(case), *_probabilities(case), *_radiomics(case)],
        qualitative_evaluations=[
            _stage(case["t_stage"]),
            *_ratings(case.get("descriptions", ())),
            *map(_flag, case["flags"]),
        ],
    )
    content = group[0].ContentSequence
    content.extend(_points(case, sources[0].FrameOfReferenceUID))
    comments = [*case["notices"], case["notice"]]
    content.extend(_text(dc.COMMENT, text, "CONTAINS") for text in comments)
    return group


def _sizes(case: dict[str, Any]) -> list[Any]:
    volume, stage = case["crop"]["mask_volume_ml"], case["t_stage"]
    axial = sr.Measurement(dc.AXIAL_DIAMETER, stage["axial_diameter"]["mm"], dc.MM)
    _qualify(axial, [sr.CodeContentItem(dc.VIEW, dc.AXIAL, "HAS CONCEPT MOD")])
    return [
        sr.Measurement(dc.VOLUME, round(volume, 4), dc.CM3, method=dc.VOLUME_METHOD),
        sr.Measurement(dc.LARGEST_DIAMETER, stage["largest_diameter"]["mm"], dc.MM),
        axial,
    ]


def _probabilities(case: dict[str, Any]) -> list[Any]:
    return [
        _probability(prediction, label)
        for prediction in case["predictions"]
        for label in prediction["classes"]
    ]


def _probability(prediction: dict[str, Any], label: dict[str, str]) -> Any:
    """Return the probability of a class, with the interval where it is the positive one."""
    model, code = prediction["model"], label["code"]
    value, interval = prediction["probabilities"][code], prediction["interval"]
    positive = code == prediction["positive_class"]
    crop = prediction["crop"]
    measurement = sr.Measurement(
        dc.PROBABILITY,
        value,
        dc.NO_UNIT,
        algorithm_id=sr.AlgorithmIdentification(
            model["title"],
            model["sha256"],
            parameters=[
                f"Question: {prediction['question']}",
                f"Input: {_by(crop['size'])} voxels of {_by(crop['spacing_mm'])} mm",
            ],
            family=dc.NETWORK,
        ),
        properties=_uncertainty(value, interval) if positive else None,
    )
    whole_name = f"Probability of {label['name']} ({code})"
    finding = dc.class_code(prediction["task"], code, label["name"])
    _qualify(
        measurement,
        [
            sr.CodeContentItem(dc.FINDING, finding, "HAS CONCEPT MOD"),
            _text(dc.WHOLE_NAME, whole_name, "HAS CONCEPT MOD"),
        ],
    )
    if positive:
        span = f"{interval['low']} to {interval['high']} ({interval['level']:.0%} interval)"
        comment = _text(dc.COMMENT, f"{span}: {interval['explanation']}", "HAS PROPERTIES")
        measurement[0].ContentSequence.append(comment)
    return measurement


def _radiomics(case: dict[str, Any]) -> list[Any]:
    """Return the radiomic features that are defined, with the codes of the IBSI."""
    measurements = []
    for name, value in case.get("radiomics", {}).get("features", {}).items():
        if value is None:
            continue
        feature, aggregation = described(name)
        method = dc.feature_code(aggregation, AGGREGATION_LABELS[aggregation])
        measurement = sr.Measurement(
            dc.feature_code(feature.code, feature.label),
            float(f"{value:.9g}"),
            dc.unit_code(unit_of(feature.tag)),
            method=method,
        )
        measurements.append(measurement)
    return measurements


def _uncertainty(value: float, interval: dict[str, Any]) -> Any:
    """Return how far an interval reaches above and below a value, as TID 310 has it."""
    return sr.MeasurementProperties(
        upper_measurement_uncertainty=round(interval["high"] - value, 6),
        lower_measurement_uncertainty=round(value - interval["low"], 6),
    )


def _stage(stage: dict[str, Any]) -> Any:
    evaluation = sr.QualitativeEvaluation(dc.T_STAGE, dc.stage_code(stage["stage"]))
    evaluation[0].ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(dc.METHOD, dc.STAGE_BY_SIZE, "HAS CONCEPT MOD"),
            _text(dc.COMMENT, f"{stage['sentence']} {stage['limits']}", "HAS PROPERTIES"),
        ]
    )
    return evaluation


def _ratings(descriptions: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the ratings of descriptions, but those from which the model abstains."""
    evaluations = []
    for description in descriptions:
        for name, rating in description["ratings"].items():
            if rating["abstains"]:
                continue
            code = dc.rating_code(name, rating["rounded"], rating["word"])
            evaluation = sr.QualitativeEvaluation(dc.characteristic_code(name), code)
            interval = rating["interval"]
            comment = (
                f"{rating['rounded']} of {max(map(int, rating['scale']))}: {rating['word']}; "
                f"{interval['level']:.0%} of readers {interval['low']} to {interval['high']}; "
                f"readers' standard deviation {rating['readers_sd']}. {description['impression']} "
                f"Model: {description['model']['title']}, {description['model']['sha256']}."
            )
            evaluation[0].ContentSequence = sr.ContentSequence(
                [_text(dc.COMMENT, comment, "HAS PROPERTIES")]
            )
            evaluations.append(evaluation)
    return evaluations


def _flag(flag: dict[str, str]) -> Any:
    evaluation = sr.QualitativeEvaluation(dc.QUALITY, dc.flag_code(flag["code"]))
    sentence = _text(dc.COMMENT, f"{flag['severity']}: {flag['sentence']}", "HAS PROPERTIES")
    evaluation[0].ContentSequence = sr.ContentSequence([sentence])
    return evaluation


def _points(case: dict[str, Any], frame_of_reference_uid: str) -> list[Any]:
    """Return the centre of mass, and where each model looked, in patient coordinates (mm)."""

    def point(name: Any, lps: Sequence[float]) -> Any:
        position = np.array([lps], float)
        return sr.Scoord3DContentItem(
            name, "POINT", position, frame_of_reference_uid, relationship_type="CONTAINS"
        )

    points = [point(dc.CENTRE_OF_MASS, case["crop"]["mask_centre_of_mass_lps"])]
    for prediction in case["predictions"]:
        centre = point(dc.CROP_CENTRE, prediction["crop"]["centre_lps"])
        title = f"Centre of the crop that was given to: {prediction['model']['title']}"
        centre.ContentSequence = sr.ContentSequence(
            [_text(dc.WHOLE_NAME, title, "HAS CONCEPT MOD")]
        )
        points.append(centre)
    return points


def _qualify(measurement: Any, modifiers: Iterable[Any]) -> None:
    """Put modifiers before what else is said of a measurement, as TID 300 orders them."""
    item = measurement[0]
    item.ContentSequence = sr.ContentSequence([*modifiers, *item.get("ContentSequence", [])])


def _text(name: Any, text: str, relationship: str) -> Any:
    return sr.TextContentItem(name, text, relationship)


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
