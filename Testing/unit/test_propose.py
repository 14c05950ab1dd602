"""The method for clicks is chosen: a network where one is installed, or region growing."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

import LungSquadLib as ls
from LungSquadLib.cli import main
from LungSquadLib.cli.segment import CANDIDATE_COLUMNS
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.models import catalogue
from LungSquadLib.pipeline import propose as module
from LungSquadLib.pipeline.propose import REGION_GROWING, SEGMENTER, default_method, propose

from ..samples import ball_images

MIDDLE = (-30.5 + 38.0, 12.25 + 40.0, 100.0 + 50.0)  # of the ball, LPS mm
ASIDE = (MIDDLE[0] + 7.0, *MIDDLE[1:])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The only folder of models, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.delenv(catalogue.VARIABLE, raising=False)
    monkeypatch.setattr(catalogue, "BUNDLED", folder)
    monkeypatch.setattr(catalogue, "user_folder", lambda: folder)
    return folder


@pytest.fixture
def installed(folder, monkeypatch):
    """A segmenter that takes what is dense for tumour."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..segmenters import write_segmenter

    model = write_segmenter(folder / "s.safetensors", name=SEGMENTER)
    monkeypatch.setattr(module, "read_model", lambda *_args, **_options: model)
    return model


def voxels(mask):
    return int(np.count_nonzero(sitk.GetArrayViewFromImage(mask.image)))


def test_without_a_segmenter_it_is_region_growing():
    assert default_method() == REGION_GROWING
    ct, ball = ball_images()
    mask = ls.propose_mask(ct, MIDDLE)
    assert mask.source == "region growing from a click"
    assert voxels(mask) == pytest.approx(
        np.count_nonzero(sitk.GetArrayViewFromImage(ball)), rel=0.1
    )
    assert voxels(propose(ct, [MIDDLE])) == voxels(propose(ct, np.array(MIDDLE))) == voxels(mask)
    for inside, outside in (([MIDDLE, ASIDE], []), ([MIDDLE], [ASIDE]), ([], [])):
        with pytest.raises(InputError, match="Region growing takes one point"):
            propose(ct, inside, outside)


def test_an_installed_segmenter_is_used_with_all_clicks(installed, monkeypatch):
    assert default_method() == SEGMENTER
    ct, _ball = ball_images()
    mask = ls.propose_mask(ct, MIDDLE)
    assert mask.source == f"network {SEGMENTER} from clicks"
    corners = [tuple(value + side for value in MIDDLE) for side in (-12.0, 12.0)]
    assert propose(ct, box=corners).source == f"network {SEGMENTER} from a box"
    assert [flag.code for flag in mask.flags][-1] == "segmentation_agrees"
    assert voxels(propose(ct, [MIDDLE], [ASIDE])) < 0.97 * voxels(mask)
    assert propose(ct, MIDDLE, model=REGION_GROWING).source == "region growing from a click"
    monkeypatch.setattr(module, "find_spec", lambda _name: None)  # no torch
    assert default_method() == REGION_GROWING


def test_region_growing_that_fails_is_no_error_beside_a_network(installed):
    """A point in tissue, far from lung."""
    wall = sitk.GetImageFromArray(np.full((100, 100, 100), -300, np.int16))
    wall.SetSpacing((2.0, 2.0, 2.0))
    middle = (100.0, 100.0, 100.0)
    with pytest.raises(InputError):
        propose(wall, middle, model=REGION_GROWING)
    mask = propose(wall, middle)
    assert mask.source.startswith("network")
    sentences = [flag.sentence for flag in mask.flags]
    assert "Region growing, the other method, finds no tumour here: check the mask." in sentences


