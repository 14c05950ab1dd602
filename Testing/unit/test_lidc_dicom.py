"""The readers' XML and the DICOM series of LIDC-IDRI become masks and a manifest."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cohorts.lidc import write_lidc
from LungSquadLib.cohorts.lidc_readings import Region, read_annotations, region_dice, same_nodule
from LungSquadLib.cohorts.ratings import CHARACTERISTICS
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from Testing.dicom_maker import some_hu, write_series
from Testing.lidc_samples import message_xml, nodule_xml, roi_xml, rois_of, write_table

UID = "1.2.3.4"
RATED = dict.fromkeys(CHARACTERISTICS, 3)
SQUARE = np.array([(10, 10), (14, 10), (14, 14), (10, 14)])  # 3 x 3 pixels are inside


def of_patient(dataset, _):
    dataset.PatientID = "LIDC-IDRI-0007"


def collection(folder, sessions, *, uid=UID):
    """A CT with slices from z = -50 mm, 2.5 mm apart, and its XML elsewhere."""
    write_series(folder / "ct" / "1", some_hu(), series_uid=uid, edit=of_patient)
    (folder / "xml").mkdir()
    (folder / "xml" / "068.xml").write_text(message_xml(uid, sessions))
    return folder


def rows(recipe):
    with recipe.manifests["nodules"].open(newline="") as file:
        return list(csv.DictReader(file))


def mask_of(recipe, row):
    path = recipe.manifests["nodules"].parent / row["mask"]
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_outlines_lie_just_outside_the_nodule(tmp_path):
    first = nodule_xml([roi_xml(SQUARE, -50), roi_xml(SQUARE, -47.5)], **RATED | {"malignancy": 5})
    second = nodule_xml([roi_xml(SQUARE + 1, -50)], **RATED)
    source = collection(tmp_path / "in", [[first], [second]])
    recipe = write_lidc(source, tmp_path / "out")
    (row,) = rows(recipe)
    mask = mask_of(recipe, row)
    # Two readers: what one of them drew is what half of them drew.
    inside = np.zeros_like(mask)
    inside[0:2, 11:14, 11:14] = 1
    inside[0, 12:15, 12:15] = 1
    assert np.array_equal(mask, inside)
    assert (row["malignancy_readers"], row["malignancy"], row["readers"]) == ("5 3", "4.0", "2")
    assert row["patient_id"] == "LIDC-IDRI-0007"
    assert "LIDC" not in row["case"]
    assert row["series"] == UID
    assert float(row["nodule_ml"]) == pytest.approx(inside.sum() * 0.8 * 0.7 * 2.5 / 1000, rel=1e-3)
    ct = open_ct(row["ct"], series=row["series"])
    back = read_mask(recipe.manifests["nodules"].parent / row["mask"], ct)
    assert sitk.GetArrayFromImage(back.image).sum() == inside.sum()


def test_a_part_that_is_not_included_is_cut_out_with_its_outline(tmp_path):
    wide = np.array([(10, 10), (20, 10), (20, 20), (10, 20)])
    hole = np.array([(13, 13), (16, 13), (16, 16), (13, 16)])
    rois = [roi_xml(hole, -50, inclusion=False), roi_xml(wide, -50)]  # in any order
    recipe = write_lidc(collection(tmp_path / "in", [[nodule_xml(rois, **RATED)]]), tmp_path / "o")
    (row,) = rows(recipe)
    expected = np.zeros((32, 40), np.uint8)
    expected[11:20, 11:20] = 1
    expected[13:17, 13:17] = 0
    assert np.array_equal(mask_of(recipe, row)[0], expected)


def test_small_findings_and_other_findings_are_left_out(tmp_path):
    nodule = nodule_xml([roi_xml(SQUARE, -50)], **RATED)
    point = nodule_xml([roi_xml(SQUARE[:1], -45)])
    rated_point = nodule_xml([roi_xml(SQUARE[:1], -45)], **RATED)
    other = (
        "<nonNodule><nonNoduleID>9</nonNoduleID><imageZposition>-45</imageZposition></nonNodule>"
    )
    source = collection(tmp_path / "in", [[nodule, point, rated_point, other]])
    radiograph = "<IdriReadMessage><a/></IdriReadMessage>"
    (source / "xml" / "chest.xml").write_text(radiograph)
    assert len(rows(write_lidc(source, tmp_path / "out"))) == 1


def test_folds_and_diagnoses_come_from_tables_beside_the_collection(tmp_path):
    source = collection(tmp_path / "in", [[nodule_xml([roi_xml(SQUARE, -50)], **RATED)]])
    write_table(source / "patients.csv", [{"patient_id": "LIDC-IDRI-0007", "fold": 2}])
    write_table(
        source / "pathology.csv", [{"patient_id": "LIDC-IDRI-0007", "diagnosis_patient": 1}]
    )
    (row,) = rows(write_lidc(source, tmp_path / "out"))
    assert (row["fold"], row["diagnosis"]) == ("2", "benign")


def test_a_ct_that_cannot_be_read_is_left_out_with_its_reason(tmp_path):
    nodule = nodule_xml([roi_xml(SQUARE, -50)], **RATED)
    source = collection(tmp_path / "in", [[nodule]])
    far = nodule_xml([roi_xml(SQUARE, 1000)], **RATED)
    write_series(source / "ct" / "2", some_hu(), series_uid="1.2.9", edit=of_patient)
    (source / "xml" / "069.xml").write_text(message_xml("1.2.9", [[far]]))
    (source / "xml" / "070.xml").write_text(message_xml("1.2.10", [[nodule]]))
    (source / "xml" / "071.xml").write_text(message_xml(UID, [[nodule]])[:200])
    recipe = write_lidc(source, tmp_path / "out")
    assert len(rows(recipe)) == 1
    with (tmp_path / "out" / "errors.csv").open(newline="") as file:
        errors = {row["file"]: row["error"] for row in csv.DictReader(file)}
    assert set(errors) == {"xml/069.xml", "xml/070.xml", "xml/071.xml"}
    assert "z = 1000 mm, where the CT has no slice" in errors["xml/069.xml"]
    assert "holds no CT series" in errors["xml/070.xml"]
    assert "is damaged or is not XML" in errors["xml/071.xml"]
    assert recipe.messages[-1] == "3 CT were left out; their reasons are in errors.csv."


def test_a_second_run_writes_only_what_is_missing(tmp_path):
    nodule = nodule_xml([roi_xml(SQUARE, -50)], **RATED)
    source = collection(tmp_path / "in", [[nodule]])
    recipe = write_lidc(source, tmp_path / "out")
    (row,) = rows(recipe)
    mask = tmp_path / "out" / row["mask"]
    content, manifest = mask.read_bytes(), recipe.manifests["nodules"].read_bytes()
    before = mask.stat().st_mtime_ns
    write_lidc(source, tmp_path / "out")
    assert mask.stat().st_mtime_ns == before
    mask.unlink()
    write_lidc(source, tmp_path / "out")
    assert mask.read_bytes() == content
    assert recipe.manifests["nodules"].read_bytes() == manifest
    # Other annotations: the mask is written again.
    smaller = nodule_xml([roi_xml(SQUARE[:3], -50)], **RATED)
    (source / "xml" / "068.xml").write_text(message_xml(UID, [[smaller]]))
    write_lidc(source, tmp_path / "out")
    assert mask_of(recipe, row).sum() == 3  # strictly within the triangle


BILLION = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("head", [BILLION, OUTSIDE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(tmp_path, head, encoding):
    nodule = nodule_xml([roi_xml(SQUARE, -50)], **RATED)
    text = message_xml(UID, [[nodule]], head=head).replace("UTF-8", encoding)
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match="it declares a document type"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (message_xml("", []), "does not say which series"),
        (message_xml(UID, [[nodule_xml([roi_xml([("1e99", 3), (4, 5)], 0)], **RATED)]]), "xCoord"),
        (message_xml(UID, [[nodule_xml([roi_xml([("", 3), (4, 5)], 0)], **RATED)]]), "damaged"),
        ("no XML", "damaged or is not XML"),
    ],
)
def test_damaged_annotations_are_said(tmp_path, text, sentence):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_annotations(tmp_path / "a.xml")


def test_too_large_a_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("LungSquadLib.cohorts.lidc_readings.LARGEST_XML", 100)
    (tmp_path / "a.xml").write_text(message_xml(UID, []))
    with pytest.raises(InputError, match="larger than"):
        read_annotations(tmp_path / "a.xml")


def ball(reader, centre, radius, spacing=(1.0, 1.0, 1.0)):
    grid = np.moveaxis(np.indices((40, 40, 40)), 0, -1)
    inside = (((grid - centre) * spacing) ** 2).sum(axis=-1) < radius**2
    return Region(reader, np.argwhere(inside), spacing)


def test_dice_is_twice_the_shared_part_of_both():
    a = Region(0, np.array([(0, 0, 0), (0, 0, 1), (0, 0, 2)]), (1, 1, 1))
    b = Region(1, np.array([(0, 0, 1), (0, 0, 2), (0, 1, 0), (1, 0, 0)]), (1, 1, 1))
    assert region_dice(a, b) == pytest.approx(2 * 2 / 7)


def test_readings_that_overlap_are_one_nodule():
    regions = [ball(0, (10, 10, 10), 4), ball(0, (30, 30, 30), 4), ball(1, (11, 10, 10), 5)]
    regions += [ball(2, (12, 12, 10), 3), ball(3, (30, 30, 31), 2)]
    assert same_nodule(regions) == [[0, 2, 3], [1, 4]]


def test_a_reader_has_one_reading_in_a_nodule():
    # The second reader drew two parts of what the first drew as one: the larger belongs to it.
    regions = [ball(0, (10, 10, 10), 6), ball(1, (10, 10, 6), 2), ball(1, (10, 10, 12), 4)]
    assert same_nodule(regions) == [[0, 2], [1]]


def test_near_readings_without_overlap_are_one_nodule():
    # Two slices 5 mm apart, drawn in one slice each: centres 5 mm apart, radii above 5 mm.
    disc = np.array([(10, y, x) for y in range(20) for x in range(20)])
    near = [Region(0, disc, (5, 1, 1)), Region(1, disc + np.array([1, 0, 0]), (5, 1, 1))]
    assert same_nodule(near) == [[0, 1]]
    far = [Region(0, disc, (5, 1, 1)), Region(1, disc + np.array([3, 0, 0]), (5, 1, 1))]
    assert same_nodule(far) == [[0], [1]]


def on_stored_grid(mask, ct):
    whole = sitk.Image(ct.stored.size, sitk.sitkUInt8)
    whole.SetSpacing(ct.stored.spacing)
    whole.SetOrigin(ct.stored.origin)
    whole.SetDirection(ct.stored.direction)
    image = sitk.Resample(mask.image, whole, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(image)


@pytest.mark.parametrize("case", ["lidc_0314", "lidc_0001"])
def test_the_mask_of_a_real_ct_comes_back(shared_data, tmp_path, case):
    original = shared_data / "open" / case
    shutil.copytree(original / "CT", tmp_path / "in" / "CT")
    ct = open_ct(original / "CT")
    known = read_mask(original / "mask_consensus.nrrd", ct)
    stored = on_stored_grid(known, ct)
    larger = sitk.GetArrayFromImage(sitk.BinaryDilate(sitk.GetImageFromArray(stored), [1, 1, 0]))
    smaller = sitk.GetArrayFromImage(sitk.BinaryErode(sitk.GetImageFromArray(stored), [1, 1, 0]))
    sessions = []
    for mask in (stored, larger, stored, smaller):
        rois = [
            roi
            for z, plane in enumerate(ct.dicom.planes)
            for roi in rois_of(mask[z], plane.position[2], plane.sop_instance)
        ]
        sessions.append([nodule_xml(rois, **RATED)])
    (tmp_path / "in" / "a.xml").write_text(message_xml(ct.dicom.series_uid, sessions))
    recipe = write_lidc(tmp_path / "in", tmp_path / "out")
    (row,) = rows(recipe)
    assert row["readers"] == "4"
    back = read_mask(tmp_path / "out" / row["mask"], ct)
    assert np.array_equal(on_stored_grid(back, ct), stored)
