"""SEG and SR are coded by the standard: every term, unit and reference, checked from outside."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

highdicom = pytest.importorskip("highdicom")
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.codedict import codes as codes_of_dicom

import LungSquadLib
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.dicom.codes import class_code, flag_code, stage_code
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.models.card import ClassLabel
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.pipeline.case import run_case
from LungSquadLib.pipeline.case_input import CaseInput
from LungSquadLib.pipeline.options import PredictionOptions
from LungSquadLib.report.dicom_results import write_dicom

from ..dicom_maker import write_series
from ..samples import ball_images, write_model

# Not in PS3.16: the language (RFC 5646) and T stages, as the NCI Thesaurus lists them.
LANGUAGE = {"en-US": "English (United States)"}
NCI = {"T1": "C48720", "T1a": "C48721", "T1b": "C48722", "T1c": "C48723", "T2": "C48724"}
NCI |= {"T2a": "C48725", "T2b": "C48726", "T3": "C48728", "T4": "C48732"}
PRIVATE = "99LUNGSQUAD"


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A DICOM series of the ball, its mask, and what a model of histology says."""
    here = tmp_path_factory.mktemp("patient")
    ct, mask = ball_images()
    write_series(
        here / "CT", sitk.GetArrayFromImage(ct), spacing=ct.GetSpacing(), origin=ct.GetOrigin()
    )
    sitk.WriteImage(mask, str(here / "mask.nrrd"))
    labels = (ClassLabel("LUAD", "adenocarcinoma"), ClassLabel("LUSC", "squamous cell carcinoma"))
    models = [
        write_model(here / "a.safetensors", task="histology", classes=labels),
        write_model(here / "b.safetensors", name="other", title="Other model"),
    ]
    files = CaseInput(here / "CT", here / "mask.nrrd", centre_lps=(10.1, 50.3, 148.7))
    described = run_case(files, models, here / "out", options=PredictionOptions("cpu"))
    series = open_ct(here / "CT").loaded()
    return SimpleNamespace(
        described=described,
        ct=series,
        mask=read_mask(here / "mask.nrrd", series),
        models=models,
        files=files,
        folder=here,
    )


@pytest.fixture(scope="module")
def seg(patient):
    return pydicom.dcmread(patient.folder / "out/seg.dcm")


@pytest.fixture(scope="module")
def sr(patient):
    return pydicom.dcmread(patient.folder / "out/sr.dcm")


def written(case, folder, **changes):
    """SEG and SR of the case with other content."""
    folder.mkdir()
    write_dicom(case.described | changes, case.ct, case.mask, folder)
    return pydicom.dcmread(folder / "seg.dcm"), pydicom.dcmread(folder / "sr.dcm")


def coded(dataset):
    """Every coded entry of a data set: value, scheme, meaning."""
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            if "CodeMeaning" in item:
                value = item.get("CodeValue") or item.LongCodeValue
                yield value, item.CodingSchemeDesignator, item.CodeMeaning
            yield from coded(item)


def content(item):
    """The content items of an SR, from the top down."""
    for child in item.get("ContentSequence", []):
        yield child
        yield from content(child)


