"""Boxes of structured reports: read where they lie, and masks proposed in them."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

highdicom = pytest.importorskip("highdicom")
from highdicom import sr
from pydicom.sr.codedict import codes

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.dicom.boxes import read_boxes
from LungSquadLib.pipeline.propose import REGION_GROWING, propose_in_box
from Testing.dicom_maker import write_series
from Testing.samples import ball_images

MIDDLE = np.array((-30.5 + 38.0, 12.25 + 40.0, 100.0 + 50.0))  # of the ball, LPS mm
RADIUS = 9.0
BALL = (MIDDLE - RADIUS, MIDDLE + RADIUS)
ASIDE = (MIDDLE - (30, 5, 20), MIDDLE - (22, -5, 8))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The ball as a DICOM series."""
    folder = tmp_path_factory.mktemp("ct")
    ct, _ = ball_images(RADIUS)
    write_series(
        folder / "CT", sitk.GetArrayFromImage(ct), spacing=ct.GetSpacing(), origin=ct.GetOrigin()
    )
    return folder / "CT"


def slices(series):
    images = [pydicom.dcmread(path) for path in series.iterdir()]
    return sorted(images, key=lambda image: image.ImagePositionPatient[2])


def write_report(path, series, boxes, *, missing=(), space=False):
    """A report as that of Lung-PET-CT-Dx: a planar group for each slice of each box.

    Rectangles are in pixels from the corner of the first one, as PS3.3 C.18.6.1.1 has them.
    """
    images, groups = slices(series), []
    for low, high in boxes:
        for image in [images[0]] if space else images:
            position = np.array(image.ImagePositionPatient, float)
            rows, columns = (float(mm) for mm in image.PixelSpacing)
            if not space and not low[2] <= position[2] <= high[2]:
                continue
            if images.index(image) in missing:
                continue
            left, top = (low[:2] - position[:2]) / (columns, rows) + 0.5
            right, bottom = (high[:2] - position[:2]) / (columns, rows) + 0.5
            corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
            tracking = sr.TrackingIdentifier(highdicom.UID(), str(len(groups) + 1))
            if space:
                groups.append(in_space(low, high, image, tracking))
                continue
            groups.append(
                sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                    tracking_identifier=tracking,
                    referenced_region=sr.ImageRegion(
                        "POLYLINE",
                        np.array(corners),
                        sr.SourceImageForRegion.from_source_image(image),
                    ),
                    finding_type=codes.SCT.Neoplasm,
                    finding_sites=[sr.FindingSite(codes.SCT.Lung)],
                )
            )
    person = sr.ObserverContext(
        codes.DCM.Person, sr.PersonObserverIdentifyingAttributes(name="Anonymous^Reader")
    )
    report = sr.MeasurementReport(
        sr.ObservationContext(observer_person_context=person),
        procedure_reported=codes.cid100.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
    )
    sr.Comprehensive3DSR(
        evidence=images,
        content=report,
        series_number=9,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="Nobody",
    ).save_as(path)
    return path


def in_space(low, high, image, tracking):
    surface = [
        np.array([(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1])])[[0, 1, 3, 2, 0]]
        for z in (low[2], high[2])
    ]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_volume_surface=sr.VolumeSurface(
            "POLYGON",
            surface,
            image.FrameOfReferenceUID,
            source_series=sr.SourceSeriesForSegmentation.from_source_image(image),
        ),
    )


def test_rectangles_of_one_tumour_are_one_box(series, tmp_path):
    """Two tumours, whose rectangles have no common name; each box is where it was drawn."""
    path = write_report(tmp_path / "sr.dcm", series, [BALL, ASIDE])
    ct = open_ct(series)
    boxes = read_boxes(str(path), ct)
    assert [(box.number, box.site) for box in boxes] == [(1, "Lung"), (2, "Lung")]
    for box, (low, high) in zip(boxes, (ASIDE, BALL), strict=True):
        middle, size = (low + high) / 2, high - low
        assert box.centre_lps == pytest.approx(middle, abs=1.25)  # half a slice
        assert box.centre_lps[:2] == pytest.approx(middle[:2], abs=1e-6)
        assert box.size_mm[:2] == pytest.approx(size[:2], abs=1e-6)
        assert box.size_mm[2] == pytest.approx(2.5 * box.slices)
        assert abs(box.size_mm[2] - size[2]) <= 2.5


