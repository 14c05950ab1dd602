"""The folder of a case: a report that stands alone, JSON, and DICOM that belongs to its CT."""

import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.identity import pseudonym
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.pictures import VIEWS, plane_through_tumour
from LungSquadLib.pipeline.case import run_case
from LungSquadLib.pipeline.case_input import CaseInput
from LungSquadLib.pipeline.options import PredictionOptions
from LungSquadLib.report.page import Markup, element
from LungSquadLib.report.render import rendered

from ..dicom_maker import CORONAL, write_rtstruct, write_series
from ..samples import ball_images, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "sample.safetensors")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A DICOM series of the ball, its mask file, and the images."""
    folder = tmp_path_factory.mktemp("patient")
    ct, mask = ball_images()
    write_series(
        folder / "CT", sitk.GetArrayFromImage(ct), spacing=ct.GetSpacing(), origin=ct.GetOrigin()
    )
    sitk.WriteImage(mask, str(folder / "mask.nrrd"))
    return folder


@pytest.fixture(scope="module")
def case(series, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "case"
    described = run_case(
        CaseInput(series / "CT", series / "mask.nrrd"),
        [model],
        folder,
        options=PredictionOptions("cpu"),
    )
    return folder, described


class Page(HTMLParser):
    """What a page refers to, and whether its tags close."""

    def __init__(self, text):
        super().__init__()
        self.references, self.open, self.scripts = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.references += [v for k, v in attributes if k in ("src", "href") and v]
        self.scripts += tag == "script"
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.references += [v for k, v in attributes if k in ("src", "href") and v]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_folder_is_whole_and_says_what_it_holds(case):
    folder, described = case
    assert json.loads((folder / "prediction.json").read_text()) == described
    named = {*described["files"].values(), "prediction.json"}
    assert {path.name for path in folder.iterdir()} == named


def test_the_report_stands_alone(case):
    page = (case[0] / "report.html").read_text()
    parsed = Page(page)
    assert parsed.open == []
    assert all(reference.startswith("data:image/png") for reference in parsed.references)
    assert parsed.scripts == 1
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"https?://", page)


def test_the_report_shows_what_was_found(case):
    page, described = (case[0] / "report.html").read_text(), case[1]
    prediction = described["predictions"][0]
    assert "Research software, not a medical device." in page
    assert "Random weights: it means nothing." in page
    assert f"{prediction['probabilities'][prediction['predicted_class']]:.0%}" in page
    for flag in described["flags"]:
        assert flag["code"] in page
    assert "Must not be used." in page
    assert described["ct"]["sha256"] in page
    assert prediction["model"]["sha256"] in page


def test_the_notice_of_a_demo_model_is_in_every_output(case, capsys):
    folder, described = case
    notice = "Random weights: it means nothing."
    assert described["notices"] == [notice]
    assert described["predictions"][0]["notice"] == notice
    assert notice in (folder / "report.html").read_text()
    assert notice.encode() in (folder / "sr.dcm").read_bytes()


def test_the_report_can_be_made_again(case, tmp_path, capsys):
    folder, _ = case

    def undated(page):
        return re.sub(r"Made [^.]+ by", "", page)

    assert undated(rendered(folder)) == undated((folder / "report.html").read_text())
    out = tmp_path / "again.html"
    assert main(["report", str(folder), "-o", str(out), "--window", "mediastinum"]) == 0
    assert "window 40/400 HU" in out.read_text()
    assert main(["report", str(tmp_path)]) == 2
    assert "no folder of a finished case" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg onload=alert(1)>", "is damaged or is not"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1 << 23), "too large for a picture"),
        (None, "is not there"),
    ],
)
def test_a_view_that_is_no_picture_is_refused(case, tmp_path, content, said):
    folder = tmp_path / "case"
    shutil.copytree(case[0], folder)
    described = json.loads((folder / "prediction.json").read_text())
    described["files"]["view-axial"] = "view.png"
    (folder / "prediction.json").write_text(json.dumps(described))
    if content is not None:
        (folder / "view.png").write_bytes(content)
    with pytest.raises(InputError, match=said):
        rendered(folder)


def test_two_runs_give_the_same_json(series, model, case, tmp_path):
    again = run_case(
        CaseInput(series / "CT", series / "mask.nrrd"),
        [model],
        tmp_path / "again",
        options=PredictionOptions("cpu"),
    )
    assert again == case[1]
    assert (tmp_path / "again/prediction.json").read_bytes() == (
        case[0] / "prediction.json"
    ).read_bytes()


def test_seg_is_the_mask_on_the_ct(series, case):
    ct = open_ct(series / "CT")
    back = read_mask(case[0] / "seg.dcm", ct)
    given = read_mask(series / "mask.nrrd", ct)
    assert sitk.Hash(back.image) == sitk.Hash(given.image)
    assert Grid.of(back.image).offset_in(Grid.of(given.image)) == (0, 0, 0)


def test_identity_is_a_hash_unless_asked_otherwise(series, model, case, tmp_path):
    assert case[1]["patient"] == pseudonym("MRN-4711")
    kept = run_case(
        CaseInput(series / "CT", series / "mask.nrrd"),
        [model],
        tmp_path / "kept",
        options=PredictionOptions("cpu", keep_identity=True),
    )
    assert kept["patient"] == "MRN-4711"
    assert pydicom.dcmread(tmp_path / "kept/seg.dcm").PatientName == "Doe^Jane"
    assert "MRN-4711" in (tmp_path / "kept/report.html").read_text()


def test_the_identity_key_changes_the_hash(monkeypatch):
    plain = pseudonym("MRN-4711")
    monkeypatch.setenv("LUNGSQUAD_IDENTITY_KEY", "secret")
    assert pseudonym("MRN-4711") != plain
    assert pseudonym("MRN-4711") == pseudonym("MRN-4711")


def test_a_ct_that_is_not_dicom_has_no_dicom_results(model, tmp_path):
    ct, mask = ball_images()
    sitk.WriteImage(ct, str(tmp_path / "ct.nrrd"))
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    described = run_case(
        CaseInput(tmp_path / "ct.nrrd", tmp_path / "mask.nii.gz"), [model], tmp_path / "out"
    )
    assert not (tmp_path / "out/seg.dcm").exists()
    assert described["ct"]["source"] == "volume file"


def test_without_highdicom_the_rest_is_written_and_it_is_said(series, model, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    described = run_case(CaseInput(series / "CT", series / "mask.nrrd"), [model], tmp_path / "out")
    assert "dicom_not_written" in [flag["code"] for flag in described["flags"]]
    assert (tmp_path / "out/report.html").exists()
    assert not (tmp_path / "out/seg.dcm").exists()


def test_what_else_lies_in_the_folder_stays(series, model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    run_case(CaseInput(series / "CT", series / "mask.nrrd"), [model], tmp_path / "out")
    assert (tmp_path / "out/mine.txt").read_text() == "mine"


def test_predict_command_tells_people_and_programs(series, model, tmp_path, capsys):
    arguments = ["predict", str(series / "CT"), str(series / "mask.nrrd")]
    arguments += ["--model", str(model.path), "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "Alive at two years?" in shown
    assert "Random weights: it means nothing." in shown
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "out/prediction.json").read_text())


def test_the_crops_centre_can_be_chosen_on_the_command_line(series, model, case, tmp_path, capsys):
    inputs = [str(series / "CT"), str(series / "mask.nrrd")]
    centre = ["--centre", "-5", "52.5", "140"]
    out = tmp_path / "out"
    assert main(["predict", *inputs, "--model", str(model.path), "-o", str(out), *centre]) == 0
    described = json.loads((out / "prediction.json").read_text())
    for crop_ in (described["crop"], described["predictions"][0]["crop"]):
        assert crop_["chosen_centre_lps"] == [-5, 52.5, 140]
        assert np.abs(np.subtract(crop_["centre_lps"], [-5, 52.5, 140])).max() <= 0.5
    codes = [flag["code"] for flag in described["flags"]]
    assert codes.count("centre_chosen") == 1
    assert "centre_chosen" in (out / "report.html").read_text()
    assert "centre_chosen" not in json.dumps(case[1])
    capsys.readouterr()
    assert main(["crop", *inputs, "-o", str(tmp_path / "c.nrrd"), *centre, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == described["crop"]


def test_views_are_turned_as_readers_expect(tmp_path):
    """Bright spots at patient left, back and head end up right, below and above."""
    hu = np.full((30, 40, 50), -800, np.int16)
    mask = np.zeros_like(hu, np.uint8)
    z, y, x = np.ogrid[:30, :40, :50]
    mask[(z - 15) ** 2 + (y - 20) ** 2 + (x - 25) ** 2 <= 4] = 1
    hu[15, 20, 45], hu[15, 36, 25], hu[26, 20, 25] = 500, 600, 700  # left, back, head
    image, marked = sitk.GetImageFromArray(hu), sitk.GetImageFromArray(mask)
    for orientation in ("LPS", "RAS", "LSA", "PIR"):
        one = sitk.DICOMOrient(image, orientation)
        sitk.WriteImage(one, str(tmp_path / "ct.nrrd"))
        sitk.WriteImage(sitk.DICOMOrient(marked, orientation), str(tmp_path / "m.nrrd"))
        ct = open_ct(tmp_path / "ct.nrrd")
        line = ((45.0, 20.0, 15.0), (25.0, 36.0, 26.0))  # LPS: origin 0, spacing 1
        views = {
            view: plane_through_tumour(ct, read_mask(tmp_path / "m.nrrd", ct), view, line_lps=line)
            for view in VIEWS
        }

        def where(view, value, views=views):
            rows, columns = np.nonzero(views[view].hu == value)
            middle = np.argwhere(views[view].mask).mean(axis=0)
            return rows[0] - middle[0], columns[0] - middle[1]

        assert where("axial", 500) == (0, 20)
        assert where("axial", 600) == (16, 0)
        assert where("coronal", 700) == (-11, 0)
        assert where("coronal", 500) == (0, 20)
        assert where("sagittal", 700) == (-11, 0)
        assert where("sagittal", 600) == (0, 16)
        for view, ends in (
            ("axial", [(45.5, 20.5), (25.5, 36.5)]),
            ("coronal", [(45.5, 14.5), (25.5, 3.5)]),
            ("sagittal", [(20.5, 14.5), (36.5, 3.5)]),
        ):
            np.testing.assert_allclose(views[view].line, ends)


def test_a_coronal_series_with_rtstruct_goes_all_the_way(model, tmp_path):
    hu = np.full((40, 44, 48), -800, np.int16)
    hu[15:25, 17:27, 19:29] = 40
    write_series(tmp_path / "CT", hu, orientation=CORONAL, spacing=(1.2, 1.1, 1.5))
    ct = open_ct(tmp_path / "CT")
    square = [(19, 17), (28, 17), (28, 26), (19, 26)]
    contours = [
        ct.stored.to_lps(np.array([(x, y, z) for x, y in square], float)) for z in range(15, 25)
    ]
    write_rtstruct(tmp_path / "rs.dcm", tmp_path / "CT", {"GTV": contours})
    described = run_case(CaseInput(tmp_path / "CT", tmp_path / "rs.dcm"), [model], tmp_path / "out")
    assert described["crop"]["mask_voxels"] == 1000
    back = read_mask(tmp_path / "out/seg.dcm", ct)
    assert sitk.GetArrayFromImage(back.image).sum() == 1000
    given = read_mask(tmp_path / "rs.dcm", ct)
    assert crop(ct, back).to_dict()["mask_sha256"] == crop(ct, given).to_dict()["mask_sha256"]


def test_the_t_stage_by_size_is_in_json_page_and_figures(case):
    folder, described = case
    staged = described["t_stage"]
    assert (staged["stage"], staged["editions"]["7"]) == ("T1b", "T1a")
    assert staged["size_mm"] == pytest.approx(18, abs=2.5)  # the ball's, and a slice
    page = unescape((folder / "report.html").read_text())
    for sentence in (staged["sentence"], staged["limits"], "By edition: T1a (7th), T1b (8th)"):
        assert sentence in page
    assert page.count('class="diameter"') == len(VIEWS)
    assert "the largest diameter, seen from here" in page


def test_html_is_escaped_unless_it_is_markup():
    assert element("p", "<b>&", title='"><script>') == (
        '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;</p>'
    )
    assert element("p", Markup("<b></b>"), ["a", None, 1]) == "<p><b></b>a1</p>"
    assert element("input", type="range", data_x=3) == '<input type="range" data-x="3">'