def name_of(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def value_of(item):
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        return float(measured.NumericValue), measured.MeasurementUnitsCodeSequence[0].CodeValue
    if item.ValueType == "CODE":
        return item.ConceptCodeSequence[0].CodeMeaning
    return item.get("TextValue") or item.get("UID") or item.get("GraphicData")


def children(item, name):
    return [value_of(child) for child in item.get("ContentSequence", []) if name_of(child) == name]


def group_of(sr):
    (group,) = [item for item in content(sr) if name_of(item) == "Measurement Group"]
    return group


def meanings(value, scheme):
    """What the dictionary calls a code, in small letters: highdicom has capitals of its own."""
    return {
        meaning.lower()
        for entries in concepts[scheme].values()
        for code, (meaning, _) in entries.items()
        if code == value
    }


def in_the_dictionary(meaning):
    return any(
        meaning.lower() == known.lower()
        for entries in concepts.values()
        for codes in entries.values()
        for known, _ in codes.values()
    )


def check_codes(dataset):
    """Every coded entry is the standard's, or private with a meaning that no standard has."""
    schemes = set()
    for value, scheme, meaning in coded(dataset):
        schemes.add(scheme)
        assert 0 < len(meaning) <= 64
        if scheme == PRIVATE:
            assert not in_the_dictionary(meaning), meaning
        elif scheme == "NCIt":
            assert NCI[meaning.removesuffix(" Stage Finding")] == value
        elif scheme == "RFC5646":
            assert LANGUAGE[value] == meaning
        else:
            assert meaning.lower() in meanings(value, scheme), (value, scheme, meaning)
    return schemes


def test_every_coded_entry_is_the_standards_or_identified_as_private(seg, sr):
    assert {"DCM", "SCT", PRIVATE} <= check_codes(seg)
    assert {"DCM", "SCT", "UCUM", "IBSI", "LN", "NCIt", PRIVATE} <= check_codes(sr)
    for dataset in (seg, sr):
        (scheme,) = dataset.CodingSchemeIdentificationSequence
        assert scheme.CodingSchemeDesignator == PRIVATE
        assert scheme.CodingSchemeName
        assert scheme.CodingSchemeResponsibleOrganization


@pytest.mark.slow
def test_a_real_cases_codes_are_the_standards(case_data, tmp_path):
    here = case_data / "open/lidc_0001"
    models = [read_model(name) for name in ("demo-histology", "demo-survival2y")]
    files = CaseInput(here / "CT", here / "RTSTRUCT/rs.dcm", "GTV-1")
    run_case(files, models, tmp_path / "out", options=PredictionOptions("cpu", keep_identity=True))
    seg, sr = (pydicom.dcmread(tmp_path / "out" / name) for name in ("seg.dcm", "sr.dcm"))
    check_codes(seg)
    check_codes(sr)
    probabilities = [item for item in content(sr) if name_of(item) == "Probability"]
    assert [children(item, "Finding")[0] for item in probabilities] == [
        "Adenocarcinoma of lung",
        "Squamous cell carcinoma of lung",
        "Deceased",
        "Alive",
    ]
    ct = pydicom.dcmread(next((here / "CT").iterdir()))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyID"):
        assert sr[keyword].value == seg[keyword].value == ct[keyword].value


def test_private_terms_of_a_case_are_few_and_whole(sr):
    private = {meaning for _, scheme, meaning in coded(sr) if scheme == PRIVATE}
    flags = {value_of(item) for item in content(sr) if name_of(item) == "Quality Finding"}
    assert private - flags == {
        "Centre of the crop that the model was given",
        "T stage by size alone",
    }


def test_sizes_are_those_of_the_json_in_ucum_units(patient, sr):
    group, described = group_of(sr), patient.described
    (volume,) = children(group, "Volume")
    assert volume == (pytest.approx(described["crop"]["mask_volume_ml"], abs=1e-4), "cm3")
    assert volume[0] == pytest.approx(4 / 3 * np.pi * 9**3 / 1000, rel=0.1)  # the ball's
    stage = described["t_stage"]
    assert children(group, "Maximum 3D Diameter of a Mesh") == [
        (stage["largest_diameter"]["mm"], "mm")
    ]
    (axial,) = [item for item in group.ContentSequence if name_of(item) == "Long axis"]
    assert value_of(axial) == (stage["axial_diameter"]["mm"], "mm")
    assert children(axial, "Image View") == ["Axial"]
    (library,) = [item for item in content(sr) if name_of(item) == "Image Library Group"]
    x, y, z = patient.described["ct"]["spacing_mm"]
    assert children(library, "Horizontal Pixel Spacing") == [(x, "mm")]
    assert children(library, "Vertical Pixel Spacing") == [(y, "mm")]
    assert children(library, "Spacing between slices") == [(z, "mm")]
    assert children(library, "Modality") == ["Computed Tomography"]


def test_a_probability_says_of_which_class_it_is_how_sure_and_whose(patient, sr):
    items = [item for item in group_of(sr).ContentSequence if name_of(item) == "Probability"]
    said = {children(item, "Equivalent Meaning of Concept Name")[0]: item for item in items}
    histology, survival = patient.described["predictions"]
    assert set(said) == {
        "Probability of adenocarcinoma (LUAD)",
        "Probability of squamous cell carcinoma (LUSC)",
        "Probability of deceased (DEAD)",
        "Probability of alive (ALIVE)",
    }
    adenocarcinoma = said["Probability of adenocarcinoma (LUAD)"]
    assert value_of(adenocarcinoma) == (histology["probabilities"]["LUAD"], "1")
    assert children(adenocarcinoma, "Finding") == ["Adenocarcinoma of lung"]
    assert children(adenocarcinoma, "+, range of upper measurement uncertainty") == []
    alive = said["Probability of alive (ALIVE)"]
    assert children(alive, "Finding") == ["Alive"]
    (up,) = children(alive, "+, range of upper measurement uncertainty")
    (down,) = children(alive, "-, range of lower measurement uncertainty")
    interval = survival["interval"]
    assert value_of(alive)[0] + up[0] == pytest.approx(interval["high"], abs=1e-9)
    assert value_of(alive)[0] - down[0] == pytest.approx(interval["low"], abs=1e-9)
    assert children(alive, "Comment")[0].endswith(interval["explanation"])
    assert children(alive, "Algorithm Name") == ["Other model"]
    assert children(alive, "Algorithm Version") == [survival["model"]["sha256"]]
    assert children(alive, "Algorithm Family") == ["Artificial Intelligence"]
    assert children(alive, "Algorithm Parameters") == [
        "Question: Alive at two years?",
        "Input: 50 x 50 x 50 voxels of 1 x 1 x 1 mm",
    ]


def test_the_centre_of_mass_is_that_of_the_segs_frames(patient, seg, sr):
    rows, columns = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    points = []
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        corner = groups.PlanePositionSequence[0].ImagePositionPatient
        y, x = np.nonzero(frame)
        z = np.full(len(x), float(corner[2]))
        points.append(np.stack([corner[0] + x * columns, corner[1] + y * rows, z]))
    centre = np.concatenate(points, axis=1).mean(axis=1)
    (written_as,) = children(group_of(sr), "Center of Mass")
    np.testing.assert_allclose(written_as, centre, atol=1e-3)
    crops = children(group_of(sr), "Centre of the crop that the model was given")
    for crop, prediction in zip(crops, patient.described["predictions"], strict=True):
        np.testing.assert_allclose(crop, prediction["crop"]["centre_lps"], atol=1e-4)


def test_highdicom_reads_the_report_as_one_group_of_one_segment(patient, seg):
    document = highdicom.sr.srread(patient.folder / "out/sr.dcm")
    assert len(document.content.get_volumetric_roi_measurement_groups()) == 1
    (group,) = document.content.get_volumetric_roi_measurement_groups(
        tracking_uid=seg.SegmentSequence[0].TrackingUID,
        finding_type=codes_of_dicom.SCT.Neoplasm,
        finding_site=codes_of_dicom.SCT.Lung,
        referenced_sop_instance_uid=seg.SOPInstanceUID,
    )
    assert group.reference_type == codes_of_dicom.DCM.ReferencedSegment
    assert len(group.get_measurements(name=codes_of_dicom.DCM.Probability)) == 4
    (volume,) = group.get_measurements(name=codes_of_dicom.SCT.Volume)
    assert volume.method == codes_of_dicom.DCM.SumOfSegmentedVoxelMethodForVolume


def test_a_label_map_holds_the_same_mask_and_its_sr_the_same_measurements(patient, tmp_path):
    for kind in ("binary", "labelmap"):
        (tmp_path / kind).mkdir()
        write_dicom(patient.described, patient.ct, patient.mask, tmp_path / kind, seg_type=kind)
    label_map = highdicom.seg.segread(tmp_path / "labelmap/seg.dcm")
    assert label_map.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"  # Label Map Segmentation
    assert (label_map.SegmentationType, label_map.segment_numbers) == ("LABELMAP", [1])
    masks = [read_mask(tmp_path / kind / "seg.dcm", patient.ct) for kind in ("binary", "labelmap")]
    for found in masks:
        assert found.image.GetSize() == patient.mask.image.GetSize()
        assert sitk.Hash(found.image) == sitk.Hash(patient.mask.image)
    assert len({found.name for found in masks}) == 1
    reports = [highdicom.sr.srread(tmp_path / kind / "sr.dcm") for kind in ("binary", "labelmap")]
    groups = [each.content.get_volumetric_roi_measurement_groups()[0] for each in reports]
    (image,) = [item for item in content(reports[1]) if name_of(item) == "Referenced Segment"]
    (referenced,) = image.ReferencedSOPSequence
    assert referenced.ReferencedSegmentNumber == 1
    assert referenced.ReferencedSOPInstanceUID == label_map.SOPInstanceUID
    values = [[(m.name, m.value, m.unit) for m in group.get_measurements()] for group in groups]
    assert values[0] == values[1]
    assert len(values[0]) == 7


def test_ohif_shows_the_measurements_at_the_centre_of_mass(patient, sr):
    """What OHIF's handler of TID 1500 takes from a measurement group.

    It asks every item for its concept's code, takes the first UID as that of the tracking, the
    first point as the place, and every number's concept as its label.
    """
    assert sr.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert sr.ConceptNameCodeSequence[0].CodeValue == "126000"
    items = list(group_of(sr).ContentSequence)
    assert all(item.ConceptNameCodeSequence for item in items)
    first = next(item for item in items if item.ValueType == "UIDREF")
    assert first.ConceptNameCodeSequence[0].CodeValue == "112040"
    point = next(item for item in items if item.ValueType in ("SCOORD", "SCOORD3D"))
    assert name_of(point) == "Center of Mass"
    assert point.GraphicType == "POINT"
    assert point.ReferencedFrameOfReferenceUID == patient.ct.dicom.frame_of_reference
    labels = {name_of(item): value_of(item) for item in items if item.ValueType == "NUM"}
    assert set(labels) == {"Volume", "Maximum 3D Diameter of a Mesh", "Long axis", "Probability"}


def test_slicers_plugin_takes_the_report_for_one_of_a_segmentation(patient, sr, seg):
    """What QuantitativeReporting's plugin for TID 1500 looks at before it calls dcmqi."""
    assert sr.Modality == "SR"
    assert sr.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    document = highdicom.sr.srread(patient.folder / "out/sr.dcm")
    assert document.content.get_planar_roi_measurement_groups() == []
    series = [
        entry.SeriesInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for entry in study.ReferencedSeriesSequence
        for instance in entry.ReferencedSOPSequence
        if instance.ReferencedSOPClassUID == seg.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
    ]
    assert series == [seg.SeriesInstanceUID]


def test_stage_and_flags_are_codes_with_their_sentences_whole(patient, tmp_path):
    long = {
        "code": "tumour_larger_than_crop",
        "severity": "severe",
        "sentence": "It is so. " * 30 + "End.",
    }
    _, sr = written(patient, tmp_path / "out", flags=[long])
    group = group_of(sr)
    (stage,) = [i for i in group.ContentSequence if name_of(i) == "Tumor stage finding (finding)"]
    assert value_of(stage) == f"{patient.described['t_stage']['stage']} Stage Finding"
    assert children(stage, "Measurement Method") == ["T stage by size alone"]
    assert patient.described["t_stage"]["limits"] in children(stage, "Comment")[0]
    (flag,) = [item for item in group.ContentSequence if name_of(item) == "Quality Finding"]
    assert value_of(flag) == "Tumour larger than crop"
    assert flag.ConceptCodeSequence[0].LongCodeValue == "tumour_larger_than_crop"
    assert children(flag, "Comment") == [f"severe: {long['sentence']}"]
    comments = children(group, "Comment")
    assert comments == [*patient.described["notices"], "Research software, not a medical device."]


def test_every_flag_has_a_code_of_its_own_that_fits():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(LungSquadLib.__file__).parent.rglob("*.py")
    )
    flags = set(re.findall(r'Flag\(\s*"(\w+)"', source))
    assert len(flags) > 30
    codes = [flag_code(flag) for flag in flags]
    assert len({code.meaning for code in codes}) == len(flags)
    assert all(len(code.meaning) <= 64 for code in codes)
    private = [code.meaning for code in codes if code.scheme_designator == PRIVATE]
    assert not any(map(in_the_dictionary, private))
    standard = [code for code in codes if code.scheme_designator != PRIVATE]
    assert standard == [codes_of_dicom.DCM.LossyCompression]


