"""The method for clicks is chosen: a network where one is installed, or region growing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

import LungSquadLib as ls
from LungSquadLib.cli import main
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


def test_an_unknown_model_and_one_of_another_kind_are_sentences(folder):
    ct, _ball = ball_images()
    with pytest.raises(ModelError, match="There is no model named"):
        propose(ct, MIDDLE, model="nodules")
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..samples import write_model

    write_model(folder / "c.safetensors", seed=0, name="c", title="C")
    with pytest.raises(ModelError, match="is a classifier, and a segmenter is needed here"):
        propose(ct, MIDDLE, model="c")
