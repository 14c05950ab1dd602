"""Flags reach the reader: each once, the worst first, by every verb and in every output."""

import html
import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.imaging.crop import flags_of_case
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.flags import Flag, count_by_severity, merged
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.inference.inpaint_ct import _deviations
from LungSquadLib.models.file import read_card
from LungSquadLib.progress import Silent
from LungSquadLib.worker.verbs import ImportMask
from Testing.inpainters import write_inpainter
from Testing.samples import ball_images, write_model

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_models_own_flag_is_shown_beside_the_cases_with_the_same_code():
    case = Flag("outside", "warning", "32 % lie outside.")
    own = Flag("outside", "severe", "65 % lie outside.")
    odd = Flag("odd", "info", "Odd.")
    found = merged([odd, case, case], [("A", [case, own]), ("B", [own]), ("C", [case])])
    assert [(flag.severity, flag.sentence) for flag in found] == [
        ("severe", "A: 65 % lie outside."),
        ("severe", "B: 65 % lie outside."),
        ("warning", "32 % lie outside."),
        ("info", "Odd."),
    ]
    assert merged(found) == found
    assert count_by_severity(flag.severity for flag in found) == "2 severe, 1 warning, 1 info"
    assert count_by_severity([]) == "none"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A CT with a mask in two pieces, one of them at the CT's border; models; a manifest."""
    folder = tmp_path_factory.mktemp("flagged")
    ct, mask = ball_images()
    array = sitk.GetArrayFromImage(mask)
    array[0, :3, :3] = 1
    two = sitk.GetImageFromArray(array)
    two.CopyInformation(mask)
    sitk.WriteImage(ct, str(folder / "ct.nrrd"))
    sitk.WriteImage(two, str(folder / "mask.nrrd"))
    write_model(folder / "model.safetensors")
    write_inpainter(folder / "painter.safetensors")
    rows = "patient_id,case,ct,mask\nP1,one,ct.nrrd,mask.nrrd\n"
    (folder / "manifest.csv").write_text(rows)
    return folder


@pytest.mark.slow
def test_every_verb_shows_the_same_flags_in_every_output(place, tmp_path, capsys):
    ct = open_ct(place / "ct.nrrd")
    flags = flags_of_case(ct, read_mask(place / "mask.nrrd", ct))
    assert {flag.code for flag in flags} >= {"several_components", "mask_at_ct_border"}
    case = [str(place / "ct.nrrd"), str(place / "mask.nrrd")]
    manifest, model = str(place / "manifest.csv"), str(place / "model.safetensors")
    out, painter = tmp_path / "out", str(place / "painter.safetensors")
    runs = {  # what is run, and where it shows flags
        "crop": (["crop", *case, "-o", str(tmp_path / "c.nrrd")], "terminal"),
        "crop, JSON": (["crop", *case, "-o", str(tmp_path / "c.nrrd"), "--json"], "terminal"),
        "slices": (["slices", *case, "-o", str(out / "slices")], "terminal slices.json"),
        "stage": (["stage", *case], "terminal"),
        "stage, JSON": (["stage", *case, "--json"], "terminal"),
        "predict": (
            ["predict", *case, "--model", model, "-o", str(out / "predict"), "--device", "cpu"],
            "terminal prediction.json report.html",
        ),
        "batch": (
            ["batch", manifest, "--model", model, "-o", str(out / "batch"), "--device", "cpu"],
            "results.csv index.html",
        ),
        "stage, cohort": (["stage", manifest, "-o", str(out / "stage")], "stage.csv index.html"),
        "build": (["cohort", "build", manifest, "-o", str(out / "store")], "flags.csv"),
        "check": (["cohort", "check", str(out / "store")], "terminal"),
        "check, JSON": (["cohort", "check", str(out / "store"), "--json"], "terminal"),
        "gan data": (["gan", "data", manifest, "-o", str(out / "set")], "flags.csv"),
        "synthesise": (
            ["inpaint", painter, *case, "--hu", "20", "-o", str(out / "made")],
            "terminal inpainting.json",
        ),
    }
    for name, (arguments, where) in runs.items():
        capsys.readouterr()
        assert main(arguments) in (0, None, 1 if "check" in name else 0), name
        shown = {"terminal": capsys.readouterr().out}
        places = [arguments[n + 1] for n, one in enumerate(arguments) if one == "-o"]
        for file in where.split():
            if file != "terminal":
                (folder,) = places
                shown[file] = html.unescape((Path(folder) / file).read_text(encoding="utf-8"))
            for flag in flags:
                assert flag.sentence in shown[file], (name, file, flag.code)
            if file not in ("flags.csv", "stage.csv", "results.csv"):
                assert "minor" not in shown[file], name
    result = ImportMask(*case, tmp_path / "mask.seg.nrrd").run(Silent())
    assert [Flag.of(flag) for flag in result["flags"]] == list(flags)


def test_stage_shows_the_flag_of_a_mask_that_the_ct_cuts_off(tmp_path, capsys):
    """Half of the series is missing: the tumour is measured too small, and that is said."""
    ct, mask = ball_images()
    half = ct[:, :, : ct.GetSize()[2] // 2]
    sitk.WriteImage(half, str(tmp_path / "ct.nrrd"))
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    main(["stage", str(tmp_path / "ct.nrrd"), str(tmp_path / "mask.nrrd"), "--json"])
    flags = json.loads(capsys.readouterr().out)["flags"]
    assert {"mask_at_ct_border", "mask_outside_ct"} & {flag["code"] for flag in flags}
    order = ["severe", "warning", "info"]
    places = [order.index(flag["severity"]) for flag in flags]
    assert places == sorted(places)


def test_what_came_out_is_flagged_where_it_is_further_off_than_the_models_error():
    card = read_card(ROOT / "LungSquadLib/models/bundled/demo-inpainting.safetensors")
    asked = {"hu": 20.0, "diameter_mm": 20.0}
    hu, mm = card.metrics["HU_error"].high, card.metrics["diameter_error_mm"].high
    for found, codes in (
        ({"hu": 20.0, "diameter_mm": 20.0}, []),
        ({"hu": 20 - hu - 0.1, "diameter_mm": 20 + mm - 0.1}, ["hu_missed"]),
        ({"hu": 20 + hu - 0.1, "diameter_mm": 20 - mm - 0.1}, ["diameter_mm_missed"]),
    ):
        flags = list(_deviations(card, asked, found))
        assert [flag.code for flag in flags] == codes, found
        assert all(flag.severity == "warning" for flag in flags)