def test_classes_and_stages_are_standard_where_there_is_a_term():
    for stage, value in NCI.items():
        assert stage_code(stage) == class_code("t_stage", stage, stage)
        assert (stage_code(stage).value, stage_code(stage).scheme_designator) == (value, "NCIt")
    for code, name, value in (
        ("LUAD", "glandular", "254626006"),
        ("LUSC", "squamous", "254634000"),
        ("0", "Adenocarcinoma", "254626006"),
        ("1", "Squamous cell carcinoma", "254634000"),
        ("alive", "alive", "438949009"),
        ("DECEASED", "deceased", "419099009"),
    ):
        found = class_code("histology", code, name)
        assert (found.value, found.scheme_designator) == (value, "SCT")
        assert found.meaning.lower() in meanings(value, "SCT")
    assert class_code("weighting", "T1", "T1").scheme_designator == PRIVATE


def test_what_a_model_calls_its_classes_is_never_cut(patient, tmp_path):
    name = "mutated, of any kind that the panel of 2019 can tell from the wild type"
    assert len(name) > 64
    labels = [{"code": "MUT", "name": name}, {"code": "WT", "name": "wild type"}]
    prediction = patient.described["predictions"][0] | {
        "task": "egfr",
        "classes": labels,
        "probabilities": {"MUT": 0.25, "WT": 0.75},
        "positive_class": "MUT",
        "interval": {"low": 0.25, "high": 0.3, "level": 0.95, "explanation": "Why."},
    }
    _, sr = written(patient, tmp_path / "out", predictions=[prediction])
    check_codes(sr)
    items = [item for item in group_of(sr).ContentSequence if name_of(item) == "Probability"]
    assert [children(item, "Finding")[0] for item in items] == ["MUT", "wild type"]
    whole = [children(item, "Equivalent Meaning of Concept Name")[0] for item in items]
    assert whole == [f"Probability of {name} (MUT)", "Probability of wild type (WT)"]
    assert children(items[0], "-, range of lower measurement uncertainty") == [(0.0, "1")]
    assert {value for value, scheme, _ in coded(sr) if scheme == PRIVATE} >= {"egfr:MUT", "egfr:WT"}