def test_the_command_takes_clicks_and_a_model(installed, tmp_path, capsys):
    ct, out = tmp_path / "ct.nrrd", tmp_path / "mask.nrrd"
    sitk.WriteImage(ball_images()[0], str(ct))
    inside, outside = (f"{x},{y},{z}" for x, y, z in (MIDDLE, ASIDE))
    command = ["segment", str(ct), "-o", str(out), f"--at={inside}", "--json"]
    described = []
    for more in ([], [f"--exclude={outside}"], ["--model", REGION_GROWING]):
        assert main([*command, *more]) == 0
        described.append(json.loads(capsys.readouterr().out))
    assert [part["source"].split()[0] for part in described] == ["network", "network", "region"]
    whole, part, grown = (result["mask_voxels"] for result in described)
    assert part < 0.97 * whole
    assert grown == pytest.approx(whole, rel=0.1)
    assert grown == np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(out))))
    out.unlink()
    assert main([*command, f"--exclude={outside}", "--model", REGION_GROWING]) == 2
    assert "Region growing takes one point" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_takes_a_box_in_lps_and_in_ras(installed, tmp_path, capsys):
    ct = tmp_path / "ct.nrrd"
    sitk.WriteImage(ball_images()[0], str(ct))
    x, y, z = MIDDLE
    lps = [x - 40, y - 40, z - 12, x + 40, y + 40, z]  # the lower half, and beyond the CT
    ras = [-lps[0], -lps[1], lps[2], -lps[3], -lps[4], lps[5]]
    voxels_in_mask = []
    for corners, more in ((lps, []), (ras, ["--ras"])):
        box = ",".join(f"{value:g}" for value in corners)
        command = ["segment", str(ct), "-o", str(tmp_path / "m.nrrd"), f"--box={box}", "--json"]
        assert main([*command, *more]) == 0
        voxels_in_mask.append(json.loads(capsys.readouterr().out)["mask_voxels"])
    whole = voxels(propose(ball_images()[0], MIDDLE))
    assert 0.4 * whole < voxels_in_mask[0] == voxels_in_mask[1] < 0.7 * whole
    assert main([*command, "--ras", "--model", REGION_GROWING]) == 2
    assert "Region growing takes one point in the tumour, and nothing else" in (
        capsys.readouterr().err
    )
    assert main(["segment", str(ct), "-o", "m.nrrd", "--box=1,2,3,4,5"]) == 2
    assert "is not X,Y,Z,X,Y,Z, six numbers" in capsys.readouterr().err


def test_an_unknown_model_and_one_of_another_kind_are_sentences(folder):
    ct, _ball = ball_images()
    with pytest.raises(ModelError, match="There is no model named"):
        propose(ct, MIDDLE, model="nodules")
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..samples import write_model

    write_model(folder / "c.safetensors", seed=0, name="c", title="C")
    with pytest.raises(ModelError, match="is a classifier, and a segmenter is needed here"):
        propose(ct, MIDDLE, model="c")


def test_candidates_are_a_table_that_says_what_it_is(installed, tmp_path, capsys, monkeypatch):
    from LungSquadLib.inference import candidates as module_of_candidates
    from LungSquadLib.inference.candidates import Candidate

    two = [Candidate((-7.5, 52.25, 150.0), 0.934, 18.2, 3.1), Candidate((0, 1, 2), 0.5, 4, 0.03)]
    monkeypatch.setattr(module_of_candidates, "candidates", lambda *_args, **_options: two)
    ct, out = tmp_path / "ct.nrrd", tmp_path / "c.csv"
    sitk.WriteImage(ball_images()[0], str(ct))
    command = ["segment", str(ct), "-o", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1].split() == ["-7.50", "52.25", "150.00", "0.93", "18.20", "3.10"]
    assert "Experimental" in printed
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(value) for value in rows[0].values()] == [-7.5, 52.25, 150.0, 0.934, 18.2, 3.1]
    assert list(rows[0]) == list(CANDIDATE_COLUMNS)
    assert len(rows) == 2
    assert main([*command, "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["candidates"][0]["position"] == [-7.5, 52.25, 150.0]
    assert described["notice"].startswith("Experimental")
    for more, sentence in (
        (["--ras"], "--ras would be ignored"),
        (["--exclude=1,2,3"], "--exclude would be ignored"),
        (["--model", REGION_GROWING], "Region growing finds no candidates"),
        (["-o", str(tmp_path / "c.nrrd")], "give -o a name that ends in .csv"),
    ):
        assert main([*command, *more]) == 2
        assert sentence in capsys.readouterr().err


def test_candidates_in_the_worker_s_words(installed, tmp_path):
    """A ball in a body with lung is the first candidate."""
    from LungSquadLib.progress import Silent
    from LungSquadLib.worker.requests import read_request

    hu = np.full((60, 60, 60), -1000, np.int16)
    hu[:, 4:56, 4:56] = 40
    hu[:, 8:52, 8:52] = -850
    z, y, x = np.ogrid[:60, :60, :60]
    hu[(z - 30) ** 2 + (y - 30) ** 2 + (x - 25) ** 2 < 16] = 40
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((2.0, 2.0, 2.0))
    ct = tmp_path / "ct.nrrd"
    sitk.WriteImage(image, str(ct))
    request = read_request({"id": 1, "verb": "candidates", "ct": str(ct)})
    first = request.run(Silent())["candidates"][0]
    assert first["position"] == pytest.approx((50.0, 60.0, 60.0), abs=1.0)
    assert first["diameter_mm"] == pytest.approx(16.0, abs=1.5)