def test_a_missing_slice_does_not_part_a_box(series, tmp_path):
    path = write_report(tmp_path / "sr.dcm", series, [BALL], missing=(19, 20))
    (box,) = read_boxes(str(path), open_ct(series))
    assert box.slices == 5
    path = write_report(tmp_path / "far.dcm", series, [BALL], missing=(18, 19, 20, 21))
    assert len(read_boxes(str(path), open_ct(series))) == 2


def test_a_box_in_space_is_read_by_its_polygons(series, tmp_path):
    path = write_report(tmp_path / "sr.dcm", series, [BALL], space=True)
    ct = open_ct(series)
    boxes = read_boxes(str(path), ct)
    low = np.min([ct.grid.to_lps(box.low) for box in boxes], axis=0)
    high = np.max([ct.grid.to_lps(box.high) for box in boxes], axis=0)
    assert low[:2] == pytest.approx(BALL[0][:2])
    assert high[:2] == pytest.approx(BALL[1][:2])


def test_a_mask_is_proposed_in_the_box_and_flagged(series, tmp_path, capsys):
    """The ball, and nothing of it beyond a box that has only a part of it."""
    path = write_report(tmp_path / "sr.dcm", series, [BALL])
    ct = open_ct(series)
    mask = propose_in_box(ct, path, model=REGION_GROWING)
    _, ball = ball_images(RADIUS)
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(mask.image))
    assert voxels == pytest.approx(np.count_nonzero(sitk.GetArrayViewFromImage(ball)), rel=0.12)
    assert mask.flags[0].code == "mask_proposed_in_box"
    half = (MIDDLE - RADIUS, np.add(MIDDLE, (3.0, RADIUS, RADIUS)))
    part = propose_in_box(
        ct, write_report(tmp_path / "half.dcm", series, [half]), model=REGION_GROWING
    )
    lps = ct.grid.to_lps(np.argwhere(whole(part, ct))[:, ::-1])
    assert lps[:, 0].max() <= MIDDLE[0] + 3.0
    assert "of the proposal lay beyond the box" in part.flags[0].sentence
    words = ["crop", str(series), "--from-box", str(path), "-o", str(tmp_path / "c.nrrd"), "--json"]
    assert main(words) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["centre_lps"] == pytest.approx(list(MIDDLE), abs=1.5)
    assert "mask_proposed_in_box" in [flag["code"] for flag in described["flags"]]


def whole(mask, ct):
    image = sitk.Resample(mask.image, ct.read(), sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(image)


def test_a_report_that_has_no_such_box_is_refused(series, tmp_path):
    path, ct = write_report(tmp_path / "sr.dcm", series, [BALL, ASIDE]), open_ct(series)
    with pytest.raises(InputError, match=r"has 2 boxes: choose one with --box \(1: centre -"):
        propose_in_box(ct, path)
    with pytest.raises(InputError, match="has no box 3: it has 2"):
        propose_in_box(ct, path, number=3)
    with pytest.raises(InputError, match=r"No tumour is found|in lung"):
        propose_in_box(ct, path, number=1, model=REGION_GROWING)
    image, _ = ball_images(RADIUS)
    write_series(tmp_path / "other", sitk.GetArrayFromImage(image))
    with pytest.raises(InputError, match="has no box on this CT"):
        read_boxes(str(path), open_ct(tmp_path / "other"))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    with pytest.raises(InputError, match="need the CT as DICOM"):
        read_boxes(str(path), open_ct(tmp_path / "ct.nrrd"))


def test_inspect_lists_the_boxes(series, tmp_path, capsys):
    folder = tmp_path / "study"
    folder.mkdir()
    for image in series.iterdir():
        (folder / image.name).write_bytes(image.read_bytes())
    write_report(folder / "sr.dcm", series, [BALL])
    assert main(["inspect", str(folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "box 1" in line]
    assert "18 x 18 x 18 mm" in line
    assert "mm (LPS), Lung" in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("crop {ct} -o c.nrrd", "Name a mask, or a report with boxes"),
        ("crop {ct} m.nrrd --from-box s.dcm -o c.nrrd", "Name a mask, or a report with boxes"),
        ("crop {ct} m.nrrd --box 1 -o c.nrrd", "--box would be ignored"),
        ("crop {ct} --from-box s.dcm --roi A -o c.nrrd", "--roi would be ignored"),
    ],
)
def test_a_crop_of_both_or_none_is_refused(words, sentence, series, capsys):
    assert main(words.format(ct=series).split()) == 2
    assert sentence in capsys.readouterr().err