def test_a_long_name_of_a_mask_is_whole_in_its_description(patient, tmp_path):
    name = "Tumour of the left upper lobe, outlined on the planning CT, second version"
    (tmp_path / "out").mkdir()
    mask = replace(patient.mask, name=name)
    write_dicom(patient.described, patient.ct, mask, tmp_path / "out")
    (segment,) = pydicom.dcmread(tmp_path / "out/seg.dcm").SegmentSequence
    assert segment.SegmentLabel == f"{name[:61]}..."
    assert segment.SegmentDescription == name


def test_the_sr_refers_to_its_seg_and_lists_all_evidence(patient, seg, sr):
    ct = pydicom.dcmread(next((patient.folder / "CT").iterdir()))
    assert sr.StudyInstanceUID == seg.StudyInstanceUID
    assert sr.StudyInstanceUID != ct.StudyInstanceUID  # a pseudonym is no patient of the study's
    (segment,) = seg.SegmentSequence
    assert children(group_of(sr), "Tracking Unique Identifier") == [segment.TrackingUID]
    assert children(group_of(sr), "Tracking Identifier") == [segment.TrackingID]
    evidence = {
        instance.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    referenced = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in content(sr)
        if item.ValueType == "IMAGE"
    }
    assert referenced == evidence
    assert seg.SOPInstanceUID in evidence
    assert len(evidence) == 1 + seg.NumberOfFrames
    points = [item for item in content(sr) if item.ValueType == "SCOORD3D"]
    frames = {item.ReferencedFrameOfReferenceUID for item in points}
    assert frames == {ct.FrameOfReferenceUID}


def test_equal_content_has_equal_uids_and_other_content_other_ones(patient, seg, sr, tmp_path):
    def uids(dataset):
        return dataset.SOPInstanceUID, dataset.SeriesInstanceUID

    again = written(patient, tmp_path / "again")
    assert [uids(one) for one in again] == [uids(seg), uids(sr)]
    moved = json.loads(json.dumps(patient.described["predictions"]))
    moved[0]["crop"]["centre_lps"][0] += 5.0
    for number, changes in enumerate(
        ({"predictions": moved}, {"flags": []}, {"notices": ["New."]})
    ):
        other_seg, other_sr = written(patient, tmp_path / str(number), **changes)
        assert uids(other_seg) == uids(seg)
        assert other_sr.SOPInstanceUID != sr.SOPInstanceUID
    other_seg, other_sr = written(patient, tmp_path / "patient", patient="LS-0")
    assert other_seg.SOPInstanceUID != seg.SOPInstanceUID
    tracked = {one.SegmentSequence[0].TrackingUID for one in (seg, other_seg)}
    assert len(tracked) == 2


def test_the_observer_is_the_same_device_in_every_report(patient, sr, tmp_path):
    _, other = written(patient, tmp_path / "out", patient="LS-0", predictions=[])
    for document in (sr, other):
        assert children(document, "Observer Type") == ["Device"]
        assert children(document, "Device Observer Name") == ["LungSquad"]
        assert document.ManufacturerModelName == "LungSquad"
        assert document.SoftwareVersions == LungSquadLib.__version__
    assert children(sr, "Device Observer UID") == children(other, "Device Observer UID")


def test_files_say_whether_identity_was_removed(patient, seg, sr, tmp_path):
    for dataset in (seg, sr):
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethod
    kept = written(patient, tmp_path / "kept", identity={"Patient ID": "MRN-4711"})
    for dataset in kept:
        assert "PatientIdentityRemoved" not in dataset
        assert dataset.PatientID == "MRN-4711"
